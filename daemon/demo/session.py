"""The demo from its first process to its last: broker, traffic, the real daemon, and a look at what it publishes."""

import tempfile
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from daemon.clock import SystemClock
from daemon.demo import real_log, writer
from daemon.demo.broker import Broker, free_port, start_broker
from daemon.demo.exactness import Restart
from daemon.demo.klaxond import Klaxond, configuration
from daemon.demo.ledger import Ledger
from daemon.demo.real_log import RealLog
from daemon.demo.rows import Look, has_estimates, look_at
from daemon.demo.scenarios import SCENARIOS, THRESHOLD_NATS, WINDOWS, ScenarioName
from daemon.demo.state import DemoState
from daemon.demo.stop import StopRequest
from daemon.demo.story import TOLD_SERIES, Story
from daemon.demo.traffic import Channel, Traffic
from daemon.demo.writer import TokenWriter
from daemon.errors import OperatingError
from daemon.kafka_producer import create_topics, delete_topics

#: The year of Kullback's and Leibler's paper: every demo draws the same tokens, unless told otherwise.
SEED: Final = 1951

_LOOK_SECONDS: Final = 0.5
_PATIENCE_SECONDS: Final = 60.0  # a daemon that publishes no estimate for so long is at fault


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line asks for; `goes_on`: after the scenario's end too, where no `seconds` are given."""

    scenario: ScenarioName = "story"
    seed: int = SEED
    seconds: float | None = None
    goes_on: bool = True
    bootstrap_servers: str | None = None
    listen_address: str | None = None


class Demo:
    """One demo; `run` is called once."""

    def __init__(self, options: DemoOptions, *, say: Callable[[str], None], show: Callable[[DemoState], None]) -> None:
        self._options = options
        self._say = say
        self._show = show
        self._clock = SystemClock()
        self._started = self._clock.monotonic()
        self._stop = StopRequest()
        self._state = DemoState(self._clock.now(), options.scenario, options.seed)
        self._ledger = Ledger()
        self._broker: Broker | None = None
        self._daemon: Klaxond | None = None
        self._traffic: Traffic | None = None
        self._story: Story | None = None
        self._published_seconds = 0.0
        self._daemon_started = 0.0  # monotonic

    def run(self) -> DemoState:
        """Run until the time is over or somebody asks to end; whatever happens, no process is left.

        Raises OperatingError where a part cannot be had, or ends by itself.
        """
        with self._stop.on_signals(), ExitStack() as cleanup:
            folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="klaxon-demo-")))
            self._start(folder, cleanup)
            while not self._over():
                self._look()
                self._stop.pause(min(_LOOK_SECONDS, self._left()))
            self._tell_what_is_missing()
        self._say("Stopped.")
        return self._state

    # Starting

    def _start(self, folder: Path, cleanup: ExitStack) -> None:
        """Start the parts in order; `cleanup` ends them in the opposite one."""
        servers = self._start_broker(folder, cleanup)
        if self._over():
            return
        # Names of this run only: nothing that exists already is read or written.
        run = uuid.uuid4().hex[:8]
        topics = {stream: f"klaxon-demo-{stream}-{run}" for stream in (real_log.STREAM, writer.STREAM)}
        create_topics(servers, dict.fromkeys(topics.values(), 1))
        if self._options.bootstrap_servers is not None:
            cleanup.callback(delete_topics, servers, dict.fromkeys(topics.values(), 1))
        address = self._state.address = self._options.listen_address or f"127.0.0.1:{free_port()}"
        settings = configuration(servers, topics, run, address, windows=WINDOWS, threshold_nats=THRESHOLD_NATS)
        self._daemon = Klaxond(folder, address, settings)
        self._daemon_started = self._clock.monotonic()
        cleanup.callback(self._daemon.end)
        self._state.pid = self._daemon.child.pid
        self._start_traffic(servers, topics, cleanup)

    def _start_broker(self, folder: Path, cleanup: ExitStack) -> str:
        servers, self._state.broker = self._options.bootstrap_servers, "yours"
        if servers is None:
            broker = start_broker(folder)
            self._broker = broker
            cleanup.callback(broker.child.end)
            broker.wait(self._stop.pause, self._elapsed)
            servers, self._state.broker = broker.bootstrap_servers, broker.kind
        self._state.bootstrap_servers = servers
        return servers

    def _start_traffic(self, servers: str, topics: dict[str, str], cleanup: ExitStack) -> None:
        writers = {each.series: each for each in (TokenWriter(version, self._options.seed) for version in writer.RATES)}
        channels = [Channel(topics[real_log.STREAM], RealLog())]
        channels += [Channel(topics[writer.STREAM], each) for each in writers.values()]
        told = writers[TOLD_SERIES]
        self._story = Story(
            SCENARIOS[self._options.scenario],
            self._ledger,
            lambda traffic: told.change(traffic, int(self._clock.now() * 1e6)),
        )
        self._state.progress, self._state.false_alarms = self._story.progress, self._story.false_alarms
        self._traffic = Traffic(channels, servers, self._clock, self._ledger)
        cleanup.callback(self._traffic.stop)
        self._traffic.start()

    # Watching

    def _look(self) -> None:
        assert self._daemon is not None  # noqa: S101 - started before
        assert self._story is not None  # noqa: S101
        self._check_parts(self._daemon)
        state = self._state
        status = self._daemon.status()
        look = None if status is None else look_at(status, self._ledger)
        before, state.seconds = state.seconds, self._elapsed()
        if self._coming_back():
            self._story.blind(state.seconds - before)
        if look is not None and look.published_seconds > self._published_seconds:
            self._published_seconds = look.published_seconds
            state.take_in(look)
            self._welcome_back(look)
        if state.live_after_seconds is None and has_estimates(state.rows):
            state.live_after_seconds = state.seconds
        self._story.tick(self._clock.now(), look)
        state.over = self._story.over
        self._show(state)

    def _check_parts(self, daemon: Klaxond) -> None:
        if daemon.was_killed():
            self._start_again(daemon)
        for child in (daemon.child, *(() if self._broker is None else (self._broker.child,))):
            if (status := child.ended()) is not None:
                how = "ended by itself" if status >= 0 else f"was ended by signal {-status}"
                raise OperatingError(f"the demo's {child.name} {how}; it said last:\n{child.tail()}")
        if self._traffic is not None and not self._traffic.alive():
            raise OperatingError("the demo's traffic ended by itself: please report it")
        silent = self._clock.monotonic() - self._daemon_started > _PATIENCE_SECONDS
        if silent and (self._state.live_after_seconds is None or self._coming_back()):
            raise OperatingError(
                f"klaxond has published no estimate within {_PATIENCE_SECONDS:.0f} s; check that the brokers at "
                f"{self._state.bootstrap_servers} can be reached; it said last:\n{daemon.child.tail()}"
            )

    def _start_again(self, daemon: Klaxond) -> None:
        before = daemon.child.pid
        daemon.again()
        self._daemon_started = self._clock.monotonic()
        self._state.pid = daemon.child.pid
        self._state.restarts.append(Restart(self._clock.now(), before, daemon.child.pid))

    def _welcome_back(self, look: Look) -> None:
        """Where the daemon was killed: compare the first complete window that reaches back before that."""
        if not self._coming_back():
            return
        restart, row = self._state.restarts[-1], look.of(TOLD_SERIES, WINDOWS[-1])
        if row is None or row.sent is None or not row.complete or row.of("fixed") is None:
            return
        restart.back_seconds, restart.row = look.published_seconds, row
        killed_us, end_us = round(restart.killed_seconds * 1e6), round(row.end_seconds * 1e6)
        after = self._ledger.between(TOLD_SERIES, killed_us, end_us)
        restart.sent_before = row.sent.messages - (0 if after is None else after.messages)

    def _coming_back(self) -> bool:
        return bool(self._state.restarts) and self._state.restarts[-1].row is None

    def _tell_what_is_missing(self) -> None:
        if self._state.live_after_seconds is None:
            self._say(f"No estimate came within {self._elapsed():.0f} s: let it run longer.")
        if self._traffic is not None and self._traffic.refused:
            self._say(f"The brokers refused {self._traffic.refused} records.")

    def _elapsed(self) -> float:
        return self._clock.monotonic() - self._started

    def _left(self) -> float:
        return float("inf") if self._options.seconds is None else max(0.0, self._options.seconds - self._elapsed())

    def _over(self) -> bool:
        ended = self._state.over and not self._options.goes_on and self._options.seconds is None
        return self._stop.requested or self._left() <= 0 or ended

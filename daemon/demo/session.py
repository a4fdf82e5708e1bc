"""The demo from its first process to its last: broker, traffic, the real daemon, and a look at what it publishes."""

import json
import sys
import tempfile
import urllib.request
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from daemon.clock import SystemClock
from daemon.demo.broker import free_port, start_broker
from daemon.demo.pairs import WRITER_VERSIONS, RealLog, TokenWriter, Truth, ValueSource
from daemon.demo.processes import Child
from daemon.demo.rows import Row, Status, has_estimates, rows_of
from daemon.demo.stop import StopRequest
from daemon.demo.traffic import Channel, Traffic
from daemon.errors import OperatingError
from daemon.kafka_producer import create_topics, delete_topics

LOG_STREAM: Final = "bandit"
WRITER_STREAM: Final = "tokens"
WINDOWS: Final = ("10s", "1m", "5m")

_SEED: Final = 1951  # the year of Kullback's and Leibler's paper: every demo draws the same tokens
_LOOK_SECONDS: Final = 1.0
_HTTP_SECONDS: Final = 3.0
_PATIENCE_SECONDS: Final = 60.0  # a daemon that publishes no estimate for so long is at fault
_DAEMON_STOP_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line asks for."""

    seconds: float | None = None
    bootstrap_servers: str | None = None
    listen_address: str | None = None


@dataclass(slots=True)
class DemoState:
    """What there is to see.

    Attributes
    ----------
    address : of the daemon's HTTP side
    bootstrap_servers : of the broker, and what kind it is
    truths : by stream and label values
    rows : what the daemon published last
    seconds : since the start
    live_after_s : seconds from the start to the first estimate
    """

    address: str = ""
    bootstrap_servers: str = ""
    broker: str = ""
    truths: dict[tuple[str, tuple[str, ...]], Truth] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    live_after_s: float | None = None


class Demo:
    """One demo; `run` is called once."""

    def __init__(self, options: DemoOptions, *, say: Callable[[str], None], show: Callable[[DemoState], None]) -> None:
        self._options = options
        self._say = say
        self._show = show
        self._clock = SystemClock()
        self._started = self._clock.monotonic()
        self._stop = StopRequest()
        self._state = DemoState()
        self._children: list[Child] = []
        self._traffic: Traffic | None = None

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
        servers = self._options.bootstrap_servers
        if servers is None:
            broker = start_broker(folder)
            self._add(broker.child, cleanup)
            broker.wait(self._stop.pause, self._elapsed)
            servers, self._state.broker = broker.bootstrap_servers, broker.kind
        else:
            self._state.broker = "yours"
        self._state.bootstrap_servers = servers
        if self._over():
            return
        # Names of this run only: nothing that exists already is read or written.
        run = uuid.uuid4().hex[:8]
        topics = {stream: f"klaxon-demo-{stream}-{run}" for stream in (LOG_STREAM, WRITER_STREAM)}
        create_topics(servers, dict.fromkeys(topics.values(), 1))
        if self._options.bootstrap_servers is not None:
            cleanup.callback(delete_topics, servers, dict.fromkeys(topics.values(), 1))
        self._start_daemon(topics, run, folder, cleanup)
        self._traffic = Traffic(self._channels(topics), servers, self._clock)
        cleanup.callback(self._traffic.stop)
        self._traffic.start()

    def _channels(self, topics: dict[str, str]) -> list[Channel]:
        sources: list[tuple[str, ValueSource]] = [(LOG_STREAM, RealLog())]
        sources += [(WRITER_STREAM, TokenWriter(version, _SEED)) for version in WRITER_VERSIONS]
        for stream, source in sources:
            self._state.truths |= {(stream, labels): truth for labels, truth in source.truths().items()}
        return [Channel(topics[stream], source) for stream, source in sources]

    def _start_daemon(self, topics: dict[str, str], run: str, folder: Path, cleanup: ExitStack) -> None:
        self._state.address = self._options.listen_address or f"127.0.0.1:{free_port()}"
        configuration = folder / "klaxond.yaml"
        # JSON is YAML.
        configuration.write_text(json.dumps(self._configuration(topics, run), indent=2))
        # -P: a folder named config or daemon where somebody stands must not shadow ours.
        command = [sys.executable, "-P", "-m", "daemon", "run", "--config.file", str(configuration)]
        self._add(Child("klaxond", command, folder / "klaxond.log", _DAEMON_STOP_SECONDS), cleanup)

    def _configuration(self, topics: dict[str, str], run: str) -> dict[str, object]:
        return {
            "kafka": {
                "bootstrap_servers": self._state.bootstrap_servers.split(","),
                "group_id": f"klaxon-demo-{run}",
                "session_timeout": "6s",  # the embedded broker's first join takes half of it
                "heartbeat_interval": "1s",
            },
            "streams": [
                {"topic": topics[LOG_STREAM], "name": LOG_STREAM, "preset": "open-bandit"},
                {"topic": topics[WRITER_STREAM], "name": WRITER_STREAM, "series_labels": ["model", "version"]},
            ],
            "windows": list(WINDOWS),
            "publish_interval": "1s",
            "export": {"estimators": ["adaptive", "fixed", "fitted", "naive"]},
            "web": {"listen_address": self._state.address},
        }

    def _add(self, child: Child, cleanup: ExitStack) -> None:
        self._children.append(child)
        cleanup.callback(child.end)

    # Watching

    def _look(self) -> None:
        for child in self._children:
            if child.ended() is not None:
                raise OperatingError(f"the demo's {child.name} ended by itself; it said last:\n{child.tail()}")
        if self._traffic is not None and not self._traffic.alive():
            raise OperatingError("the demo's traffic ended by itself: please report it")
        state = self._state
        state.rows = rows_of(_fetch(state.address), state.truths) or state.rows
        state.seconds = self._elapsed()
        if state.live_after_s is None and has_estimates(state.rows):
            state.live_after_s = state.seconds
        if state.live_after_s is None and state.seconds > _PATIENCE_SECONDS:
            daemon = self._children[-1]
            raise OperatingError(
                f"klaxond has published no estimate within {_PATIENCE_SECONDS:.0f} s; "
                f"check that the brokers at {state.bootstrap_servers} can be reached; it said last:\n{daemon.tail()}"
            )
        self._show(state)

    def _tell_what_is_missing(self) -> None:
        if self._state.live_after_s is None:
            self._say(f"No estimate came within {self._elapsed():.0f} s: let it run longer.")
        if self._traffic is not None and self._traffic.refused:
            self._say(f"The brokers refused {self._traffic.refused} records.")

    def _elapsed(self) -> float:
        return self._clock.monotonic() - self._started

    def _left(self) -> float:
        return float("inf") if self._options.seconds is None else max(0.0, self._options.seconds - self._elapsed())

    def _over(self) -> bool:
        return self._stop.requested or self._left() <= 0


def _fetch(address: str) -> Status | None:
    """Ask the daemon for its status; None while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://{address}/api/v1/status", timeout=_HTTP_SECONDS) as answer:
            status: Status = json.load(answer)
            return status
    except (OSError, ValueError):
        return None

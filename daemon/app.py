"""The composition root of `klaxond run`: builds every part, starts them in order, ends them in reverse."""

import gc
import signal
import threading
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from typing import Final

import structlog

from config.settings import Settings
from daemon import logs
from daemon.accounts import StreamAccount
from daemon.board import Board
from daemon.clock import SystemClock
from daemon.codec.results import RECORD_REASONS
from daemon.collectors import Collectors, ProcessMetrics
from daemon.commands_queue import Command, CommandQueue
from daemon.dead_letters import Outbox
from daemon.errors import EXIT_OK
from daemon.exposition import Renderer
from daemon.health import Health
from daemon.jobs import Jobs
from daemon.kafka_dead_letters import KafkaCarrier
from daemon.kafka_options import KafkaOptions
from daemon.kafka_source import KafkaSource
from daemon.kafka_warnings import warn_of_topics
from daemon.loop import Loop
from daemon.replays import Replays
from daemon.restoring import Restoring
from daemon.scrapes import ScrapeTimes
from daemon.snapshots.captures import Captures
from daemon.snapshots.duty import SnapshotDuty
from daemon.snapshots.keeper import Keeper
from daemon.watchdog import Senses, Watchdog
from daemon.web.access import Door
from daemon.web.server import Server
from daemon.wiring import access_of, exports_of, kafka_options_of, replay_of, snapshot_store_of, streams_of
from estimators.validation import PAIR_REASONS

log = structlog.get_logger(__name__)

TOPICS_SECONDS: Final = 30.0  # how often partitions of the topics are counted
KEEPER_SECONDS: Final = 0.5  # for the keeper's thread to end; it may wait for a broker that is gone
# Records are many short-lived objects without cycles. Few objects live long, so a full collection takes milliseconds;
# what waits for one may hold a fetch's records (see daemon/kafka_error_guards.py).
_GC_THRESHOLDS: Final = (50_000, 5, 5)


def run(settings: Settings, stop: threading.Event | None = None) -> int:
    """Run until `stop` is set, by SIGTERM or SIGINT if none is given; return the exit status."""
    stop = stop or _stop_on_signals()
    options = kafka_options_of(settings)
    log_counts = logs.configure(settings.log.level, settings.log.format, secrets=options.security.secrets())
    for warning in settings.warnings():
        log.warning("configuration", key=warning.path, problem=warning.message)
    clock, board, health, queue, scrapes = SystemClock(), Board(), Health(), CommandQueue(), ScrapeTimes()
    render = Renderer(Collectors(exports_of(settings), scrapes, clock), ProcessMetrics())
    streams = streams_of(settings)
    door = Door(partial(access_of, settings), clock)
    with ExitStack() as parts:
        server = Server(
            board,
            health,
            settings.web.listen_address,
            clock=clock,
            scrapes=scrapes,
            before_first_publish=render.process_only,
            version=version("klaxond"),
            door=door,
        )
        server.start()
        parts.callback(server.stop)
        log.info("listening", address=server.address, tls=door.encrypted)
        source = KafkaSource(options, queue.put, clock)
        keeper = _keeper(settings, parts)
        captures = Captures(keeper)
        loop = Loop(
            source=source,
            streams=streams,
            restoring=Restoring(
                source=source, replay=replay_of(settings), keeper=keeper, captures=captures, clock=clock
            ),
            snapshots=SnapshotDuty(keeper=keeper, captures=captures, source=source, streams=streams, clock=clock),
            replays=Replays(source, clock, settings.replay_rate),
            accounts={stream.name: StreamAccount(stream.name, RECORD_REASONS, PAIR_REASONS) for stream in streams},
            outbox=_outbox(settings, options, clock, parts),
            queue=queue,
            board=board,
            health=health,
            clock=clock,
            render=render,
            log_counts=log_counts,
        )
        for part in (_jobs(settings, queue), _watchdog(options, source, health, clock)):
            part.start()
            parts.callback(part.stop)
        # Asks the brokers, so not on the loop's time.
        threading.Thread(target=warn_of_topics, args=(options,), name="topic-warnings", daemon=True).start()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        loop.run(stop)
    log.info("stopped")
    return EXIT_OK


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def note(number: int, _: object) -> None:
        log.info("stopping", signal=signal.Signals(number).name)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    return stop


def _outbox(settings: Settings, options: KafkaOptions, clock: SystemClock, parts: ExitStack) -> Outbox:
    if options.dead_letter_topic is None:
        return Outbox(clock)
    carrier = KafkaCarrier(options, options.dead_letter_topic, clock)
    parts.callback(carrier.close)
    return Outbox(clock, carrier, topic=options.dead_letter_topic, payload=settings.dead_letter.payload)


def _keeper(settings: Settings, parts: ExitStack) -> Keeper | None:
    store = snapshot_store_of(settings)
    if store is None:
        return None
    keeper = Keeper(store)
    keeper.start()
    parts.callback(keeper.stop, KEEPER_SECONDS)
    return keeper


def _jobs(settings: Settings, queue: CommandQueue) -> Jobs:
    intervals_s = {
        Command.PUBLISH: settings.publish_interval.total_seconds(),
        Command.COMMIT: settings.commit_interval.total_seconds(),
        Command.TOPICS: TOPICS_SECONDS,
    }
    if settings.snapshot.kind != "none":
        intervals_s[Command.SNAPSHOT] = settings.snapshot.interval.total_seconds()
    return Jobs(queue, intervals_s)


def _watchdog(options: KafkaOptions, source: KafkaSource, health: Health, clock: SystemClock) -> Watchdog:
    senses = Senses(
        health=source.health,
        probe=source.any_broker_reachable,
        heartbeat=lambda: health.heartbeat,
        heartbeat_age=source.heartbeat_age_s,
    )
    return Watchdog(senses, clock, session_timeout_s=options.session_timeout_s)

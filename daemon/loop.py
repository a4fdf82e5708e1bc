"""The loop: poll, decode, absorb, publish, commit. All control flow of the daemon; the only writer of its state.

One thread runs it. Rebalances come from the source's thread and the timers' commands from the scheduler's, both as
values on one bounded queue, which is drained once a turn. So nothing here needs a lock.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

import structlog

from daemon.accounts import StreamAccount
from daemon.board import Board, ProcessBoard, Published, Rendered
from daemon.clock import Clock
from daemon.commands_queue import Command, CommandQueue
from daemon.dead_letters import Outbox
from daemon.failpoints import hit
from daemon.health import Health, Readiness
from daemon.ownership import OwnedPartition
from daemon.publishing import caught_up, partition_boards, stream_board, topic_partitions
from daemon.readiness import readiness
from daemon.replays import Replays
from daemon.restoring import Restoring
from daemon.snapshots.duty import SnapshotDuty
from daemon.source import COMMIT_SECONDS, Assigned, Batch, Partition, Polled, Rebalance, Source
from daemon.starting import Starting
from daemon.streams import Stream
from estimators.partitions import absorb

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 0.1  # at least 100 ms: shorter polls can lose a rebalance in the client
CLOSE_SECONDS: Final = 4.0  # of the 10 s that a stop may take
SETTLE_SECONDS: Final = 4.5  # of the same, before leaving: letters, a commit, snapshots
FLUSH_SECONDS: Final = 2.0  # of these, for letters
LAST_COMMIT_SECONDS: Final = 1.0  # and for the commit
US_PER_S: Final = 1_000_000


class Loop:
    """Owns the position, the panes and the counters; publishes immutable values to the board."""

    def __init__(
        self,
        *,
        source: Source,
        streams: list[Stream],
        accounts: Mapping[str, StreamAccount],
        outbox: Outbox,
        restoring: Restoring,
        snapshots: SnapshotDuty,
        replays: Replays,
        queue: CommandQueue,
        board: Board,
        health: Health,
        clock: Clock,
        render: Callable[[Published], Rendered],
        log_counts: Callable[[], Mapping[str, int]],
    ) -> None:
        self._source = source
        self._streams = streams
        self._by_topic: dict[str, list[Stream]] = {}
        for stream in streams:
            self._by_topic.setdefault(stream.topic, []).append(stream)
        self._accounts = accounts
        self._outbox = outbox
        self._restoring = restoring
        self._snapshots = snapshots
        self._replays = replays
        self._queue = queue
        self._board = board
        self._health = health
        self._clock = clock
        self._render = render
        self._log_counts = log_counts
        self._owned: dict[Partition, OwnedPartition] = {}
        self._starting = Starting(clock)
        self._publish_soon = False  # what is ours has changed
        self._claims = True  # whether the last publish showed what we own
        self._process = ProcessBoard(restores=dict.fromkeys(("replay", *snapshots.kinds), 0))

    def run(self, stop: threading.Event) -> None:
        """Turn until `stop` is set, then commit, leave the group, and publish once more."""
        try:
            while not stop.is_set():
                self.turn()
        finally:
            self.close()
        self._publish()

    def close(self) -> None:
        """Commit and save what has been read, and leave the group, within SETTLE_SECONDS + CLOSE_SECONDS."""
        self._health.readiness = Readiness(ready=False, reasons=("stopping",))
        until = self._clock.monotonic() + SETTLE_SECONDS
        try:
            self._outbox.flush(FLUSH_SECONDS)
            offsets = self._outbox.held_back(self._committable())
            self._source.stage_commit(offsets)
            self._commit(offsets, LAST_COMMIT_SECONDS)
            self._snapshots.drop(self._starting.partitions())  # a load would go before the last snapshots
            self._snapshots.finish(self._owned, until)
        finally:
            self._source.close(CLOSE_SECONDS)

    def turn(self) -> None:
        """Poll once; handle rebalances before the records, since revoked partitions are not ours to count."""
        self._health.heartbeat = self._clock.monotonic()
        polled = self._source.poll(POLL_SECONDS)
        self._process = replace(self._process, last_poll_timestamp_seconds=self._clock.now())
        commands = self._queue.drain()
        for item in commands:
            if not isinstance(item, Command):
                self._rebalance(item)
        self._absorb(polled)
        self._outbox.send()
        self._snapshots.settle(self._restoring.answer)
        self._starting.try_due(self._start)  # after the records: a partition that starts now is read from its start
        self._note_restored()
        self._replays.turn(self._owned.values())
        # Not held back by dead letters: after a move this process still delivers them.
        self._source.stage_commit(self._committable())
        source, now, progress = self._source, self._clock.monotonic(), self._replays.progress
        self._health.readiness = readiness(
            source.health(), self._owned.values(), self._starting, now, progress, session_alive=source.session_alive()
        )
        for item in commands:
            if isinstance(item, Command):
                self._obey(item)
        self._snapshots.turn(self._owned)
        if self._publish_soon or self._claims != self._source.session_alive():
            self.publish()

    def _obey(self, command: Command) -> None:
        match command:
            case Command.PUBLISH:
                self.publish()
            case Command.COMMIT:
                self._commit(self._outbox.held_back(self._committable()), COMMIT_SECONDS)
            case Command.SNAPSHOT:
                self._snapshots.ask(self._owned)
            case Command.TOPICS:
                self._count_topic_partitions()

    def _commit(self, offsets: Mapping[Partition, int], timeout_s: float) -> None:
        hit("loop.before_commit")
        if self._source.commit(offsets, timeout_s):
            hit("loop.after_commit")
            self._snapshots.store(offsets)

    # Ownership

    def _rebalance(self, change: Rebalance) -> None:
        self._process = replace(self._process, rebalances=self._process.rebalances + 1)
        self._drop(change.partitions)
        if isinstance(change, Assigned):
            self._starting.add(change.partitions)
        else:
            self._publish_soon = True  # what is gone is no longer shown as ours
        verb = "assigned" if isinstance(change, Assigned) else "lost" if change.lost else "revoked"
        log.info(
            "partitions change hands",
            change=verb,
            partitions=[f"{topic}/{number}" for topic, number in change.partitions],
        )

    def _drop(self, partitions: Iterable[Partition]) -> None:
        self._starting.drop(partitions)
        self._snapshots.drop(partitions)
        self._replays.drop(partitions)
        for partition in partitions:
            self._owned.pop(partition, None)
            self._restoring.drop(partition)

    def _start(self, partition: Partition) -> bool:
        owned = self._restoring.start(partition, self._by_topic[partition.topic])
        if owned is not None:
            self._owned[partition] = owned
        return not self._restoring.waits(partition)

    def _note_restored(self) -> None:
        for owned in self._owned.values():
            if not owned.restored and owned.position >= owned.target:
                owned.restored = True
                if owned.position > owned.first:
                    self._snapshots.ask([owned.partition])  # else what moves more often than that is saved by nobody
                self._publish_soon |= not len(self._starting) and all(each.restored for each in self._owned.values())
                restores, source = self._process.restores, owned.restore_source
                self._process = replace(
                    self._process,
                    restores={**restores, source: restores.get(source, 0) + 1},
                    restore_seconds=self._clock.monotonic() - owned.restore_started,
                )

    # Records

    def _absorb(self, polled: Polled) -> None:
        for recreated in polled.recreated:
            self._drop([recreated.partition])
            self._restoring.void(recreated)
            self._starting.add([recreated.partition])
            topic, number = recreated.partition
            log.warning(
                "the log is another one than was read, its state is void",
                topic=topic, partition=number, truncated_at=recreated.truncated_at,
            )  # fmt: skip
        for gap in polled.gaps:
            if (owned := self._owned.get(gap.partition)) is not None:
                owned.skip(gap, int(self._clock.now() * US_PER_S))
                log.error(
                    "offsets can never be read and are skipped",
                    topic=gap.partition.topic, partition=gap.partition.number,
                    first=gap.first, next=gap.next, reason=gap.reason,
                )  # fmt: skip
        for batch in polled.batches:
            if (owned := self._owned.get(batch.partition)) is not None and len(batch):
                self._absorb_batch(owned, batch)
                hit("loop.absorbed")
        for partition, owned in self._owned.items():
            owned.position = max(owned.position, self._source.position(partition) or 0)

    def _absorb_batch(self, owned: OwnedPartition, batch: Batch) -> None:
        streams = self._by_topic[batch.partition.topic]
        if not owned.restored:
            self._replays.read(batch)
        owned.begin_at(int(batch.timestamps_ms[0]), streams)
        for part, counted in zip(batch.split(owned.count_from), (False, True), strict=True):
            if len(part):
                for stream in streams:
                    self._absorb_for(stream, owned, part, counted=counted)
        owned.position = int(batch.offsets[-1]) + 1
        owned.history.counted_end = max(owned.history.counted_end, owned.position)

    def _absorb_for(self, stream: Stream, owned: OwnedPartition, batch: Batch, *, counted: bool) -> None:
        decoded = stream.decoder.decode(batch)
        state = owned.states[stream.name]
        jumps = state.clock_jumps
        absorbed = None if decoded.pairs is None else absorb(state, stream.spec, decoded.pairs)
        if counted:
            account = self._accounts[stream.name]
            rejected = account.count(batch, decoded, absorbed, self._clock.now())
            self._outbox.add(stream.name, account.dead_letters, batch, rejected)
            known = owned.history.clock_jumps
            known[stream.name] = known.get(stream.name, 0) + state.clock_jumps - jumps

    def _committable(self) -> dict[Partition, int]:
        """Return the offsets read so far; a partition that still replays has nothing to commit."""
        return {
            partition: owned.position for partition, owned in self._owned.items() if owned.position >= owned.count_from
        }

    # Publishing

    def publish(self) -> None:
        """Evaluate every stream now and swap the board, unless our partitions may be another's by now."""
        self._publish_soon = False
        # A process that was stopped since its poll may have lost them; the next poll finds out.
        source = self._source
        if not source.session_alive() or not source.health().reachable or source.still_ours():
            hit("loop.before_publish")
            self._publish()

    def _publish(self) -> None:
        started, now = self._clock.monotonic(), self._clock.now()
        # After a session without an answer another member may show the same records; ours are kept, and not shown.
        self._claims = self._source.session_alive()
        shown = tuple(self._owned.values()) if self._claims else ()
        # In an outage the marks stand still while windows slide on.
        reachable = self._source.health().reachable
        marks = {partition: caught_up(owned, self._source, started) for partition, owned in self._owned.items()}
        last = self._board.published
        history = {} if last is None else {board.name: board.history for board in last.streams}
        boards = []
        for stream in self._streams:
            owned = [part for part in shown if part.partition.topic == stream.topic]
            started_all = stream.topic not in self._starting.topics()
            whole = reachable and started_all and all(marks[part.partition] for part in owned)
            account, before = self._accounts[stream.name], history.get(stream.name)
            boards.append(stream_board(stream, owned, account, now, caught_up=whole, before=before))
        self._process = replace(
            self._process,
            evaluation_seconds=self._clock.monotonic() - started,
            log_messages=dict(self._log_counts()),
            snapshot_failures=self._snapshots.failures,
        )
        published = Published(
            timestamp_seconds=now,
            streams=tuple(boards),
            partitions=tuple(partition_boards(shown, self._by_topic, self._source)),
            process=self._process,
            snapshots=tuple(self._snapshots.boards()),
        )
        self._board.published = published
        self._board.rendered = self._render(published)

    def _count_topic_partitions(self) -> None:
        counts = topic_partitions(self._streams, self._source)
        self._process = replace(self._process, topic_partitions={**self._process.topic_partitions, **counts})

"""From assignment to the first record: ask where the log and the group stand, load a snapshot, or find where to replay.

The keeper is asked and not waited for: a partition that waits for its snapshot is looked at once a turn, while the
others are read on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from daemon.clock import Clock
from daemon.failpoints import hit
from daemon.ownership import Counted, OwnedPartition, PartitionHistory, own
from daemon.restore import ReplayRestore, Restored
from daemon.snapshots.acceptance import Terms
from daemon.snapshots.captures import Captures
from daemon.snapshots.capturing import Revisions, state_of
from daemon.snapshots.damage import DamagedSnapshotError
from daemon.snapshots.keeper import Keeper, Loaded
from daemon.snapshots.medium import MediumError
from daemon.snapshots.values import Snapshot
from daemon.source import Partition, Recreated, Source, SourceUnavailableError
from daemon.streams import Stream
from estimators.partitions import PartitionState

log = structlog.get_logger(__name__)

LOAD_SECONDS: Final = 60.0  # a store that does not answer for so long is not waited for
US_PER_S: Final = 1_000_000


@dataclass(slots=True)
class _Assigned:
    """What is known of a partition that has not started."""

    counted: Counted
    first_asked: float  # monotonic seconds
    ticket: int | None = None
    answer: Loaded | None = None


class Restoring:
    """Used by the loop's thread. `keeper` None: every start is a replay."""

    def __init__(
        self, *, source: Source, replay: ReplayRestore, keeper: Keeper | None, captures: Captures, clock: Clock
    ) -> None:
        self._source = source
        self._replay = replay
        self._keeper = keeper
        self._captures = captures
        self._clock = clock
        self._assigned: dict[Partition, _Assigned] = {}
        self._truncated_at: dict[Partition, int | None] = {}  # of logs that are others than were read
        self._stale_below: dict[Partition, int] = {}  # of topics made anew: up to here we read on and committed
        self._histories: dict[Partition, PartitionHistory] = {}

    def waits(self, partition: Partition) -> bool:
        """Whether the partition's snapshot is being loaded."""
        return partition in self._assigned

    def drop(self, partition: Partition) -> None:
        """Forget a partition that is not ours any more, but for what has been counted of it."""
        self._assigned.pop(partition, None)
        self._truncated_at.pop(partition, None)
        self._stale_below.pop(partition, None)

    def void(self, recreated: Recreated) -> None:
        """Note that the log is another one than was read, above an offset or perhaps as a whole."""
        partition = recreated.partition
        self._assigned.pop(partition, None)
        self._truncated_at[partition] = recreated.truncated_at
        read_below = self._histories.setdefault(partition, PartitionHistory()).counted_end
        history = self._history_of(partition)
        if history.counted_end < read_below:
            self._stale_below[partition] = read_below
        history.counted_end = min(history.counted_end, recreated.truncated_at or 0)

    def answer(self, loaded: Loaded) -> None:
        """Take the answer to a load."""
        if loaded.gone:
            self._captures.forget_bases()
        assigned = self._assigned.get(loaded.partition)
        if assigned is not None and assigned.ticket == loaded.ticket:
            assigned.answer = loaded

    def start(self, partition: Partition, streams: Sequence[Stream]) -> OwnedPartition | None:
        """Let a partition begin; None while it `waits`, or if it was given away meanwhile.

        Raises SourceUnavailableError or MediumError: try again later.
        """
        assigned = self._assigned.get(partition) or self._ask(partition)
        if self._keeper is not None and not self._answered(partition, assigned, streams):
            return None
        try:
            start, bases, taken_us = self._found(partition, assigned, streams)
        except SourceUnavailableError:  # perhaps why the store did not answer: then it is asked again too
            self._assigned.pop(partition, None)
            raise
        self.drop(partition)
        hit("restore.before_resume")
        if not self._source.resume_at(partition, start.next_offset, start.leader_epoch):
            return None  # given away meanwhile
        hit("restore.after_resume")
        now_us = int(self._clock.now() * US_PER_S)
        owned = own(partition, list(streams), start, assigned.counted, now_us)
        owned.restore_started = assigned.first_asked
        self._captures.begin(owned, now_us, assigned.counted.committed, bases, taken_us)
        log.info(
            "partition started",
            topic=partition.topic, partition=partition.number, offset=start.next_offset,
            counted_from=owned.count_from, end=owned.target, restored_from=start.source,
        )  # fmt: skip
        return owned

    def _ask(self, partition: Partition) -> _Assigned:
        """Ask where the group and the log stand."""
        history = self._history_of(partition)
        committed = self._source.committed([partition])[partition]
        end = self._source.end_offset(partition)
        if max(committed or 0, history.counted_end) > end:
            # The log is another one than the group read: truncated, or restored from a copy.
            log.warning(
                "the group's offset is beyond the end of the log and is void",
                topic=partition.topic, partition=partition.number, committed=committed, end=end,
            )  # fmt: skip
            self._source.forget_committed(partition)
            committed, history.counted_end = None, 0
        truncated_at = self._truncated_at.get(partition)
        if truncated_at is not None and committed is not None and committed > truncated_at:
            self._source.forget_committed(partition)
            committed = truncated_at
        if committed is not None and committed <= self._stale_below.get(partition, -1):
            # By us, at the old topic's offsets: nobody has counted what the new one has below.
            self._source.forget_committed(partition)
            committed = None
        return _Assigned(Counted(committed, history, end), self._clock.monotonic())

    def _history_of(self, partition: Partition) -> PartitionHistory:
        """Return what this process has counted of a partition; of a topic made anew that is nothing."""
        history = self._histories.setdefault(partition, PartitionHistory())
        topic_id = self._source.topic_id(partition.topic)
        if topic_id and history.topic_id not in ("", topic_id):
            history.counted_end = 0
        history.topic_id = topic_id or history.topic_id
        return history

    def _answered(self, partition: Partition, assigned: _Assigned, streams: Sequence[Stream]) -> bool:
        """Whether it is known what the store has; asks it where nobody has yet, or the last answer was a failure."""
        patience_over = self._clock.monotonic() - assigned.first_asked >= LOAD_SECONDS
        answer = assigned.answer
        if answer is not None and not answer.failure:
            return True
        if answer is not None and not patience_over:
            assigned.answer = assigned.ticket = None
            raise MediumError(f"its snapshot cannot be loaded: {answer.failure}")
        if patience_over:
            reason = "the store did not answer" if answer is None else answer.failure
            log.error(
                "no snapshot could be loaded, the log is read again",
                topic=partition.topic, partition=partition.number, reason=reason,
            )  # fmt: skip
            assigned.answer = None
            return True
        if assigned.ticket is None and self._keeper is not None:
            self._assigned[partition] = assigned
            assigned.ticket = self._keeper.load(partition, self._terms(partition, assigned, streams))
        return False

    def _found(
        self, partition: Partition, assigned: _Assigned, streams: Sequence[Stream]
    ) -> tuple[Restored, Mapping[str, Revisions], int | None]:
        """Return where to start, the bases of the next snapshot, and when the one that was found was taken."""
        snapshot = None if assigned.answer is None else assigned.answer.snapshot
        if self._keeper is not None:
            # The log has grown while the store was asked; what came since then is to be caught up with too.
            assigned.counted = replace(assigned.counted, target=self._source.end_offset(partition))
            states, bases = self._states_of(snapshot, partition, streams)
            if snapshot is not None and states:
                return _from_snapshot(snapshot, states, self._keeper.kind), bases, snapshot.taken_us
        return self._replay(partition, streams, self._source, assigned.counted.committed), {}, None

    def _terms(self, partition: Partition, assigned: _Assigned, streams: Sequence[Stream]) -> Terms:
        return Terms(
            topic_id=self._source.topic_id(partition.topic),
            stream_hashes=frozenset(stream.stream_hash for stream in streams),
            committed=assigned.counted.committed,
            end=assigned.counted.target,
            truncated_at=(self._truncated_at[partition] or 0) if partition in self._truncated_at else None,
        )

    def _states_of(
        self, snapshot: Snapshot | None, partition: Partition, streams: Sequence[Stream]
    ) -> tuple[dict[str, PartitionState], Mapping[str, Revisions]]:
        """Build the states by stream name, and their revisions by hash; empty where that cannot be done."""
        answer = None if (found := self._assigned.get(partition)) is None else found.answer
        if snapshot is None:
            if answer is not None and answer.refusals:  # of the newest one; of older ones it is much the same
                log.warning(
                    "a snapshot is not used, the log is read again", topic=partition.topic,
                    partition=partition.number, reason=answer.refusals[0], refused=len(answer.refusals),
                )  # fmt: skip
            return {}, {}
        hit("restore.loaded")
        images = {image.stream_hash: image for image in snapshot.images}
        states, bases = {}, {}
        try:
            for stream in streams:
                # Streams of one hash get a state each.
                states[stream.name], bases[stream.stream_hash] = state_of(
                    images[stream.stream_hash], stream.spec, partition.number
                )
        except DamagedSnapshotError as damage:
            log.warning(
                "a snapshot is not used, the log is read again",
                topic=partition.topic, partition=partition.number, reason=str(damage),
            )  # fmt: skip
            return {}, {}
        return states, bases


def _from_snapshot(snapshot: Snapshot, states: Mapping[str, PartitionState], kind: str) -> Restored:
    return Restored(
        next_offset=snapshot.next_offset,
        source=kind,
        states=states,
        leader_epoch=snapshot.leader_epoch,
        missing_before_us=snapshot.missing_before_us,
        skipped_offsets=snapshot.skipped_offsets,
        began_us=snapshot.began_us,
    )

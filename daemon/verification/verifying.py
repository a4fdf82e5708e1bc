"""The newest snapshot of each partition against its log: what is read, recomputed and compared, partition by partition.

State is a function of the log up to an offset, so a snapshot of a running daemon can be checked at any time, by
anybody who may read both: up to exactly its offset, no lock, no group.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from daemon.snapshots.acceptance import Terms, refusal
from daemon.snapshots.capturing import state_of
from daemon.snapshots.damage import DamagedSnapshotError
from daemon.snapshots.keeper import LOADS_AT_ONCE
from daemon.snapshots.store import SnapshotStore
from daemon.snapshots.values import Snapshot
from daemon.source import Batch, Gap, Partition
from daemon.streams import Stream
from daemon.verification.comparison import Compared, compare
from daemon.verification.recount import Recount
from daemon.verification.spans import Asked, Plan, plan_of

US_PER_MS: Final = 1000


class Log(Protocol):
    """The records of partitions. Everything may raise OperatingError where brokers do not answer."""

    def beginning_offset(self, partition: Partition) -> int:
        """First offset that still exists."""

    def end_offset(self, partition: Partition) -> int:
        """Offset after the last record."""

    def offset_for_time(self, partition: Partition, timestamp_ms: int) -> int | None:
        """First offset whose record's timestamp is at or after the given one; None beyond the end."""

    def read(self, partition: Partition, first: int, end: int) -> Iterable[Batch | Gap]:
        """Return the records of [first, end) in order, and what of them can never be read."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the reading of one partition is."""

    partition: Partition
    first: int
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class CheckedStream:
    """One stream in one partition."""

    stream: Stream
    plan: Plan
    compared: Compared


@dataclass(slots=True)
class CheckedPartition:
    """What came of one partition.

    Attributes
    ----------
    snapshot : the newest intact and acceptable one, its sections left out; None where there is none
    refused : why others were not acceptable, or why there is none; a sentence each
    beginning, end : the log's, as it was found
    records : read
    gone : offsets below the log's start that may have been in the range; 0 where none is missing
    gaps : what could not be read within the range
    missing_until_us : all missing records had been appended by then, None where none is missing; panes that may have
        had such a record are left out
    all_missing : nothing followed what is missing, so no pane can be checked
    """

    partition: Partition
    beginning: int
    end: int
    snapshot: Snapshot | None = None
    refused: list[str] = field(default_factory=list)
    records: int = 0
    gone: int = 0
    gaps: list[Gap] = field(default_factory=list)
    missing_until_us: int | None = None
    all_missing: bool = False
    streams: list[CheckedStream] = field(default_factory=list)

    @property
    def different(self) -> int:
        """Numbers that are not what the log says."""
        return sum(checked.compared.different for checked in self.streams)

    @property
    def panes(self) -> int:
        """Compared panes."""
        return sum(checked.compared.panes for checked in self.streams)


@dataclass(frozen=True, slots=True)
class TopicPartitions:
    """A topic as the brokers describe it; the id is empty where they do not tell."""

    topic_id: str
    partitions: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """Checks partitions, one after another.

    Attributes
    ----------
    topics : those of the streams
    note : is told after each batch
    """

    streams: Sequence[Stream]
    topics: Mapping[str, TopicPartitions]
    store: SnapshotStore
    log: Log
    asked: Asked
    note: Callable[[Progress], None]

    def verify(self) -> list[CheckedPartition]:
        """Check every partition. Raises OperatingError where log or snapshots cannot be had now."""
        partitions = [Partition(topic, number) for topic, found in self.topics.items() for number in found.partitions]
        refused: dict[Partition, list[str]] = {partition: [] for partition in partitions}

        def accepts(snapshot: Snapshot) -> bool:
            reason = self._refusal(snapshot)
            if reason and reason not in refused[snapshot.partition]:
                refused[snapshot.partition].append(reason)
            return not reason

        checked = []
        loaded: dict[Partition, Snapshot | None] = {}
        for number, partition in enumerate(partitions):
            if number % LOADS_AT_ONCE == 0:  # as the daemon does, which bounds memory
                loaded = dict(self.store.load(partitions[number : number + LOADS_AT_ONCE], accepts))
            beginning, end = self.log.beginning_offset(partition), self.log.end_offset(partition)
            result = CheckedPartition(partition, beginning, end, refused=refused[partition])
            if (snapshot := loaded.pop(partition)) is not None:
                self._check(result, snapshot)
            checked.append(result)
        return checked

    def _refusal(self, snapshot: Snapshot) -> str:
        """Say why a snapshot is of another log or configuration; empty where it is of these."""
        topic, _ = snapshot.partition
        hashes = frozenset(stream.stream_hash for stream in self._of(topic))
        # Asked anew: a newer snapshot may be there than when we began.
        end = self.log.end_offset(snapshot.partition)
        return refusal(snapshot, Terms(self.topics[topic].topic_id, hashes, committed=None, end=end))

    def _of(self, topic: str) -> list[Stream]:
        return [stream for stream in self.streams if stream.topic == topic]

    def _check(self, result: CheckedPartition, snapshot: Snapshot) -> None:
        """Recompute and compare one partition, and fill in its result."""
        number = snapshot.partition.number
        images = {image.stream_hash: image for image in snapshot.images}
        folds = []
        try:
            for stream in self._of(snapshot.partition.topic):
                image = images[stream.stream_hash]
                state, _ = state_of(image, stream.spec, number)
                plan = plan_of(image.head, stream.spec, self.asked, snapshot.missing_before_us)
                folds.append((stream, state, plan, Recount(plan, stream.spec, number)))
        except DamagedSnapshotError as damage:
            result.refused.append(f"what its sections say cannot be: {damage}")
            return
        result.snapshot = replace(snapshot, images=())
        starts = [plan.first_us - stream.spec.max_skew_us for stream, _, plan, _ in folds if plan.first_us is not None]
        if starts:
            self._read(result, snapshot.next_offset, min(starts), [(stream, fold) for stream, _, _, fold in folds])
        for stream, state, plan, fold in folds:
            known_us = _known_from_us(result, stream.spec.max_skew_us, plan)
            result.streams.append(CheckedStream(stream, plan, compare(state, stream.spec, plan, fold, known_us)))

    def _read(self, result: CheckedPartition, end: int, from_us: int, folds: Sequence[tuple[Stream, Recount]]) -> None:
        """Feed the records that may have been appended at or after a time, up to the snapshot's offset."""
        partition = result.partition
        found = self.log.offset_for_time(partition, max(0, from_us // US_PER_MS))
        # Where the brokers know of no such time, the records have none: read all.
        first = max(result.beginning, result.beginning if found is None else found)
        missing = first == result.beginning > 0
        result.gone = min(result.beginning, end) if missing else 0
        newest_ms = 0
        for item in self.log.read(partition, first, end):
            if isinstance(item, Gap):
                result.gaps.append(item)
                missing = True
                continue
            if missing:
                # Timestamps need not ascend; what is missing had been appended before the newest that is known.
                newest_ms = max(newest_ms, int(item.timestamps_ms[0]))
                result.missing_until_us = newest_ms * US_PER_MS
                missing = False
            newest_ms = max(newest_ms, int(item.timestamps_ms.max()))
            result.records += len(item)
            for stream, fold in folds:
                if (pairs := stream.decoder.decode(item).pairs) is not None:
                    fold.add(pairs)
            self.note(Progress(partition, first, int(item.offsets[-1]) + 1, end))
        result.all_missing = missing


def _known_from_us(result: CheckedPartition, max_skew_us: int, plan: Plan) -> int | None:
    """First time from which no record is missing: an event is at most max_skew after its record was appended."""
    if result.all_missing:
        return plan.end_us
    return None if result.missing_until_us is None else result.missing_until_us + max_skew_us + 1

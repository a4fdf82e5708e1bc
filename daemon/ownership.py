"""One owned partition: its states, how far it has been read, and from where its records count."""

from dataclasses import dataclass, field

from daemon.restore import Restored
from daemon.source import Gap, Partition
from daemon.streams import Stream
from estimators.partitions import PartitionState, begin, new_state

US_PER_MS = 1000


@dataclass(slots=True)
class PartitionHistory:
    """What this process has counted of a partition, whoever owned it in between: counters never fall.

    Attributes
    ----------
    counted_end : offset after the last record, or the last gap, that was counted here
    topic_id : of the topic that `counted_end` is of; empty where it is not known
    gap_offsets : offsets that could never be read
    clock_jumps : steps of the partition clock longer than the longest window, by stream
    """

    counted_end: int = 0
    topic_id: str = ""
    gap_offsets: int = 0
    clock_jumps: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class OwnedPartition:
    """Built on assignment, dropped on revocation: no state outlives the ownership of its partition.

    Attributes
    ----------
    states : by stream name; several streams may select records of one topic
    count_from : process counters take only records at or above it: what the group had committed at assignment, and
        what this process had counted before
    target : end of the log when its start was found; `restored` once reading has come that far
    position : next offset to read, moving past control records too
    missing_before_us : wall clock at which records were found to be missing before the next one; None where none are,
        or where that next one has told the states from when on they are complete
    began_us : wall clock at which the states began; a snapshot hands it on
    skipped_offsets : offsets that could never be read, over the whole life of the states
    first : offset at which this process began to read
    """

    partition: Partition
    states: dict[str, PartitionState]
    history: PartitionHistory
    count_from: int
    target: int
    position: int
    restore_source: str
    missing_before_us: int | None
    began_us: int
    skipped_offsets: int = 0
    first: int = 0
    restored: bool = False
    restore_started: float = 0.0  # monotonic seconds
    mark: int | None = None  # high watermark at the last publish
    mark_known: bool = True  # whether brokers had told it of late

    def begin_at(self, timestamp_ms: int, streams: list[Stream]) -> None:
        """Tell the states the timestamp of the first record after what is missing.

        What is missing was appended before it, and before it was found to be missing. Under CreateTime the timestamp
        may be older than what was read before; then the partition clock is the better bound.
        """
        if self.missing_before_us is None:
            return
        # The oldest message format has no timestamps.
        first_us = self.missing_before_us if timestamp_ms < 0 else min(timestamp_ms * US_PER_MS, self.missing_before_us)
        for stream in streams:
            state = self.states[stream.name]
            begin(state, stream.spec, first_us if state.clock_us is None else max(first_us, state.clock_us))
        self.missing_before_us = None

    def skip(self, gap: Gap, now_us: int) -> None:
        """Note offsets that can never be read: panes around them are not complete."""
        self.history.gap_offsets += max(0, gap.next - max(gap.first, self.count_from))
        self.history.counted_end = max(self.history.counted_end, gap.next)
        self.skipped_offsets += max(0, gap.next - max(gap.first, self.position))
        self.position = max(self.position, gap.next)
        self.missing_before_us = now_us

    def covers(self, stream: Stream, start_us: int) -> bool:
        """Whether nothing is known to be missing of a window that starts at `start_us`, besides what the state says.

        While no record has followed, all that is known of the missing ones is that they had been appended by then.
        """
        return self.missing_before_us is None or start_us >= self.missing_before_us + 2 * stream.spec.max_skew_us

    def caught_up(self, high_watermark: int | None, *, known: bool) -> bool:
        """Whether all that was in the log at the last publish has been read; moves the mark to now.

        `known`: the high watermark was told of late. A mark that was not is of the time before an outage, so whatever
        is known to be in the log by now has to have been read.
        """
        mark = self.mark if self.mark_known else high_watermark
        reference = self.target if mark is None else mark
        self.mark, self.mark_known = high_watermark, known
        return known and self.restored and self.position >= reference


@dataclass(frozen=True, slots=True)
class Counted:
    """Where counting stands at an assignment: the group's offset (None: it has none), our own, the log's end."""

    committed: int | None
    history: PartitionHistory
    target: int


def own(partition: Partition, streams: list[Stream], start: Restored, counted: Counted, now_us: int) -> OwnedPartition:
    """Return a newly assigned partition that will be read from `start`.

    A log that is read from its offset 0 has nothing before it, so its panes are complete from the start of time.
    Where the group has stored no offset yet, counting starts with reading, and the first commit says so.
    """
    stored = start.next_offset if counted.committed is None else counted.committed
    count_from = max(stored, counted.history.counted_end)
    counted.history.gap_offsets += max(0, start.next_offset - count_from)  # deleted before anybody read them
    missing_before_us = start.missing_before_us
    if not start.states:
        known_us = now_us if missing_before_us is None else min(now_us, missing_before_us)
        missing_before_us = None if start.next_offset == 0 else known_us
    return OwnedPartition(
        partition=partition,
        states=dict(start.states) or {stream.name: new_state(stream.spec, partition.number) for stream in streams},
        history=counted.history,
        count_from=count_from,
        target=counted.target,
        position=start.next_offset,
        restore_source=start.source,
        missing_before_us=missing_before_us,
        began_us=now_us if start.began_us is None else start.began_us,
        skipped_offsets=start.skipped_offsets,
        first=start.next_offset,
    )

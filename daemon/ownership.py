"""One owned partition: its states, how far it has been read, and from where its records count."""

from dataclasses import dataclass, field

from daemon.restore import Restored
from daemon.source import Gap, Partition
from daemon.streams import Stream
from estimators.partitions import PartitionState, begin, new_state

US_PER_MS = 1000


@dataclass(slots=True)
class OwnedPartition:
    """Built on assignment, dropped on revocation: no state outlives the ownership of its partition.

    Attributes
    ----------
    states : by stream name; several streams may select records of one topic
    count_from : process counters take only records at or above it (the committed offset at assignment)
    target : end of the log at assignment; `restored` once reading has come that far
    position : next offset to read, moving past control records too
    begun : whether the states know what precedes them: they learn it from the first record after a start or a gap
    """

    partition: Partition
    states: dict[str, PartitionState]
    count_from: int
    target: int
    position: int
    begun: bool
    restore_source: str
    restored: bool = False
    restore_started: float = 0.0  # monotonic seconds
    mark: int | None = None  # high watermark at the last publish
    gap_offsets: int = 0
    clock_jumps: dict[str, int] = field(default_factory=dict)

    def begin_at(self, timestamp_ms: int, streams: list[Stream]) -> None:
        """Tell the states the timestamp of the first record that they get after a start or a gap."""
        for stream in streams:
            begin(self.states[stream.name], stream.spec, timestamp_ms * US_PER_MS)
        self.begun = True

    def skip(self, gap: Gap) -> None:
        """Note offsets that can never be read: panes around them are no longer complete."""
        self.gap_offsets += max(0, gap.next - max(gap.first, self.count_from))
        self.position = max(self.position, gap.next)
        self.begun = False

    def caught_up(self, high_watermark: int | None) -> bool:
        """Whether all that was in the log at the last publish has been read; moves the mark to now."""
        mark, self.mark = self.mark, high_watermark
        reference = self.target if mark is None else mark
        return self.restored and self.position >= reference


def own(
    partition: Partition, streams: list[Stream], start: Restored, *, committed: int | None, target: int
) -> OwnedPartition:
    """Return a newly assigned partition that will be read from `start`.

    A log that is read from its offset 0 has nothing before it, so its panes are complete from the start of time.
    Where the group has stored no offset yet, counting starts with reading, and the first commit says so.
    """
    count_from = start.next_offset if committed is None else committed
    return OwnedPartition(
        partition=partition,
        states=dict(start.states) or {stream.name: new_state(stream.spec, partition.number) for stream in streams},
        count_from=count_from,
        target=target,
        position=start.next_offset,
        begun=start.next_offset == 0 or bool(start.states),
        restore_source=start.source,
        gap_offsets=max(0, start.next_offset - count_from),  # deleted before anybody read them
    )

"""Where reading of a newly assigned partition starts, and with which state.

Replay is the store that every log has: it starts early enough that all panes which evaluation can ask for are whole.
A snapshot has states and their offset instead; what follows is the same for both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from daemon.source import Partition, Source
from daemon.streams import Stream
from estimators.partitions import PartitionState

US_PER_MS = 1000


@dataclass(frozen=True, slots=True)
class Restored:
    """The start of one partition.

    Attributes
    ----------
    next_offset : offset to read first
    source : what it was restored from, the label of `restores_total`
    states : of every stream by name, holding all records below `next_offset` from their `complete_from` on; or empty
    leader_epoch : of the last record below `next_offset`; -1: not known
    missing_before_us : as in OwnedPartition; for a replay None where no more is known than that it is now
    skipped_offsets : as in OwnedPartition, of the states
    began_us : wall clock at which the states began; None: they begin now
    """

    next_offset: int
    source: str
    states: Mapping[str, PartitionState] = field(default_factory=dict)
    leader_epoch: int = -1
    missing_before_us: int | None = None
    skipped_offsets: int = 0
    began_us: int | None = None


@dataclass(frozen=True, slots=True)
class ReplayRestore:
    """Read the log again from before the oldest pane that evaluation can ask for (DESIGN.md section 5).

    Never from above the committed offset: after a long stop the records in between are in no window any more, but the
    process counters would miss them.
    """

    span_us: int | None = None  # None: from windows, skew and delay

    def __call__(
        self, partition: Partition, streams: Sequence[Stream], source: Source, committed: int | None
    ) -> Restored:
        """Return the first offset whose timestamp is within the span of the newest record, else the log's start.

        What is above `committed` has been counted by nobody. Raises SourceUnavailableError where the brokers do not
        answer: ask again later.
        """
        beginning = source.beginning_offset(partition)
        newest_ms = source.largest_timestamp_ms(partition)
        if newest_ms is None:
            return Restored(beginning, "replay")
        span_us = self.span_us if self.span_us is not None else max(replay_span_us(stream) for stream in streams)
        since_ms = max(0, newest_ms - -(-span_us // US_PER_MS))
        offset = source.offset_for_time(partition, since_ms)
        wanted = beginning if offset is None else offset
        start = max(beginning, wanted if committed is None else min(wanted, committed))
        # What is left out was appended before that time, however long after it the first record read was.
        return Restored(start, "replay", missing_before_us=since_ms * US_PER_MS if wanted > beginning else None)


def replay_span_us(stream: Stream) -> int:
    """Microseconds of log that rebuild every pane of every ring.

    A window with its burn-in, one pane because a window's start lies within one, and two skews because the partition
    clock may run ahead of the records by one and `complete_from` adds another. The expected delay moves evaluation
    into the past by as much.
    """
    spec = stream.spec
    longest = spec.longest.length_us
    panes = spec.panes_per_window + spec.burn_in + 1
    return -(-longest * panes // spec.panes_per_window) + 2 * spec.max_skew_us + spec.expected_delay_us

"""Where records come from: the Source protocol, its values, and what a caller may and may not assume.

Three offsets are told apart everywhere. The *position* is the next offset that `poll` will hand over. The *committed*
offset is what the group has stored, read once at assignment. The *high watermark* is the end of the log as the last
fetch response told it. An offset always names the next record to read, as Kafka commits it.

A source is used by one thread, the loop's. Rebalances reach the loop as values through the `enqueue` callable that the
source was made with; they may come from another thread, at any time inside `poll` or `close`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from daemon.errors import OperatingError

COMMIT_SECONDS: Final = 2.0  # a commit's patience


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of one partition, undecoded.

    Attributes
    ----------
    offsets : int64 [records], strictly ascending (compaction and control records leave holes)
    timestamps_ms : int64 [records], the records' own timestamps
    values : bytes, or None for a tombstone [records]
    headers : per record the (name, value) headers, or None where nobody asked for them
    keys : per record its key, or None where it has none; None as a whole where nobody asked for them
    """

    partition: Partition
    offsets: NDArray[np.int64]
    timestamps_ms: NDArray[np.int64]
    values: list[bytes | None]
    headers: list[Sequence[tuple[str, bytes]]] | None = None
    keys: list[bytes | None] | None = None

    def __len__(self) -> int:
        """Count the records."""
        return len(self.values)

    def split(self, offset: int) -> tuple["Batch", "Batch"]:
        """Return the records below `offset` and those at or above it."""
        cut = int(np.searchsorted(self.offsets, offset))
        return self._slice(slice(None, cut)), self._slice(slice(cut, None))

    def _slice(self, rows: slice) -> "Batch":
        headers = None if self.headers is None else self.headers[rows]
        keys = None if self.keys is None else self.keys[rows]
        return Batch(self.partition, self.offsets[rows], self.timestamps_ms[rows], self.values[rows], headers, keys)


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets [first, next) that can never be read: expired, deleted or corrupt. Reading goes on at `next`."""

    partition: Partition
    first: int
    next: int
    reason: str  # "out_of_range" or "corrupt"


@dataclass(frozen=True, slots=True)
class Recreated:
    """The log is another one than was read: everything known of this partition is void. It is held until `resume_at`.

    Attributes
    ----------
    truncated_at : below it the log is still what was read; None: nothing is known to be, as in a topic made anew
    """

    partition: Partition
    truncated_at: int | None = None


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll brought; the gaps and re-creations happened before the batches of their partitions."""

    batches: tuple[Batch, ...] = ()
    gaps: tuple[Gap, ...] = ()
    recreated: tuple[Recreated, ...] = ()


@dataclass(frozen=True, slots=True)
class Assigned:
    """Partitions are ours now. They are paused until `resume_at`."""

    partitions: tuple[Partition, ...]


@dataclass(frozen=True, slots=True)
class Revoked:
    """Partitions are no longer ours; `lost`: without a chance to commit, somebody else may own them already."""

    partitions: tuple[Partition, ...]
    lost: bool = False


Rebalance = Assigned | Revoked


class SourceUnavailableError(OperatingError):
    """The brokers did not answer a question in time; nothing is lost, ask again later."""


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """What the source knows of its brokers, for /readyz, metrics and the watchdog."""

    joined: bool = False  # the group has answered at least once (0 partitions is an answer)
    reachable: bool = False
    reason: str = ""  # why it is not reachable, for people
    unreachable_since: float | None = None  # monotonic seconds
    last_progress: float = 0.0  # monotonic seconds of the last fetch response or successful idle poll


class Source(Protocol):
    """A log of records in partitions, with a consumer group's ownership of them.

    Every question to the brokers (`committed`, `beginning_offset`, `end_offset`, `offset_for_time`,
    `largest_timestamp_ms`) raises SourceUnavailableError when they do not answer in time; `poll` and `commit` do not.
    """

    def poll(self, timeout_s: float) -> Polled:
        """Wait up to `timeout_s` for records of the resumed partitions; an outage is an empty answer, not an exception.

        Raises OperatingError only where going on would give wrong numbers.
        """

    def committed(self, partitions: Sequence[Partition]) -> Mapping[Partition, int | None]:
        """Return the group's stored offsets; None where it has none."""

    def resume_at(self, partition: Partition, offset: int, leader_epoch: int = -1) -> bool:
        """Seek to `offset` and let `poll` deliver. False if the partition is no longer ours.

        `leader_epoch` is that of the last record below `offset`, as `leader_epoch` told it: if the log has been
        truncated below `offset` since then, `poll` says so instead of reading on (KIP-320). -1: not known.
        """

    def hold(self, partition: Partition) -> None:
        """Deliver nothing of an owned partition until `release`; its position stays."""

    def release(self, partition: Partition) -> None:
        """Deliver again what was held."""

    def topic_id(self, topic: str) -> str:
        """Id of the topic that `poll` reads; one made anew under its name has another one. Empty: not known."""

    def leader_epoch(self, partition: Partition) -> int:
        """Leader epoch of the last record before the position; -1 where it is not known."""

    def answered(self, partition: Partition) -> float | None:
        """Monotonic seconds at which brokers last said what a resumed partition has; None if it is not ours."""

    def position(self, partition: Partition) -> int | None:
        """Offset that is delivered next; moves past control records too."""

    def forget_committed(self, partition: Partition) -> None:
        """Take the group's stored offset for void: it is beyond the log's end, so a commit may go below it."""

    def high_watermark(self, partition: Partition) -> int | None:
        """End of the log as last told; None before the first answer."""

    def beginning_offset(self, partition: Partition) -> int:
        """First offset that still exists."""

    def end_offset(self, partition: Partition) -> int:
        """Offset after the last record, asked of the broker now (the last stable offset under read_committed)."""

    def offset_for_time(self, partition: Partition, timestamp_ms: int) -> int | None:
        """First offset whose record's timestamp is at or after the given one; None beyond the end."""

    def largest_timestamp_ms(self, partition: Partition) -> int | None:
        """Largest record timestamp of the partition; None if it is empty or the broker cannot tell."""

    def partition_count(self, topic: str) -> int | None:
        """Partitions of the topic as the cluster's metadata has it now."""

    def stage_commit(self, offsets: Mapping[Partition, int]) -> None:
        """Name the offsets that a revocation may commit: what the loop last published, as an immutable map."""

    def commit(self, offsets: Mapping[Partition, int], timeout_s: float = COMMIT_SECONDS) -> bool:
        """Store offsets for the group, never backwards. False if the group refused or did not answer in time."""

    def still_ours(self) -> bool:
        """Whether the group is known to count us as a member; asked of it only after a long time without a poll."""

    def session_alive(self) -> bool:
        """Whether the group has answered within a session: later it may have given our partitions to another."""

    def health(self) -> SourceHealth:
        """Tell what is known of the brokers now; cheap, and safe from any thread."""

    def close(self, timeout_s: float) -> None:
        """Leave the group within `timeout_s`, committing what was staged."""

"""The seam to the keeper: what a snapshot store promises."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from daemon.snapshots.values import Snapshot
from daemon.source import Partition


@dataclass(frozen=True, slots=True)
class Receipt:
    """What saving one snapshot came to.

    Attributes
    ----------
    written_bytes : handed to the medium for it, manifest included
    retained_bytes : of everything that the snapshot names
    """

    written_bytes: int
    retained_bytes: int


class SnapshotStore(Protocol):
    """Used by one thread, the keeper's; everything may raise MediumError, after which the next try starts clean."""

    #: label of `restores_total`
    kind: str

    def load(
        self, partitions: Sequence[Partition], accepts: Callable[[Snapshot], bool]
    ) -> Mapping[Partition, Snapshot | None]:
        """Return for each partition the intact snapshot of the largest offset that is acceptable; None: there is none.

        `accepts` sees a candidate before its sections are fetched (they are empty then): offset, topic id, hashes.
        What is loaded is the base of the next `save` of that partition.
        """

    def save(self, snapshot: Snapshot) -> Receipt:
        """Write what changed, wait until it is durable, then its manifest; then collect what nobody needs any more.

        Sections of None are those of the snapshot that was last saved or loaded here for the partition.
        """

    def forget(self, partition: Partition) -> None:
        """Let go of a partition that is not ours any more: its next `save` has no base, unless it is loaded again."""

    def close(self) -> None:
        """Let go of the medium."""

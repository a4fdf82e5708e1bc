"""The snapshot store: what changed as chunks, then the manifest that names everything, then what nobody needs goes.

The order is the whole protocol: chunks are durable before a manifest names them, a manifest never takes the place of
the newest acknowledged one, and nothing that the two newest name is overwritten. What may have gone wrong all the same
(torn, swapped, deleted, of a writer that woke up late) is told by digests, and the next older snapshot is taken.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import structlog

from daemon.snapshots.choosing import Found, find
from daemon.snapshots.chunk_cleaning import clean
from daemon.snapshots.chunk_reading import read_snapshot
from daemon.snapshots.chunk_writing import Target, write_snapshot
from daemon.snapshots.collecting import marks_of
from daemon.snapshots.limits import UNKNOWN, Limits
from daemon.snapshots.medium import EntriesGoneError, Entry, Medium, MediumError
from daemon.snapshots.store import Receipt
from daemon.snapshots.tenure import Tenure, random_writer
from daemon.snapshots.values import Snapshot
from daemon.source import Partition

log = structlog.get_logger(__name__)

Accepts = Callable[[Snapshot], bool]

#: Looks at the manifests in one load: a living writer may overwrite what was just seen, as `verify` may find.
LOOKS_MAX: Final = 3
#: Snapshots of one partition whose chunks are asked for in vain, after which the log is read again.
TRIES_MAX: Final = 16
_TOLD_MAX: Final = 1000


class ChunkStore:
    """Implements SnapshotStore over a medium, for the partitions of one consumer group.

    Parameters
    ----------
    group : snapshots of other groups in the same medium are not looked at
    new_writer : names each tenure of a partition
    limits : of one snapshot; what claims more is not used
    """

    def __init__(
        self,
        medium: Medium,
        group: str,
        new_writer: Callable[[], str] = random_writer,
        *,
        limits: Limits = UNKNOWN,
    ) -> None:
        self.kind = medium.kind
        self._medium = medium
        self._group = group
        self._new_writer = new_writer
        self._limits = limits
        self._tenures: dict[Partition, Tenure] = {}
        self._told: set[tuple[Partition, str]] = set()  # damage that was logged

    def load(self, partitions: Sequence[Partition], accepts: Accepts) -> Mapping[Partition, Snapshot | None]:
        """Return the newest acceptable intact snapshots; writes nothing."""
        loaded: dict[Partition, Snapshot | None] = dict.fromkeys(partitions)
        for partition in loaded:
            self.forget(partition)
        left = list(loaded)
        with self._guarded():
            for _ in range(LOOKS_MAX):
                entries = self._medium.manifests(left)
                found = {partition: self._find(entries.get(partition, ()), partition) for partition in left}
                left = [partition for partition in left if self._is_news(partition, found[partition])]
                torn = []
                for partition in left:
                    loaded[partition], damaged = self._load(partition, found[partition], accepts)
                    torn += [partition] * damaged
                left = torn
                if not left:
                    break
        return loaded

    def save(self, snapshot: Snapshot) -> Receipt:
        """Write changed sections and some of what other writers left, then the manifest; then collect."""
        target = Target(self._medium, self._group, snapshot.partition, self._limits)
        tenure = self._tenures.setdefault(snapshot.partition, Tenure(self._new_writer()))
        with self._guarded():
            try:
                receipt, chunks = write_snapshot(target, tenure, snapshot)
                clean(target, tenure, chunks)
            except EntriesGoneError:
                self.forget(snapshot.partition)
                raise
        return receipt

    def forget(self, partition: Partition) -> None:
        """Let go of a partition."""
        self._tenures.pop(partition, None)

    def close(self) -> None:
        """Let go of the medium."""
        self._medium.close()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Turn an error of the system into the medium's."""
        try:
            yield
        except OSError as error:
            raise MediumError(f"snapshots ({self.kind}): {error.strerror or type(error).__name__}") from error

    def _find(self, entries: Iterable[Entry], partition: Partition) -> Found:
        return find(entries, self._group, partition, self._limits.parts)

    def _is_news(self, partition: Partition, found: Found) -> bool:
        """Tell whether there is anything that an earlier look of this load has not seen."""
        tenure = self._tenures.get(partition)
        return tenure is None or tenure.marks != marks_of(found.entries)

    def _load(self, partition: Partition, found: Found, accepts: Accepts) -> tuple[Snapshot | None, bool]:
        """Load one partition and begin its tenure; tell too whether there is none only because of damage."""
        unreadable: dict[str, list[str]] = {}
        for each in found.unreadable:
            unreadable.setdefault(each.reason, []).append(each.entry.name)
        for reason, entries in unreadable.items():
            self._tell(partition, reason, entries)
        tenure = self._tenures[partition] = Tenure(self._new_writer(), marks=marks_of(found.entries), looked_at=0)
        failed = 0
        for candidate in found.candidates:
            manifest = candidate.manifest
            if not manifest.snapshot.images or not accepts(manifest.snapshot):
                continue
            snapshot = read_snapshot(self._medium, self._group, manifest, self._limits.content_bytes)
            if snapshot is not None:
                tenure.base = manifest
                return snapshot, False
            failed += 1
            reason = f"chunks of the snapshot at offset {manifest.snapshot.next_offset} are missing or damaged"
            self._tell(partition, reason, [candidate.name.writer])
            if failed == TRIES_MAX:
                break
        return None, failed > 0

    def _tell(self, partition: Partition, reason: str, entries: Sequence[str]) -> None:
        """Log damage, once for all entries that have it."""
        if (partition, reason) in self._told or len(self._told) >= _TOLD_MAX:
            return
        self._told.add((partition, reason))
        log.warning(
            "a snapshot cannot be used",
            topic=partition.topic,
            partition=partition.number,
            reason=reason,
            entry=entries[0],
            entries=len(entries),
            hint="An older snapshot is used, or the log is read again. Nothing is lost.",
        )

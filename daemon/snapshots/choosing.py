"""The manifests of a partition in the order in which they are tried, and the chunks that one names."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from daemon.snapshots.damage import DamagedSnapshotError
from daemon.snapshots.limits import UNKNOWN
from daemon.snapshots.manifests import ChunkRef, Manifest, decode_manifest
from daemon.snapshots.medium import Entry
from daemon.snapshots.names import ManifestName, group_part, manifest_of
from daemon.source import Partition

#: Of one partition that are decoded. A writer has two, and dead ones are collected, so more are somebody's garbage.
MANIFESTS_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Candidate:
    """An intact manifest; whether its chunks are intact is not known yet."""

    name: ManifestName
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A manifest that cannot be decoded, and why, in words."""

    entry: Entry
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """All manifests of one group for one partition.

    Attributes
    ----------
    entries : as they were found
    candidates : the largest offset first, of equal ones the one that was taken last
    """

    entries: tuple[Entry, ...]
    candidates: tuple[Candidate, ...]
    unreadable: tuple[Unreadable, ...]


def find(entries: Iterable[Entry], group: str, partition: Partition, parts_max: int = UNKNOWN.parts) -> Found:
    """Decode what belongs to the group and the partition; other names are nobody's business here.

    Of more than MANIFESTS_MAX the last ones that the medium gave, the newest, are looked at.
    """
    named = [(entry, manifest_of(entry.name)) for entry in entries]
    ours = [
        (entry, name)
        for entry, name in named
        if name is not None and name.group == group_part(group) and name.partition == partition
    ][-MANIFESTS_MAX:]
    candidates = []
    unreadable = []
    for entry, name in ours:
        try:
            manifest = decode_manifest(entry.value, parts_max)
        except DamagedSnapshotError as error:
            unreadable.append(Unreadable(entry, str(error)))
            continue
        if manifest.snapshot.partition != partition:
            unreadable.append(Unreadable(entry, f"it tells of another partition, {manifest.snapshot.partition.number}"))
            continue
        candidates.append(Candidate(name, manifest))
    candidates.sort(key=_newest_last, reverse=True)
    return Found(tuple(entry for entry, _ in ours), tuple(candidates), tuple(unreadable))


def refs_of(manifest: Manifest) -> Iterator[ChunkRef]:
    """Yield every chunk that a manifest names."""
    return (ref for sections in manifest.chunks for refs in sections.values() for ref in refs)


def _newest_last(candidate: Candidate) -> tuple[int, int, int, str]:
    snapshot = candidate.manifest.snapshot
    return snapshot.next_offset, snapshot.taken_us, candidate.manifest.sequence, candidate.name.writer

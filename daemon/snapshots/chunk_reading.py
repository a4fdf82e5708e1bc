"""Chunks read back and compared with what their manifest says of them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from daemon.snapshots.choosing import refs_of
from daemon.snapshots.damage import DamagedSnapshotError
from daemon.snapshots.frames import decode, digest_of
from daemon.snapshots.manifests import ChunkRef, Manifest
from daemon.snapshots.medium import Medium
from daemon.snapshots.names import chunk_name
from daemon.snapshots.values import Snapshot
from daemon.source import Partition

#: Chunks of one snapshot that are asked for together: their stored bytes, of which only claims are known, are bounded.
CHUNKS_AT_ONCE: Final = 128
UNLIMITED: Final = 1 << 62


class Chunk(NamedTuple):
    """An intact chunk: as it is stored, and what it holds."""

    stored: bytes
    raw: bytes


def read_chunks(
    medium: Medium, group: str, partition: Partition, refs: Iterable[ChunkRef], content_bytes_max: int = UNLIMITED
) -> Mapping[ChunkRef, Chunk]:
    """Return the chunks that are there and intact; the others are left out, and what is over the limit."""
    names = {chunk_name(group, partition, ref.writer, ref.slot): ref for ref in refs}
    stored = medium.fetch(partition, {name: ref.place for name, ref in names.items()}) if names else {}
    chunks = {}
    for name, value in stored.items():
        ref = names.get(name)
        raw = None if ref is None else _raw(ref, value)
        if ref is not None and raw is not None:
            content_bytes_max -= len(raw)
            if content_bytes_max < 0:
                break
            chunks[ref] = Chunk(value, raw)
    return chunks


def read_snapshot(medium: Medium, group: str, manifest: Manifest, content_bytes_max: int) -> Snapshot | None:
    """Return the whole snapshot; None where a chunk of it is missing or damaged, or they have too many bytes."""
    snapshot = manifest.snapshot
    refs = sorted(refs_of(manifest), key=lambda ref: ref.place)
    content: dict[ChunkRef, bytes] = {}
    left = content_bytes_max
    for first in range(0, len(refs), CHUNKS_AT_ONCE):
        wanted = refs[first : first + CHUNKS_AT_ONCE]
        chunks = read_chunks(medium, group, snapshot.partition, wanted, left)
        if len(chunks) < len(wanted):
            return None
        left -= sum(len(chunk.raw) for chunk in chunks.values())
        content |= {ref: chunk.raw for ref, chunk in chunks.items()}
    images = tuple(
        replace(
            image,
            sections={key: b"".join(content[ref] for ref in of_section) for key, of_section in sections.items()},
        )
        for image, sections in zip(snapshot.images, manifest.chunks, strict=True)
    )
    return replace(snapshot, images=images)


def _raw(ref: ChunkRef, stored: bytes) -> bytes | None:
    try:
        raw = decode(stored)
    except DamagedSnapshotError:
        return None
    return raw if digest_of(raw) == ref.digest else None

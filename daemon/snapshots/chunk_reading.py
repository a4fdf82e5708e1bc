"""Chunks read back and compared with what their manifest says of them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from daemon.snapshots.choosing import refs_of
from daemon.snapshots.damage import DamagedSnapshotError
from daemon.snapshots.frames import decode, digest_of
from daemon.snapshots.manifests import ChunkRef, Manifest
from daemon.snapshots.medium import Medium
from daemon.snapshots.names import chunk_name
from daemon.snapshots.values import Snapshot
from daemon.source import Partition


class Chunk(NamedTuple):
    """An intact chunk: as it is stored, and what it holds."""

    stored: bytes
    raw: bytes


def read_chunks(medium: Medium, group: str, partition: Partition, refs: Iterable[ChunkRef]) -> Mapping[ChunkRef, Chunk]:
    """Return the chunks that are there and intact; the others are left out."""
    names = {chunk_name(group, partition, ref.writer, ref.slot): ref for ref in refs}
    stored = medium.fetch(partition, {name: ref.place for name, ref in names.items()}) if names else {}
    chunks = {}
    for name, value in stored.items():
        ref = names.get(name)
        raw = None if ref is None else _raw(ref, value)
        if ref is not None and raw is not None:
            chunks[ref] = Chunk(value, raw)
    return chunks


def read_snapshot(medium: Medium, group: str, manifest: Manifest) -> Snapshot | None:
    """Return the whole snapshot; None where a chunk of it is missing or damaged."""
    snapshot = manifest.snapshot
    refs = set(refs_of(manifest))
    chunks = read_chunks(medium, group, snapshot.partition, refs)
    if chunks.keys() != refs:
        return None
    images = tuple(
        replace(
            image,
            sections={key: b"".join(chunks[ref].raw for ref in of_section) for key, of_section in sections.items()},
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

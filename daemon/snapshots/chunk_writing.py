"""One save: chunks, a flush, the manifest. Between any two steps the process may die, and a step may fail."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from daemon.failpoints import hit
from daemon.snapshots.choosing import refs_of
from daemon.snapshots.chunk_reading import read_chunks
from daemon.snapshots.frames import digest_of, encode, split
from daemon.snapshots.limits import Limits
from daemon.snapshots.manifests import ChunkRef, Manifest, encode_manifest
from daemon.snapshots.medium import EntriesGoneError, Medium, MediumError, Place
from daemon.snapshots.names import GENERATIONS, chunk_name, manifest_name
from daemon.snapshots.slots import acknowledged, failed, free_slots, tried
from daemon.snapshots.store import Receipt
from daemon.snapshots.tenure import (
    Refs,
    SectionKey,
    Tenure,
    all_sections,
    announcement,
    kept_sections,
    manifest_for,
    slots_of,
    to_read_again,
)
from daemon.snapshots.values import Snapshot
from daemon.source import Partition


class Target(NamedTuple):
    """Where the chunks of one partition go."""

    medium: Medium
    group: str
    partition: Partition
    limits: Limits


class _Piece(NamedTuple):
    """One chunk to be written: of a section that changed, or of another writer, who then is needed no more."""

    section: SectionKey
    content: bytes  # raw, or as it is stored
    replaces: ChunkRef | None = None


class _Put(NamedTuple):
    """One chunk that was handed to the medium."""

    name: str
    slot: int
    stored_bytes: int
    digest: bytes


def write_snapshot(target: Target, tenure: Tenure, snapshot: Snapshot) -> tuple[Receipt, int]:
    """Save, and return how many chunks were written besides; where it fails, the next try takes other slots."""
    tenure.tries += 1
    kept = kept_sections(tenure, snapshot)
    if kept is None:
        raise EntriesGoneError(f"{_words(target)}: its unchanged parts are not known. All of it is written again.")
    pieces = [*_changed(snapshot), *_moved(target, tenure, kept)]
    slots = list(islice(free_slots(tenure.slots), len(pieces)))
    tenure.slots = tried(tenure.slots, slots)
    try:
        _announce(target, tenure)
        puts, places = _put_chunks(target, tenure, pieces, slots)
        refs = _refs(kept, pieces, [_ref(tenure, put, places) for put in puts])
        manifest = manifest_for(tenure, snapshot, refs)
        written = _put_manifest(target, tenure, manifest)
    except Exception:
        tenure.slots = failed(tenure.slots, slots)
        raise
    tenure.slots = acknowledged(tenure.slots, slots_of(manifest, tenure.writer))
    tenure.base, tenure.kept = manifest, (manifest, *tenure.kept)[:GENERATIONS]
    retained = written + sum(ref.stored_bytes for ref in set(refs_of(manifest)))
    return Receipt(written + sum(put.stored_bytes for put in puts), retained), len(puts)


def _changed(snapshot: Snapshot) -> Iterable[_Piece]:
    for key, content in all_sections(snapshot):
        if content is not None:
            yield from (_Piece(key, raw) for raw in split(content))


def _moved(target: Target, tenure: Tenure, kept: Refs) -> Iterable[_Piece]:
    """Read some of the chunks that are named again; those of other writers are to be written under our name."""
    section_of = {ref: key for key, refs in kept.items() for ref in refs}
    wanted = to_read_again(tenure, tuple(section_of))
    chunks = read_chunks(target.medium, target.group, target.partition, wanted)
    if len(chunks) < len(wanted):
        raise EntriesGoneError(
            f"{_words(target)}: {len(wanted) - len(chunks)} of {len(wanted)} chunks that were saved before are missing"
            " or damaged. All of it is written again; if this comes back, see whether somebody deletes them."
        )
    return [_Piece(section_of[ref], chunks[ref].stored, ref) for ref in wanted if ref.writer != tenure.writer]


def _announce(target: Target, tenure: Tenure) -> None:
    """Before the first chunk, so that what a writer leaves is found should it die before its first manifest."""
    if not tenure.announced:
        _write_manifest(target, tenure, announcement(tenure, target.partition), 1 - tenure.generation)
        tenure.announced = True


def _put_chunks(
    target: Target, tenure: Tenure, pieces: list[_Piece], slots: list[int]
) -> tuple[list[_Put], Mapping[str, Place]]:
    puts: list[_Put] = []
    try:
        for piece, slot in zip(pieces, slots, strict=True):
            stored = piece.content if piece.replaces else encode(piece.content)
            digest = piece.replaces.digest if piece.replaces else digest_of(piece.content)
            put = _Put(chunk_name(target.group, target.partition, tenure.writer, slot), slot, len(stored), digest)
            puts.append(put)
            target.medium.put(target.partition, put.name, stored)
            hit("store.chunk_put")
        places = target.medium.flush()
        hit("store.chunks_flushed")
    except Exception:
        with suppress(MediumError, OSError):  # a full disk needs the room
            target.medium.delete(target.partition, [put.name for put in puts], ())
        raise
    return puts, places


def _ref(tenure: Tenure, put: _Put, places: Mapping[str, Place]) -> ChunkRef:
    place = places.get(put.name)
    if place is None:
        raise MediumError(f"{put.name} was written, but the medium does not tell where. The next save tries again.")
    return ChunkRef(tenure.writer, put.slot, place, put.stored_bytes, put.digest)


def _refs(kept: Refs, pieces: list[_Piece], written: list[ChunkRef]) -> Refs:
    """Return the chunks of every section after this save."""
    moved: dict[ChunkRef, ChunkRef] = {}
    refs: dict[SectionKey, tuple[ChunkRef, ...]] = {}
    for piece, ref in zip(pieces, written, strict=True):
        if piece.replaces:
            moved[piece.replaces] = ref
        else:
            refs[piece.section] = (*refs.get(piece.section, ()), ref)
    for key, named in kept.items():
        refs[key] = tuple(moved.get(ref, ref) for ref in named)
    return refs


def _put_manifest(target: Target, tenure: Tenure, manifest: Manifest) -> int:
    """Write the manifest in the place of the older one; return its bytes."""
    written = _write_manifest(target, tenure, manifest, tenure.generation)
    hit("store.manifest_put")
    tenure.generation = (tenure.generation + 1) % GENERATIONS
    return written


def _write_manifest(target: Target, tenure: Tenure, manifest: Manifest, generation: int) -> int:
    value = encode_manifest(manifest)
    name = manifest_name(target.group, target.partition, tenure.writer, generation)
    target.medium.put_manifest(target.partition, name, value)
    return len(value)


def _words(target: Target) -> str:
    return f"snapshot of {target.partition.topic}/{target.partition.number}"

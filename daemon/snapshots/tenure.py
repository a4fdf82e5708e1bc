"""What a store remembers of one partition between two saves, and how a save is put together from it."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from daemon.snapshots.choosing import refs_of
from daemon.snapshots.collecting import Marks
from daemon.snapshots.manifests import ChunkRef, Manifest
from daemon.snapshots.slots import Slots
from daemon.snapshots.values import SectionId, Snapshot
from daemon.source import Partition

#: Chunks of other writers that one save writes again at most: these bytes, or a share of what is retained.
REWRITE_BYTES: Final = 4 << 20
REWRITE_SHARE: Final = 4

SectionKey = tuple[str, SectionId]  # stream hash, section
Refs = Mapping[SectionKey, tuple[ChunkRef, ...]]


@dataclass(slots=True)
class Tenure:
    """One ownership of one partition, from its load until it is forgotten, under a writer's name of its own.

    Attributes
    ----------
    writer : 16 hexadecimal digits
    base : what sections of None refer to: the manifest last loaded, or acknowledged
    kept : acknowledged manifests of this writer, the newest first; two at most
    announced : whether the medium knows of this writer
    tries : saves that were begun; its number is the manifest's sequence
    generation : where the next manifest goes: never over the newest acknowledged one
    marks : every writer's manifests at the last look
    looked_at : `tries` at that look; None before the first
    """

    writer: str
    base: Manifest | None = None
    kept: tuple[Manifest, ...] = ()
    announced: bool = False
    tries: int = 0
    generation: int = 0
    slots: Slots = field(default_factory=Slots)
    marks: Marks = field(default_factory=dict)
    looked_at: int | None = None


def random_writer() -> str:
    """Return a name that no other tenure of any process has."""
    return secrets.token_hex(8)


def sections_of(manifest: Manifest) -> Refs:
    """Return the chunks of every section."""
    return {
        (image.stream_hash, section): refs
        for image, sections in zip(manifest.snapshot.images, manifest.chunks, strict=True)
        for section, refs in sections.items()
    }


def kept_sections(tenure: Tenure, snapshot: Snapshot) -> Refs | None:
    """Return the chunks of the sections that have not changed; None where one of them is not known."""
    known = sections_of(tenure.base) if tenure.base else {}
    unchanged = [key for key, section in all_sections(snapshot) if section is None]
    if not known.keys() >= set(unchanged):
        return None
    return {key: known[key] for key in unchanged}


def all_sections(snapshot: Snapshot) -> Iterator[tuple[SectionKey, bytes | None]]:
    """Yield every section with its bytes."""
    for image in snapshot.images:
        for section, content in image.sections.items():
            yield (image.stream_hash, section), content


def to_read_again(tenure: Tenure, refs: Sequence[ChunkRef]) -> tuple[ChunkRef, ...]:
    """Return which of the chunks that are named again are read in this save.

    Those of other writers, within the limit, since they will be written anew under our name; where there are none, one
    of our own in turn: that nobody has taken them away is found out before it matters.
    """
    others = [ref for ref in refs if ref.writer != tenure.writer]
    if not others:
        return tuple(refs[tenure.tries % len(refs) :][:1]) if refs else ()
    limit = max(REWRITE_BYTES, sum(ref.stored_bytes for ref in refs) // REWRITE_SHARE)
    chosen: list[ChunkRef] = []
    for ref in others:
        limit -= ref.stored_bytes
        if chosen and limit < 0:
            break
        chosen.append(ref)
    return tuple(chosen)


def manifest_for(tenure: Tenure, snapshot: Snapshot, refs: Refs) -> Manifest:
    """Return the manifest of a snapshot whose chunks are known."""
    images = tuple(replace(image, sections=dict.fromkeys(image.sections)) for image in snapshot.images)
    chunks = tuple(
        {section: refs.get((image.stream_hash, section), ()) for section in image.sections} for image in snapshot.images
    )
    return Manifest(replace(snapshot, images=images), chunks, tenure.tries, tenure.slots.highest)


def announcement(tenure: Tenure, partition: Partition) -> Manifest:
    """Return a manifest without a snapshot: it only tells that this writer writes, and how far up."""
    nothing = Snapshot(
        partition=partition, topic_id="", next_offset=0, leader_epoch=-1, missing_before_us=None, skipped_offsets=0,
        began_us=0, taken_us=0, images=(),
    )  # fmt: skip
    return Manifest(nothing, (), tenure.tries, tenure.slots.highest)


def slots_of(manifest: Manifest, writer: str) -> Iterator[int]:
    """Yield the slots of a writer that a manifest names."""
    return (ref.slot for ref in refs_of(manifest) if ref.writer == writer)

"""The manifest: what a snapshot is made of, and where its chunks are. Written last, it makes a snapshot exist."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from struct import Struct
from typing import Final, Literal

from daemon.snapshots.damage import DamagedSnapshotError, OversizedSnapshotError
from daemon.snapshots.frames import DIGEST_BYTES, RAW_BYTES_MAX, Kind, decode, encode
from daemon.snapshots.limits import UNKNOWN
from daemon.snapshots.medium import Place
from daemon.snapshots.parsing import FORMAT_VERSION, TIMES_END_US, VERSION, Reader, read_versioned
from daemon.snapshots.values import SectionId, Snapshot, StateHead, StateImage
from daemon.source import Partition


@dataclass(frozen=True, slots=True)
class ChunkRef:
    """Where one chunk is, and what must be found there.

    Attributes
    ----------
    writer : 16 hexadecimal digits
    stored_bytes : length of its frame
    digest : of its content
    """

    writer: str
    slot: int
    place: Place
    stored_bytes: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything of a snapshot but the bytes of its sections.

    Attributes
    ----------
    snapshot : every section is None
    chunks : per image the chunks of each section, in order; together they are the section
    sequence : counts the saves of a writer
    highest_slot : that this writer has used; -1 where it has used none
    """

    snapshot: Snapshot
    chunks: tuple[Mapping[SectionId, tuple[ChunkRef, ...]], ...]
    sequence: int
    highest_slot: int


_KINDS: Final[tuple[Literal["keys", "times", "panes"], ...]] = ("keys", "times", "panes")
_WRITER_BYTES: Final = 8
_OPTIONAL: Final = Struct("<?q")  # whether it is there, value
#: Partition, next offset, leader epoch, skipped offsets, began, taken, sequence, highest slot; then lengths: topic,
#: topic id, writers, images.
_HEAD: Final = Struct("<iqiQqqQqHHHH")
#: Clock jumps, complete_from, slots; then lengths: stream hash, rings, sections.
_IMAGE: Final = Struct("<QqIHBI")
_SECTION: Final = Struct("<BBHqH")  # kind, ring, panes, first pane; chunks
_CHUNK: Final = Struct(f"<HIiqI{DIGEST_BYTES}s")  # writer, slot, place, stored bytes, digest


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the manifest as it is stored. Raises OversizedSnapshotError."""
    raw = _content(manifest)
    if len(raw) > RAW_BYTES_MAX:
        partition = manifest.snapshot.partition
        raise OversizedSnapshotError(
            f"snapshot of {partition.topic}/{partition.number}: its manifest has {len(raw)} bytes, over the limit of"
            f" {RAW_BYTES_MAX}. Use fewer windows or panes, or switch snapshots off (snapshot.kind: none)."
        )
    return encode(raw, Kind.MANIFEST)


def decode_manifest(value: bytes, parts_max: int = UNKNOWN.parts) -> Manifest:
    """Return the manifest, of so many sections and chunks at most. Raises DamagedSnapshotError, UnknownVersionError."""
    content = decode(value, Kind.MANIFEST)
    return read_versioned(content, "a manifest", {1: partial(_read_v1, parts=_Parts(parts_max))})


class _Parts:
    """Counts sections and chunks while a manifest is read, so that it is given up before it takes much memory."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._seen: set[tuple[int, int]] = set()

    def count(self, sections: int) -> None:
        """Count sections, or single chunks. Raises DamagedSnapshotError."""
        self._left -= sections
        if self._left < 0:
            raise DamagedSnapshotError("a manifest has more parts than states of these settings can have")

    def chunk(self, writer: int, slot: int) -> None:
        """Count a chunk; one that is named often would make much of little. Raises DamagedSnapshotError."""
        self.count(1)
        if (writer, slot) in self._seen:
            raise DamagedSnapshotError("a manifest names a chunk twice")
        self._seen.add((writer, slot))


def _content(manifest: Manifest) -> bytes:
    snapshot = manifest.snapshot
    writers = dict.fromkeys(ref.writer for sections in manifest.chunks for refs in sections.values() for ref in refs)
    numbers = {writer: number for number, writer in enumerate(writers)}
    topic, topic_id = snapshot.partition.topic.encode(), snapshot.topic_id.encode()
    head = _HEAD.pack(
        snapshot.partition.number, snapshot.next_offset, snapshot.leader_epoch, snapshot.skipped_offsets,
        snapshot.began_us, snapshot.taken_us, manifest.sequence, manifest.highest_slot,
        len(topic), len(topic_id), len(numbers), len(snapshot.images),
    )  # fmt: skip
    parts = [VERSION.pack(FORMAT_VERSION), head, _optional(snapshot.missing_before_us), topic, topic_id]
    parts += map(bytes.fromhex, numbers)
    for image, sections in zip(snapshot.images, manifest.chunks, strict=True):
        parts.append(_image(image, len(sections)))
        parts += (_section(section, refs, numbers) for section, refs in sections.items())
    return b"".join(parts)


def _image(image: StateImage, sections: int) -> bytes:
    head, stream_hash = image.head, image.stream_hash.encode()
    fixed = _IMAGE.pack(
        head.clock_jumps, head.complete_from_us, head.slots, len(stream_hash), len(head.newest), sections
    )
    optional = (head.clock_us, head.overflow_clock_us, *head.newest)
    return b"".join([fixed, stream_hash, *map(_optional, optional)])


def _section(section: SectionId, refs: tuple[ChunkRef, ...], numbers: Mapping[str, int]) -> bytes:
    chunks = (_CHUNK.pack(numbers[ref.writer], ref.slot, *ref.place, ref.stored_bytes, ref.digest) for ref in refs)
    head = _SECTION.pack(_KINDS.index(section.kind), section.ring, section.panes, section.first_pane, len(refs))
    return b"".join([head, *chunks])


def _optional(value: int | None) -> bytes:
    return _OPTIONAL.pack(value is not None, value or 0)


def _read_v1(reader: Reader, parts: _Parts) -> Manifest:
    (
        number, next_offset, leader_epoch, skipped, began_us, taken_us, sequence, highest_slot,
        topic_bytes, topic_id_bytes, writer_count, image_count,
    ) = reader.unpack(_HEAD)  # fmt: skip
    reader.require(number >= 0 and next_offset >= 0, "has a negative partition or offset")
    missing_before_us = _read_optional(reader)
    times = (missing_before_us or 0, began_us, taken_us)
    reader.require(max(map(abs, (*times, skipped))) < TIMES_END_US, "has a time or count that cannot be")
    topic, topic_id = reader.text(topic_bytes), reader.text(topic_id_bytes)
    writers = [bytes(reader.take(_WRITER_BYTES)).hex() for _ in range(writer_count)]
    images = [_read_image(reader, writers, parts) for _ in range(image_count)]
    hashes = {image.stream_hash for image, _ in images}
    reader.require(len(hashes) == len(images), "has two states of one stream")
    snapshot = Snapshot(
        partition=Partition(topic, number),
        topic_id=topic_id,
        next_offset=next_offset,
        leader_epoch=leader_epoch,
        missing_before_us=missing_before_us,
        skipped_offsets=skipped,
        began_us=began_us,
        taken_us=taken_us,
        images=tuple(image for image, _ in images),
    )
    return Manifest(snapshot, tuple(sections for _, sections in images), sequence, highest_slot)


def _read_image(
    reader: Reader, writers: list[str], parts: _Parts
) -> tuple[StateImage, Mapping[SectionId, tuple[ChunkRef, ...]]]:
    clock_jumps, complete_from_us, slots, hash_bytes, rings, section_count = reader.unpack(_IMAGE)
    stream_hash = reader.text(hash_bytes)
    clock_us, overflow_clock_us = _read_optional(reader), _read_optional(reader)
    newest = tuple(_read_optional(reader) for _ in range(rings))
    sections: dict[SectionId, tuple[ChunkRef, ...]] = {}
    parts.count(section_count)
    for _ in range(section_count):
        kind, ring, panes, first_pane, chunks = reader.unpack(_SECTION)
        reader.require(kind < len(_KINDS), f"has a section of kind {kind}")
        section = SectionId(_KINDS[kind], ring, first_pane, panes)
        reader.require(section not in sections, "has a section twice")
        sections[section] = tuple(_read_chunk(reader, writers, parts) for _ in range(chunks))
    head = StateHead(clock_us, clock_jumps, complete_from_us, overflow_clock_us, newest, slots)
    return StateImage(stream_hash, head, dict.fromkeys(sections)), sections


def _read_chunk(reader: Reader, writers: list[str], parts: _Parts) -> ChunkRef:
    writer, slot, part, offset, stored_bytes, digest = reader.unpack(_CHUNK)
    reader.require(writer < len(writers), "has a chunk of a writer that it does not name")
    parts.chunk(writer, slot)
    return ChunkRef(writers[writer], slot, Place(part, offset), stored_bytes, digest)


def _read_optional(reader: Reader) -> int | None:
    is_there, value = reader.unpack(_OPTIONAL)
    return value if is_there else None

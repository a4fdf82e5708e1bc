"""One chunk or manifest as it lies in the medium: magic, version, kind, length, digest, and the content compressed.

The digest tells damage whatever the medium promises; the length, bounded by a constant, is all that is ever allocated.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from hashlib import blake2b
from struct import Struct
from typing import Final

import zstandard

from daemon.snapshots.damage import DamagedSnapshotError, UnknownVersionError

#: Content of one frame. What is stored is at most 0.4 % and a header longer, so below 900,000 bytes.
RAW_BYTES_MAX: Final = 864 << 10
#: A whole frame.
CHUNK_BYTES_MAX: Final = 900_000
DIGEST_BYTES: Final = 16
FRAME_VERSION: Final = 1

_MAGIC: Final = b"klxn"
_PREFIX: Final = Struct("<4sH")  # magic, version
_HEADER: Final = Struct(f"<BI{DIGEST_BYTES}s")  # kind, bytes of the content, their digest
_LEVEL: Final = 1  # floats hardly shrink, whatever it costs
_WINDOW_BYTES_MAX: Final = 1 << 20


class Kind(IntEnum):
    """What a frame holds."""

    CHUNK = 1
    MANIFEST = 2


def digest_of(raw: bytes) -> bytes:
    """Return the digest of a content: blake2b, 128 bits."""
    return blake2b(raw, digest_size=DIGEST_BYTES).digest()


def split(section: bytes) -> list[bytes]:
    """Return a section as contents of frames, at least one."""
    return [section[start : start + RAW_BYTES_MAX] for start in range(0, len(section), RAW_BYTES_MAX)] or [b""]


def encode(raw: bytes, kind: Kind = Kind.CHUNK) -> bytes:
    """Return the frame of a content of at most RAW_BYTES_MAX bytes."""
    if len(raw) > RAW_BYTES_MAX:
        raise AssertionError(f"{len(raw)} bytes do not fit a frame; split them")
    payload = zstandard.ZstdCompressor(level=_LEVEL).compress(raw)
    return _PREFIX.pack(_MAGIC, FRAME_VERSION) + _HEADER.pack(kind, len(raw), digest_of(raw)) + payload


def decode(frame: bytes, kind: Kind = Kind.CHUNK) -> bytes:
    """Return the content of a frame. Raises DamagedSnapshotError, UnknownVersionError; allocates what it declares."""
    if len(frame) < _PREFIX.size:
        raise DamagedSnapshotError(f"{len(frame)} bytes are no part of a snapshot")
    magic, version = _PREFIX.unpack_from(frame)
    if magic != _MAGIC:
        raise DamagedSnapshotError("the bytes are no part of a snapshot")
    if version not in _DECODERS:
        raise UnknownVersionError(f"part of a snapshot of version {version}, and this program reads {FRAME_VERSION}")
    return _DECODERS[version](frame[_PREFIX.size :], kind)


def _decode_v1(body: bytes, kind: Kind) -> bytes:
    if len(body) < _HEADER.size:
        raise DamagedSnapshotError("part of a snapshot is cut short")
    found, raw_bytes, digest = _HEADER.unpack_from(body)
    if found != kind:
        raise DamagedSnapshotError(f"part of a snapshot is of kind {found}, not {int(kind)} ({kind.name.lower()})")
    if raw_bytes > RAW_BYTES_MAX:
        raise DamagedSnapshotError(f"part of a snapshot claims {raw_bytes} bytes, over the limit of {RAW_BYTES_MAX}")
    raw = _decompress(body[_HEADER.size :], raw_bytes)
    if len(raw) != raw_bytes or digest_of(raw) != digest:
        raise DamagedSnapshotError("part of a snapshot is damaged: its content has another digest")
    return raw


def _decompress(payload: bytes, raw_bytes: int) -> bytes:
    """Decompress one zstd frame (RFC 8878) whose own header must claim the same length: it is what is allocated."""
    try:
        if zstandard.frame_content_size(payload) != raw_bytes:
            raise DamagedSnapshotError("part of a snapshot is damaged: its lengths contradict one another")
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES_MAX)
        raw: bytes = decompressor.decompress(payload, allow_extra_data=False)
    except zstandard.ZstdError:
        raise DamagedSnapshotError("part of a snapshot is damaged: it cannot be decompressed") from None
    return raw


_DECODERS: Final[Mapping[int, Callable[[bytes, Kind], bytes]]] = {1: _decode_v1}

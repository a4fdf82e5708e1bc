"""Decoders of compressed record batches that stop at a limit.

The client's own have none: 16 kB of zstd can claim 512 MiB, and a batch that kills one replica walks on to the next.
"""

import struct
import zlib
from typing import Final

import lz4.frame  # type: ignore[import-untyped]
import snappy  # type: ignore[import-untyped]
import zstandard

LIMIT_BYTES: Final = 32 << 20  # 32 times the largest batch that brokers take by default

_GZIP_WBITS: Final = 31
_XERIAL_MAGIC: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES: Final = 16


class OversizedBatchError(ValueError):
    """A compressed batch is larger than the limit once decompressed."""


def gzip_decode(payload: bytes | memoryview) -> bytes:
    """Decompress one or several gzip members (RFC 1952). Raises OversizedBatchError, ValueError or zlib.error."""
    parts, room, rest = [], LIMIT_BYTES, bytes(payload)
    while rest:
        member = zlib.decompressobj(_GZIP_WBITS)
        part = member.decompress(rest, room + 1)
        _require(len(part) <= room, "gzip")
        if not member.eof:
            raise ValueError("gzip stream is cut short")
        parts.append(part)
        room -= len(part)
        rest = member.unused_data
    return b"".join(parts)


def zstd_decode(payload: bytes | memoryview) -> bytes:
    """Decompress zstd frames (RFC 8878). Raises OversizedBatchError or zstandard.ZstdError."""
    with zstandard.ZstdDecompressor().stream_reader(bytes(payload), read_across_frames=True) as reader:
        data: bytes = reader.read(LIMIT_BYTES + 1)
    _require(len(data) <= LIMIT_BYTES, "zstd")
    return data


def lz4_decode(payload: bytes | memoryview) -> bytes:
    """Decompress one LZ4 frame. Raises OversizedBatchError, ValueError or RuntimeError."""
    frame = lz4.frame.LZ4FrameDecompressor()
    data: bytes = frame.decompress(bytes(payload), LIMIT_BYTES + 1)
    _require(len(data) <= LIMIT_BYTES, "lz4")
    if not frame.eof:
        raise ValueError("lz4 frame is cut short")
    return data


def snappy_decode(payload: bytes | memoryview) -> bytes:
    """Decompress raw snappy, or the blocks that Kafka's Java client writes (xerial: a 16-byte header, then blocks).

    Raises OversizedBatchError, ValueError or snappy's own errors.
    """
    data = bytes(payload)
    if not data.startswith(_XERIAL_MAGIC):
        return _snappy_block(data, LIMIT_BYTES)
    parts, room, cursor = [], LIMIT_BYTES, _XERIAL_HEADER_BYTES
    while cursor < len(data):
        (size,) = struct.unpack_from("!i", data, cursor)
        cursor += 4
        if not 0 < size <= len(data) - cursor:
            raise ValueError("snappy block has an impossible size")
        part = _snappy_block(data[cursor : cursor + size], room)
        parts.append(part)
        room -= len(part)
        cursor += size
    return b"".join(parts)


def _snappy_block(block: bytes, room: int) -> bytes:
    """Decompress a block whose preamble tells its size (a varint), so that nothing is allocated for a lie."""
    claimed = 0
    for position, byte in enumerate(block[:5]):
        claimed |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            break
    _require(claimed <= room, "snappy")
    data: bytes = snappy.uncompress(block)
    return data


def _require(fits: bool, codec: str) -> None:
    if not fits:
        raise OversizedBatchError(f"a {codec} batch is larger than {LIMIT_BYTES >> 20} MiB once decompressed")

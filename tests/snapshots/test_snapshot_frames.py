"""A frame gives back its content or is damaged; nothing in it makes the reader allocate more than a chunk."""

import tracemalloc
from struct import pack, pack_into

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from daemon.snapshots.damage import DamagedSnapshotError, UnknownVersionError
from daemon.snapshots.frames import CHUNK_BYTES_MAX, RAW_BYTES_MAX, Kind, decode, digest_of, encode, split
from tests.snapshots.damaged_bytes import damaged, profile


@given(st.binary(max_size=90_000))
@profile
def test_a_frame_gives_back_its_content(raw):
    assert decode(encode(raw)) == raw


@pytest.mark.parametrize("size", [0, 1, RAW_BYTES_MAX - 1, RAW_BYTES_MAX, RAW_BYTES_MAX + 1, 3 * RAW_BYTES_MAX])
def test_sections_are_split_into_chunks_below_900_kb(size):
    content = np.random.default_rng(1).bytes(size)  # noise does not shrink
    frames = [encode(raw) for raw in split(content)]
    assert max(map(len, frames)) <= CHUNK_BYTES_MAX
    assert b"".join(decode(frame) for frame in frames) == content


FRAME = encode(np.random.default_rng(1).bytes(100) * 5)


@given(st.one_of(st.binary(max_size=200), damaged(FRAME), st.binary(max_size=80).map(lambda rest: FRAME[:30] + rest)))
@profile
def test_a_damaged_frame_is_never_taken_for_a_chunk(frame):
    if frame != FRAME:
        with pytest.raises(DamagedSnapshotError):
            decode(frame)


def test_every_flipped_bit_of_a_frame_is_noticed():
    for at in range(len(FRAME)):
        flipped = bytearray(FRAME)
        flipped[at] ^= 1 << at % 8
        with pytest.raises(DamagedSnapshotError):
            decode(bytes(flipped))


def test_a_chunk_is_no_manifest():
    with pytest.raises(DamagedSnapshotError, match=r"of kind 1, not 2 \(manifest\)"):
        decode(FRAME, Kind.MANIFEST)


def test_a_frame_of_a_newer_program_is_told_from_damage():
    newer = bytearray(FRAME)
    newer[4] = 2
    with pytest.raises(UnknownVersionError, match="of version 2, and this program reads 1"):
        decode(bytes(newer))


def bomb(claimed, real):
    """A frame that claims one length and unpacks to another."""
    payload = zstandard.ZstdCompressor(level=19).compress(bytes(real))
    return FRAME[:6] + pack("<BI16s", 1, claimed, digest_of(bytes(min(real, 1 << 20)))) + payload


def streamed_bomb(real):
    """As above; its zstd header does not tell a length."""
    stream = zstandard.ZstdCompressor(level=1).compressobj()
    payload = stream.compress(bytes(real)) + stream.flush()
    return FRAME[:6] + pack("<BI16s", 1, RAW_BYTES_MAX, bytes(16)) + payload


@pytest.mark.parametrize(
    "frame", [bomb(1 << 28, 1 << 28), bomb(RAW_BYTES_MAX, 1 << 28), bomb(10, 1 << 28), streamed_bomb(1 << 28)]
)
def test_a_decompression_bomb_costs_no_memory(frame):
    tracemalloc.start()
    try:
        with pytest.raises(DamagedSnapshotError):
            decode(frame)
        assert tracemalloc.get_traced_memory()[1] < 4 * len(frame) + (2 << 20)
    finally:
        tracemalloc.stop()


def test_a_frame_whose_zstd_header_lies_costs_no_memory():
    payload = bytearray(zstandard.ZstdCompressor(level=1).compress(bytes(range(256)) * 4))
    parameters = zstandard.get_frame_parameters(bytes(payload))
    assert parameters.content_size == 1024
    pack_into("<H", payload, payload.index(pack("<H", 1024 - 256)), 60_000 - 256)
    frame = FRAME[:6] + pack("<BI16s", 1, 60_000, bytes(16)) + bytes(payload)
    with pytest.raises(DamagedSnapshotError):
        decode(frame)

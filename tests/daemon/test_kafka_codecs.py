"""Decoders with a limit: equal to the client's own below it, and never past it."""

import contextlib
import gzip
import os
import random
import struct
import zlib

import kafka.codec
import lz4.frame
import pytest
import snappy
import zstandard

from daemon import kafka_codecs
from daemon.kafka_codecs import LIMIT_BYTES, OversizedBatchError

CODECS = ("gzip", "snappy", "lz4", "zstd")
BOMB_BYTES = LIMIT_BYTES + 1
# Whatever the decoder raises makes the batch poison; running out of memory or time is no answer.
ERRORS = (ValueError, EOFError, RuntimeError, zlib.error, zstandard.ZstdError, snappy.UncompressError, struct.error)


def random_bytes(count):
    return random.Random(count).randbytes(count)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("payload", [b"x", random_bytes(200_000), bytes(8 << 20)], ids=("1 byte", "noise", "8 MiB"))
def test_what_the_client_encodes_is_decoded_as_the_client_decodes_it(codec, payload):
    encoded = getattr(kafka.codec, f"{codec}_encode")(payload)
    assert getattr(kafka_codecs, f"{codec}_decode")(memoryview(encoded)) == payload
    assert getattr(kafka.codec, f"{codec}_decode")(encoded) == payload


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_of_the_limit_passes_and_one_byte_more_does_not(codec):
    encode, decode = getattr(kafka.codec, f"{codec}_encode"), getattr(kafka_codecs, f"{codec}_decode")
    assert len(decode(encode(bytes(LIMIT_BYTES)))) == LIMIT_BYTES
    with pytest.raises(OversizedBatchError, match=f"{codec} batch is larger than 32 MiB"):
        decode(encode(bytes(BOMB_BYTES)))


def test_members_and_frames_that_follow_each_other_count_together():
    half = bytes(LIMIT_BYTES // 2 + 1)
    member, frame = gzip.compress(half), zstandard.ZstdCompressor().compress(half)
    for decode, piece in ((kafka_codecs.gzip_decode, member), (kafka_codecs.zstd_decode, frame)):
        assert decode(piece) == half
        with pytest.raises(OversizedBatchError):
            decode(piece + piece)


def test_raw_snappy_that_claims_more_than_the_limit_is_refused_before_anything_is_allocated():
    claim = b"\xff\xff\xff\xff\x07"  # 2 GiB - 1, as a varint
    with pytest.raises(OversizedBatchError):
        kafka_codecs.snappy_decode(claim + b"\x00")
    assert kafka_codecs.snappy_decode(snappy.compress(b"raw" * 100)) == b"raw" * 100


@pytest.mark.parametrize("size", [-4, 0, 1 << 30])
def test_a_snappy_block_of_an_impossible_size_is_refused(size):
    header = kafka.codec.snappy_encode(b"x")[:16]
    with pytest.raises(ValueError, match="impossible size"):
        kafka_codecs.snappy_decode(header + struct.pack("!i", size) + b"xxxx")


@pytest.mark.parametrize("codec", CODECS)
def test_broken_bytes_are_an_error_and_never_an_endless_loop(codec):
    decode = getattr(kafka_codecs, f"{codec}_decode")
    encoded = bytearray(getattr(kafka.codec, f"{codec}_encode")(random_bytes(5000)))
    dice = random.Random(7)
    for _ in range(200):
        broken = bytearray(encoded[: dice.randrange(1, len(encoded))])
        broken[dice.randrange(len(broken))] ^= 1 << dice.randrange(8)
        with contextlib.suppress(*ERRORS):
            assert len(decode(bytes(broken))) <= LIMIT_BYTES


def test_a_stream_that_is_cut_short_is_an_error():
    for codec, name in ((gzip.compress, "gzip"), (lz4.frame.compress, "lz4")):
        with pytest.raises((ValueError, EOFError, RuntimeError)):
            getattr(kafka_codecs, f"{name}_decode")(codec(os.urandom(5000))[:-100])

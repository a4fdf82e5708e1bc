"""MessagePack: as JSON with lists, or with binary arrays of float32 and float64."""

import math

import msgspec
import numpy as np
import pytest

from estimators.pairs import NULL_LOG_PROB
from tests.daemon.codec_cases import decode, messages, reason

ITEMS = {"msgpack-f32": "<f4", "msgpack-f64": "<f8"}


def packed(**fields):
    """MessagePack of one record."""
    return msgspec.msgpack.encode(fields)


def pairs_of(*values, encoding):
    """Pairs of each message; fails where a record is rejected."""
    decoded = decode(*values, encoding=encoding)
    assert not decoded.rejected, decoded.rejected
    return [message[3] for message in messages(decoded)]


def test_lists_and_scalars_are_read_as_in_json():
    assert pairs_of(packed(logp=-1, logq=-0.5), encoding="msgpack") == [((-1, -0.5, 1),)]
    assert pairs_of(packed(logp=[-1, None], logq=[-2, -3], weight=2), encoding="msgpack") == [
        ((-1, -2, 2), (NULL_LOG_PROB, -3, 2))
    ]
    decoded = decode(packed(p=0.0, q=1, ts=5, model="a"), encoding="msgpack", label_names=("model",))
    assert messages(decoded) == [(0, ("a",), 5_000_000, ((-math.inf, 0, 1),))]


def test_nan_and_infinity_are_handed_over_for_the_validation_to_count():
    for encoding, values in (
        ("msgpack", [math.nan, math.inf, -math.inf]),
        ("msgpack-f32", np.array([math.nan, math.inf, -math.inf], "<f4").tobytes()),
    ):
        zeros = [0.0] * 3 if encoding == "msgpack" else np.zeros(3, "<f4").tobytes()
        for neighbours in ((), (packed(logp=zeros, logq=zeros, mask=[1, 0, 1]),)):  # both ways of reading
            pairs = pairs_of(packed(logp=values, logq=zeros), *neighbours, encoding=encoding)[0]
            assert math.isnan(pairs[0][0])
            assert [pair[0] for pair in pairs[1:]] == [math.inf, -math.inf]


@pytest.mark.parametrize("encoding", ITEMS)
def test_binary_arrays_are_little_endian_and_keep_every_bit(encoding):
    item = ITEMS[encoding]
    log_p, log_q = (np.random.default_rng(seed).normal(-3, 1, 100).astype(item) for seed in (1, 2))
    (pairs,) = pairs_of(packed(logp=log_p.tobytes(), logq=log_q.tobytes()), encoding=encoding)
    assert [pair[0] for pair in pairs] == log_p.astype(float).tolist()
    assert [pair[1] for pair in pairs] == log_q.astype(float).tolist()
    big = pairs_of(packed(logp=b"\x3f\x80\x00\x00" * 2, logq=b"\x00" * 8), encoding="msgpack-f32")
    assert big[0][0][0] != 1.0  # 1.0, but big-endian


@pytest.mark.parametrize("encoding", ITEMS)
def test_binary_weights_and_masks_go_with_binary_arrays(encoding):
    item = ITEMS[encoding]
    logs = np.array([-1, -2, -3], item).tobytes()
    weights = np.array([1, 2, 3], item).tobytes()
    record = {"logp": logs, "logq": logs}
    kept = ((-1, -1, 1), (-3, -3, 3))
    for weight in (weights, [1, 2, 3]):
        for mask in (b"\x01\x00\x01", [1, 0, 1], [True, False, True]):
            assert pairs_of(packed(**record, weight=weight, mask=mask), encoding=encoding) == [kept]
    assert pairs_of(packed(**record, weight=2), encoding=encoding) == [((-1, -1, 2), (-2, -2, 2), (-3, -3, 2))]


@pytest.mark.parametrize("encoding", ITEMS)
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"logp": b"\x00" * 23}, "schema"),
        ({"logp": b"\x00" * 23, "logq": b"\x00" * 23}, "schema"),
        ({"logp": b"\x00" * 16}, "length_mismatch"),
        ({"logp": b"", "logq": b""}, "empty"),
        ({"logp": [-1.0, -2.0]}, "schema"),
        ({"logp": -1.0}, "schema"),
        ({"logp": "\x00" * 24}, "schema"),
        ({"mask": b"\x01"}, "length_mismatch"),
        ({"mask": b"\x02" * 6}, "schema"),
        ({"mask": b"\x00" * 6}, "empty"),
        ({"weight": b"\x00" * 3}, "schema"),
        ({"weight": b"\x00" * 8}, "length_mismatch"),
        ({"weight": "heavy"}, "schema"),
    ],
)
def test_binary_arrays_of_another_length_or_type_are_rejected(encoding, change, expected):
    if encoding == "msgpack-f64" and change.get("mask") and len(change["mask"]) == 6:
        change = {"mask": change["mask"][:3]}
    record = {"logp": b"\x00" * 24, "logq": b"\x00" * 24}
    assert reason(packed(**record), encoding=encoding) is None
    assert reason(packed(**record | change), encoding=encoding) == expected


def test_the_limit_of_pairs_holds_for_binary_arrays():
    record = packed(logp=b"\x00" * 24, logq=b"\x00" * 24)
    assert reason(record, encoding="msgpack-f32", max_pairs_per_record=6) is None
    assert reason(record, encoding="msgpack-f32", max_pairs_per_record=5) == "size"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", "syntax"),
        (b"\xc1", "syntax"),
        (b"\x81\xa4logp", "syntax"),
        (b"\x80\x80", "syntax"),
        (b"\x90", "schema"),
        (b"\xdf\xff\xff\xff\xff", "syntax"),
        (b"\x81\xa4logp\xdd\x7f\xff\xff\xff", "syntax"),
        (b"\x81\xa1x" + b"\x91" * 200_000 + b"\xc0", "depth"),
        (packed(logp=-1, logq=-1, model=b"bytes"), "label"),
        (packed(logp=-1, logq=-1, model=msgspec.msgpack.Ext(5, b"x")), "label"),
        (packed(logp=-1, logq=-1, model=math.nan), "label"),
        (packed(logp=-1, logq=-1, ts=math.nan), "timestamp"),
        (packed(logp=-1, logq=-1, ts=math.inf), "timestamp"),
        (msgspec.msgpack.encode({1: 2, "logp": -1, "logq": -1}), "schema"),
    ],
)
def test_hostile_messagepack_is_counted(value, expected):
    assert reason(value, encoding="msgpack", label_names=("model",)) == expected

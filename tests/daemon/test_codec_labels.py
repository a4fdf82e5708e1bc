"""Series labels: which values may be labels, how they read as text, and that remembering them is bounded."""

import itertools
import string
import tracemalloc

import pytest

from daemon.codec import Format, compile_decoder
from daemon.codec.labels import CACHE_SIZE
from tests.daemon.codec_cases import batch_of, decode, messages, reason

GOOD = {"logp": -0.5, "logq": -0.25}


def keys(*records, **format_keys):
    """Keys of records; each must be accepted."""
    decoded = decode(*(GOOD | record for record in records), **format_keys)
    assert not decoded.rejected, decoded.rejected
    return [key for _, key, _, _ in messages(decoded)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("ranker", "ranker"),
        ("a" * 128, "a" * 128),
        (string.ascii_letters + string.digits + "._:/@-", string.ascii_letters + string.digits + "._:/@-"),
        (7, "7"),
        (-7, "-7"),
        (2**70, str(2**70)),
        (0.5, "0.5"),
        (7.0, "7.0"),
        (True, "true"),
        (False, "false"),
    ],
)
def test_strings_numbers_and_booleans_are_labels(value, text):
    assert keys({"model": value}, label_names=("model",)) == [(text,)]


@pytest.mark.parametrize(
    "value",
    [None, [], ["a"], {}, {"a": 1}, "", " ", "a b", "a\n", "ü", "a" * 129, 'a"', "a\\", "<script>", "\u202e", 1e22,
     10**128, "__other__"],
)  # fmt: skip
def test_anything_else_rejects_the_record_and_nothing_is_renamed(value):
    assert reason(GOOD | {"model": value}, label_names=("model",)) == "label"
    assert reason(GOOD | {"model": value}) is None


def test_an_absent_label_is_unknown():
    assert keys({}, {"b": "x"}, label_names=("a", "b")) == [("unknown", "unknown"), ("unknown", "x")]


def test_a_label_is_the_field_of_its_name_else_the_one_within_labels():
    records = ({"region": "top"}, {"labels": {"region": "in"}}, {"region": "top", "labels": {"region": "in"}},
               {"labels": None}, {"labels": {}}, {"labels": {"other": 1}})  # fmt: skip
    expected = [("top",), ("in",), ("top",), ("unknown",), ("unknown",), ("unknown",)]
    assert keys(*records, label_names=("region",)) == expected
    for record, key in zip(records, expected, strict=True):
        assert keys(record, label_names=("region",)) == [key]


def test_a_written_label_path_holds_alone():
    record = {"model": "no", "serving": {"model": "yes"}}
    paths = {"model": "serving.model"}
    assert keys(record, {"model": "no"}, label_names=("model",), label_paths=paths) == [("yes",), ("unknown",)]


def test_keys_follow_the_order_of_the_streams_labels():
    record = {"a": "1", "b": "2"}
    assert keys(record, label_names=("b", "a")) == [("2", "1")]
    assert keys(record, label_names=()) == [()]


def test_values_that_are_equal_in_python_stay_different_labels():
    """Hashes of 1, 1.0 and True are equal: whichever is remembered first must not answer for the others."""
    values = {"1": 1, "1.0": 1.0, "true": True}
    for order in itertools.permutations(values.items()):
        decoder = compile_decoder(Format(label_names=("m",)))
        for text, value in order:
            (message,) = messages(decoder.decode(batch_of([GOOD | {"m": value}])))
            assert message[1] == (text,)
        mixed = messages(decoder.decode(batch_of([GOOD | {"m": value} for _, value in order])))
        assert [key for _, key, _, _ in mixed] == [(text,) for text, _ in order]


def test_equal_keys_are_one_object():
    decoder = compile_decoder(Format(label_names=("m",)))
    first, second = (messages(decoder.decode(batch_of([GOOD | {"m": "x"}])))[0][1] for _ in range(2))
    assert first is second


def test_memory_is_bounded_under_a_flood_of_labels():
    decoder = compile_decoder(Format(label_names=("m",)))

    def flood(first, count):
        for start in range(first, first + count, 2000):
            values = [b'{"logp":-1,"logq":-1,"m":"series-%d"}' % i for i in range(start, start + 2000)]
            assert decoder.decode(batch_of(values)).records == 2000

    flood(0, 120_000)
    tracemalloc.start()
    try:
        flood(120_000, 2_000)
        before, _ = tracemalloc.get_traced_memory()
        flood(122_000, 78_000)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # One remembered key takes about 250 bytes: 78,000 of them would be 20 MB.
    assert after - before < 260 * CACHE_SIZE + 1_000_000

"""Durations in Prometheus' grammar and sizes in bytes."""

import re
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.durations import PATTERN, format_duration, parse_duration, to_duration
from config.sizes import PATTERN as SIZE_PATTERN
from config.sizes import parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("24h", 86_400),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("1w2d3h4m5s6ms", 604_800 + 2 * 86_400 + 3 * 3600 + 4 * 60 + 5 + 0.006),
        ("0s", 0),
        ("0", 0),
    ],
)
def test_a_duration_is_the_sum_of_its_parts(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "m",
        "5 m",
        " 5m",
        "5m ",
        "-5m",
        "+5m",
        "1.5h",
        "5M",
        "5min",
        "30m1h",
        "1s1s",
        "5ms3s",
        "1y",
        "\N{ARABIC-INDIC DIGIT FIVE}m",
        "5m\n",
    ],
)
def test_what_is_no_duration_is_refused_with_what_to_write(text):
    with pytest.raises(ValueError, match="write whole numbers with units"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["4000d", "99999999999999999999w", "9" * 63 + "w"])
def test_a_duration_beyond_ten_years_is_refused_before_it_overflows(text):
    with pytest.raises(ValueError, match="longer than ten years"):
        parse_duration(text)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 3650 * 86_400_000))
def test_a_written_duration_reads_back_as_itself(milliseconds):
    length = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(length)) == length
    assert milliseconds == 0 or re.fullmatch(PATTERN, format_duration(length))


def test_a_duration_is_written_in_its_largest_units():
    assert format_duration(timedelta(minutes=90)) == "1h30m"
    assert format_duration(timedelta(seconds=60)) == "1m"
    assert format_duration(timedelta()) == "0s"


@pytest.mark.parametrize("value", [60, 1.5])
def test_a_number_without_unit_is_refused_because_its_unit_would_be_a_guess(value):
    with pytest.raises(ValueError, match="has no unit"):
        to_duration(value)


@pytest.mark.parametrize("value", [True, False, None, [], {}])
def test_a_value_of_another_kind_is_no_duration(value):
    with pytest.raises(ValueError, match="is no duration"):
        to_duration(value)


@pytest.mark.parametrize(
    ("text", "size"),
    [("65536", 65_536), ("100B", 100), ("64KiB", 65_536), ("1MiB", 1_048_576), ("1MB", 1_000_000), ("2GiB", 2**31)],
)
def test_a_size_is_bytes_or_has_a_unit(text, size):
    assert parse_size(text) == size
    assert re.fullmatch(SIZE_PATTERN, text)


@pytest.mark.parametrize("text", ["", "MiB", "1 MiB", "1mib", "1M", "-1", "1.5MiB", "1e6", "9" * 5000])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)


def test_a_size_setting_takes_numbers_and_text_and_refuses_nothing_at_all(load_text, problems, smallest):
    assert load_text(smallest + "max_record_bytes: 2MiB\n").max_record_bytes == 2_097_152
    assert load_text(smallest + "max_record_bytes: 4096\n").max_record_bytes == 4096
    for wrong in ("0", "0B", "true", "[]", "1.5"):
        assert list(problems(smallest + f"max_record_bytes: {wrong}\n")) == ["max_record_bytes"]

"""Event times: every form to integer microseconds, exactly, against Python's own exact arithmetic."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.codec import Format, compile_decoder
from daemon.codec.times import END_US, event_time_us, event_times_us
from tests.daemon.codec_cases import RECORD_TIME_MS, batch_of, decode, messages, reason, reasons

GOOD = {"logp": -0.5, "logq": -0.25}
PER_UNIT = {"s": 10**6, "ms": 10**3, "us": 1, "ns": Fraction(1, 1000)}


def time_us(value, **format_keys):
    """Event time of one record."""
    ((_, _, found, _),) = messages(decode(GOOD | {"ts": value}, **format_keys))
    return found


def auto_unit(value):
    """Return the unit by the documented borders."""
    return "s" if value < 1e11 else "ms" if value < 1e14 else "us" if value < 1e17 else "ns"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (1700000000, 1700000000_000000),
        (1700000000123, 1700000000_123000),
        (1700000000123456, 1700000000_123456),
        (1700000000123456789, 1700000000_123456),
        (1700000000123456999, 1700000000_123456),  # rounded down
        (1700000000.123, 1700000000_123000),
        (1700000000.1234567, 1700000000_123457),
        (1700000000123.4567, 1700000000_123457),
        (1700000000123456.5, 1700000000_123456),  # to even
        (99_999_999_999, 99_999_999_999_000_000),
        (100_000_000_000, 100_000_000_000_000),
        (99_999_999_999_999, 99_999_999_999_999_000),
        (100_000_000_000_000, 100_000_000_000_000),
        (99_999_999_999_999_999, 99_999_999_999_999_999),
        (100_000_000_000_000_000, 100_000_000_000_000),
    ],
)
def test_a_number_is_of_the_unit_that_its_size_tells(value, expected):
    assert time_us(value) == expected


@pytest.mark.parametrize(
    ("unit", "expected"), [("s", 5_000_000_000_000), ("ms", 5_000_000_000), ("us", 5_000_000), ("ns", 5_000)]
)
def test_a_configured_unit_holds_whatever_the_size(unit, expected):
    assert time_us(5_000_000, time_unit=unit) == expected
    assert time_us(5_000_000.0, time_unit=unit) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019-11-24 00:00:17.004101+00:00", datetime(2019, 11, 24, 0, 0, 17, 4101, UTC)),
        ("2019-11-24T00:00:17Z", datetime(2019, 11, 24, 0, 0, 17, 0, UTC)),
        ("2019-11-24t00:00:17.5z", datetime(2019, 11, 24, 0, 0, 17, 500_000, UTC)),
        ("2019-11-24T05:30:17.123456789+05:30", datetime(2019, 11, 24, 0, 0, 17, 123_456, UTC)),
        ("1970-01-01T00:00:00-00:01", datetime(1970, 1, 1, 0, 1, 0, 0, UTC)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)),
    ],
)
def test_rfc_3339_with_an_offset_is_read_to_the_microsecond(text, expected):
    assert time_us(text) == (expected - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    "text",
    [
        "2019-11-24T00:00:17",  # naive
        "2019-11-24",
        "2019-W47-7T00:00:00Z",
        "20191124T000017Z",
        "2019-11-24T00:00:17+0000",
        "2019-11-24T00:00:17+00",
        "2019-11-24T00:00:17,5Z",
        "2019-11-24T24:00:00Z",
        "2019-11-24T00:00:60Z",
        "2019-02-29T00:00:00Z",
        "2019-13-01T00:00:00Z",
        "2019-11-24T00:00:17Z ",
        "2019-11-24T00:00:17+24:00",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59-00:01",
        "٢٠١٩-11-24T00:00:17Z",
        "1700000000",
        "",
    ],
)
def test_any_other_text_is_no_time(text):
    assert reason(GOOD | {"ts": text}) == "timestamp"


@pytest.mark.parametrize("value", [-1, -0.001, 1e300, 253402300800 * 10**9, 10**30, 10**300])
def test_negative_and_absurd_times_are_rejected(value):
    assert reason(GOOD | {"ts": value}) == "timestamp"


def test_the_last_time_is_the_end_of_the_year_9999():
    for unit, per_unit in (("us", 1), ("s", 10**6)):
        assert reason(GOOD | {"ts": END_US // per_unit}, time_unit=unit) == "timestamp"
        assert reason(GOOD | {"ts": float(END_US // per_unit)}, time_unit=unit) == "timestamp"
        assert time_us(END_US // per_unit - 1, time_unit=unit) == END_US - per_unit
    assert (datetime(9999, 12, 31, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days * 86_400_000_000 + (
        86_400_000_000
    ) == END_US


def test_a_record_without_a_time_has_the_kafka_records():
    assert time_us(None) == RECORD_TIME_MS * 1000
    mixed = decode(GOOD, GOOD | {"ts": 5}, GOOD | {"ts": 5.5}, GOOD | {"ts": "1970-01-01T00:00:06Z"})
    assert [found for _, _, found, _ in messages(mixed)] == [RECORD_TIME_MS * 1000, 5_000_000, 5_500_000, 6_000_000]
    assert mixed.without_time == 0


@pytest.mark.parametrize("timestamp_ms", [-1, -5, 2**62])
def test_a_record_without_any_time_is_rejected_where_one_is_required(timestamp_ms):
    decoded = compile_decoder(Format()).decode(batch_of([GOOD, GOOD | {"ts": 7}, GOOD], timestamp_ms=timestamp_ms))
    assert reasons(decoded) == {"timestamp": 2}
    assert decoded.without_time == 2
    assert [found for _, _, found, _ in messages(decoded)] == [7_000_000]
    assert decoded.pairs.append_time_us.tolist() == [7_000_000]  # it arrived when it happened


@pytest.mark.parametrize("records", [[GOOD] * 3, [GOOD, GOOD | {"logp": [-0.5]}, GOOD | {"ts": 7}, GOOD, GOOD]])
def test_a_record_without_any_time_is_told_apart_where_none_is_required(records):
    decoded = compile_decoder(Format(require_time=False)).decode(batch_of(records, timestamp_ms=-1))
    assert decoded.without_time == 3
    assert {found for _, _, found, _ in messages(decoded)} <= {0, 7_000_000}


numbers = st.one_of(
    st.integers(-5, 2**64),
    st.floats(-1, 1e20),
    st.sampled_from([10**11, 10**14, 10**17, 1e11, 1e14, 1e17, END_US, float(END_US), END_US - 1, float("inf")]),
)


@given(st.lists(numbers, min_size=1, max_size=8), st.sampled_from(["auto", "s", "ms", "us", "ns"]))
def test_columns_of_times_equal_exact_rational_arithmetic_one_by_one(values, unit):
    expected = []
    for value in values:
        known = auto_unit(value) if unit == "auto" else unit
        if isinstance(value, int):
            exact = value * PER_UNIT[known] // 1
        elif known == "ns":
            exact = round(value / 1000) if value < 1e300 else END_US
        else:
            exact = round(value * PER_UNIT[known]) if value < 1e300 else END_US
        expected.append(exact if value >= 0 and exact < END_US else None)
    found = event_times_us(values, unit)
    assert (None in expected) == (found is None)
    if found is not None:
        assert found.tolist() == expected
    for value, exact in zip(values, expected, strict=True):
        if exact is None:
            with pytest.raises(ValueError):
                event_time_us(value, unit)
        else:
            assert event_time_us(value, unit) == exact


@pytest.mark.parametrize("times", [[5, 1_700_000_000_123, 2 * 10**15], [5.0, 1.7e12, 2e15], [1_700_000_000, 10**18]])
def test_the_unit_of_a_time_does_not_depend_on_its_neighbours(times):
    found = [at for _, _, at, _ in messages(decode(*(GOOD | {"ts": value} for value in times)))]
    assert found == [time_us(value) for value in times]
    assert len({value / at for value, at in zip(times, found, strict=True)}) == len(times)

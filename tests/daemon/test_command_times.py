"""Times on a command line."""

import pytest

from daemon.commands.times import parse_time

NOW = 1_700_000_000_123_456


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("-2h", NOW - 7_200_000_000),
        ("-1h30m", NOW - 5_400_000_000),
        ("-0", NOW),
        ("-3000d", 0),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000_000),
        ("2023-11-14T23:13:20.5+01:00", 1_700_000_000_500_000),
        ("1700000000", 1_700_000_000_000_000),
        ("1700000000.25", 1_700_000_000_250_000),
        ("0", 0),
    ],
)
def test_a_time_is_absolute_or_back_from_now(text, expected):
    expected = max(0, NOW - 3000 * 86_400_000_000) if text == "-3000d" else expected
    assert parse_time(text, NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "2h", "yesterday", "2023-11-14", "2023-11-14T22:13:20", "1700000000000", "-", "-5", "--1h", "1e9"]
)
def test_what_is_no_time_is_told_with_what_to_write(text):
    with pytest.raises(ValueError, match=r"is no time .*RFC 3339.*-2h"):
        parse_time(text, NOW)

"""Event times in all their forms to integer microseconds since the epoch, each exactly as if it stood alone."""

import contextlib
import re
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from daemon.codec.format import TimeUnit
from estimators.pairs import Floats, Ints

#: Start of the year 10000; nothing from then on is a time that somebody meant. Exact as a float too.
END_US: Final = 253_402_300_800_000_000
_US_PER_SECOND: Final = 1_000_000
_US_PER_DAY: Final = 86_400 * _US_PER_SECOND

#: Numbers below the limit are of that unit: right from 1973 to 5138, whatever the producer writes.
_AUTO: Final[tuple[tuple[float, TimeUnit], ...]] = ((10**11, "s"), (10**14, "ms"), (10**17, "us"))
_FACTOR: Final[dict[TimeUnit, int]] = {"s": _US_PER_SECOND, "ms": 1_000, "us": 1}
_NS_PER_US: Final = 1_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: RFC 3339, with a space allowed as it allows one; datetime.fromisoformat alone would take week dates and naive times.
_IS_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
).fullmatch


def event_time_us(value: float | str, unit: TimeUnit) -> int:
    """Microseconds of one time; ValueError with a text for people where it is none.

    Integers are converted exactly (nanoseconds rounded down), floats to the nearest microsecond.
    """
    if isinstance(value, str):
        return _text_us(value)
    if not value >= 0:
        raise ValueError("the time is negative or not a number")
    if unit == "auto":
        unit = _auto_unit(value)
    if isinstance(value, int):
        scaled: float = value // _NS_PER_US if unit == "ns" else value * _FACTOR[unit]
    else:
        scaled = value / _NS_PER_US if unit == "ns" else value * _FACTOR[unit]
    return round(_in_range(scaled))


def event_times_us(values: Sequence[Any], unit: TimeUnit) -> Ints | None:
    """Microseconds of many times, the same as of each alone; None where any of them is none."""
    kinds = set(map(type, values))
    times = None
    if kinds == {float}:
        times = _float_times(np.frombuffer(struct.pack(f"{len(values)}d", *values)), unit)
    elif kinds == {int}:
        with contextlib.suppress(struct.error):  # beyond 64 bits
            times = _int_times(np.frombuffer(struct.pack(f"{len(values)}q", *values), np.int64), unit)
    if times is None and kinds <= {float, int, str}:
        with contextlib.suppress(ValueError):
            times = np.fromiter((event_time_us(value, unit) for value in values), np.int64, len(values))
    return times


def _float_times(values: Floats, unit: TimeUnit) -> Ints | None:
    """Convert times of one unit; None where they are not."""
    lowest, highest = float(values.min()), float(values.max())
    unit = _common_unit(lowest, highest, unit)
    if unit == "auto" or not lowest >= 0:
        return None
    scaled = values / _NS_PER_US if unit == "ns" else values * _FACTOR[unit]
    return np.rint(scaled).astype(np.int64) if scaled.max() < END_US else None


def _int_times(values: Ints, unit: TimeUnit) -> Ints | None:
    """Convert times of one unit; None where they are not."""
    lowest, highest = int(values.min()), int(values.max())
    unit = _common_unit(lowest, highest, unit)
    if unit == "auto" or lowest < 0:
        return None
    if unit == "ns":
        return values // _NS_PER_US
    return values * _FACTOR[unit] if highest * _FACTOR[unit] < END_US else None


def _auto_unit(value: float) -> TimeUnit:
    return next((unit for limit, unit in _AUTO if value < limit), "ns")


def _common_unit(lowest: float, highest: float, unit: TimeUnit) -> TimeUnit:
    """Return the unit of a whole column, or auto where its values differ in unit."""
    if unit != "auto":
        return unit
    unit = _auto_unit(highest)
    return unit if _auto_unit(lowest) == unit else "auto"


def _text_us(text: str) -> int:
    if _IS_RFC3339(text) is None:
        raise ValueError("the time is not RFC 3339 with an offset, such as 2024-05-01T12:00:00.123Z")
    try:
        since = datetime.fromisoformat(text.upper()) - _EPOCH
    except ValueError as error:  # such as 30 February
        raise ValueError("the time is a date that does not exist") from error
    if since.days < 0:
        raise ValueError("the time is before 1970")
    return round(_in_range(since.days * _US_PER_DAY + since.seconds * _US_PER_SECOND + since.microseconds))


def _in_range(time_us: float) -> float:
    if not time_us < END_US:
        raise ValueError("the time is beyond the year 9999")
    return time_us

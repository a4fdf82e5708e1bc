"""Scales: numbers and times to positions, with ticks at round values and the text that goes beside them."""

from dataclasses import dataclass
from math import ceil, floor, isfinite, log10, nan
from typing import Final

import numpy as np

_SECOND_US: Final = 1_000_000
_MINUTE_US: Final = 60 * _SECOND_US
_DAY_US: Final = 1440 * _MINUTE_US
#: Steps between ticks that people count time in, in microseconds.
_TIME_STEPS_US: Final = (
    *(digit * 10**power for power in range(6) for digit in (1, 2, 5)),
    *(seconds * _SECOND_US for seconds in (1, 2, 5, 10, 15, 30)),
    *(minutes * _MINUTE_US for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * 60 * _MINUTE_US for hours in (1, 2, 3, 6, 12)),
    *(days * _DAY_US for days in (1, 2, 7, 14)),
)
#: Beyond these, months; a year and more are months too.
_MONTH_STEPS: Final = (
    *(1, 2, 3, 6),
    *(12 * years for years in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000, 100_000)),
)
_MONTH_US: Final = 30.4 * _DAY_US
_MONTHS_A_YEAR: Final = 12
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
#: Powers of ten of the numbers that are written without one.
_PLAIN_FROM: Final = -4
_LOG_PLAIN_FROM: Final = -3
_PLAIN_BELOW: Final = 6
_TIMES: Final = "\N{MULTIPLICATION SIGN}"
_SUPERSCRIPTS: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from `low` to `high` become positions from `start` to `end`; an upright axis has start > end.

    Attributes
    ----------
    log : bool
        Equal ratios are equally far apart; what is not positive then has no position (NaN).
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __post_init__(self) -> None:
        """Refuse what has no positions."""
        if not (self.low < self.high and (self.low > 0 or not self.log)):
            raise ValueError(f"a scale from {self.low} to {self.high} has no positions")

    def at(self, value: float) -> float:
        """Return the position of a value, also beyond the ends; NaN where it has none."""
        if not isfinite(value) or (self.log and value <= 0):
            return nan
        if self.log:
            share = log10(value / self.low) / log10(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = 6) -> tuple[float, ...]:
        """Return round values within the scale, at most that many: 1, 2 or 5 times a power of ten."""
        return _log_ticks(self.low, self.high, most) if self.log else _linear_ticks(self.low, self.high, most)


def round_below(value: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not above a positive value."""
    power = 10.0 ** floor(log10(value))
    return next(digit * power for digit in (5, 2, 1) if digit * power <= value or digit == 1)


def tick_text(value: float, step: float | None = None) -> str:
    """Write a tick's value without superfluous digits; `step` is the distance of the ticks, None on a log scale."""
    if value == 0:
        return "0"
    power = _power(abs(value))
    alone = power if abs(value / 10.0**power % 1) < 1e-6 else power - 1
    finest = alone if step is None else _power(step)
    if finest < (_LOG_PLAIN_FROM if step is None else _PLAIN_FROM) or power >= _PLAIN_BELOW:
        factor = f"{value / 10.0**power:.{max(0, power - finest)}f}"
        exponent = f"10{str(power).translate(_SUPERSCRIPTS)}"
        return exponent if factor == "1" else f"{factor}{_TIMES}{exponent}"
    return f"{value:,.{max(0, -finest)}f}"


def time_ticks(low_us: int, high_us: int, most: int = 8) -> list[tuple[int, str]]:
    """Return round times in UTC within [low, high] as microseconds, with their text; the day is told where it changes.

    The texts are 14:05, 14:05:30 or 14:05:30.25 within a day, 24 Nov from a day on, Nov 2019 from a month on.
    """
    span_us = max(high_us - low_us, 1)
    step_us = next((step for step in _TIME_STEPS_US if span_us // step < most), None)
    if step_us is None:
        return _month_ticks(low_us, high_us, most)
    ticks = range(-(-low_us // step_us) * step_us, high_us + 1, step_us)
    return [(tick, _time_text(tick, step_us, first=index == 0)) for index, tick in enumerate(ticks)]


def _linear_ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    step = _nice_step((high - low) / max(most - 1, 1))
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    if last - first + 1 > most:
        step = _nice_step(step * 1.01)
        first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    # By division, so that a step of 0.1 gives 0.3 and not 0.30000000000000004.
    inverse = round(1 / step) if step < 1 else 0
    return tuple(index / inverse if inverse else index * step for index in range(first, last + 1))


def _power(size: float) -> int:
    return floor(log10(size) + 1e-9)


def _nice_step(least: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is not less."""
    power = 10.0 ** floor(log10(least))
    return next((digit * power for digit in (1, 2, 5) if digit * power >= least * (1 - 1e-9)), 10 * power)


def _log_ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    for digits, decades in (((1, 2, 5), 1), ((1, 3), 1), *(((1,), each) for each in (1, 2, 3, 5, 10, 20, 50, 100))):
        powers = range(floor(log10(low)), ceil(log10(high)) + 1)
        ticks = tuple(
            tick
            for power in powers
            if power % decades == 0
            for digit in digits
            if low * (1 - 1e-9) <= (tick := digit * 10.0**power) <= high * (1 + 1e-9)
        )
        if len(ticks) <= most:
            return ticks if len(ticks) > 1 else _linear_ticks(low, high, most)
    return ()


def _month_ticks(low_us: int, high_us: int, most: int) -> list[tuple[int, str]]:
    months = (high_us - low_us) / _MONTH_US
    step = next((each for each in _MONTH_STEPS if months / each < most - 1), _MONTH_STEPS[-1])
    first, last = (int(_at(each).astype("datetime64[M]").astype(np.int64)) for each in (low_us, high_us))
    ticks = []
    for month in range(-(-first // step) * step, last + 1, step):
        time_us = int(np.datetime64(month, "M").astype("datetime64[us]").astype(np.int64))
        if low_us <= time_us <= high_us:
            _, name, year = _date(time_us)
            ticks.append((time_us, f"{name} {year}" if step < _MONTHS_A_YEAR else year))
    return ticks


def _time_text(time_us: int, step_us: int, *, first: bool) -> str:
    if step_us >= _DAY_US or (time_us % _DAY_US == 0 and not first):
        day, name, _ = _date(time_us)
        return f"{day} {name}"
    clock = str(np.datetime_as_string(_at(time_us), unit="us"))[11:]
    if step_us >= _MINUTE_US:
        return clock[:5]
    return clock[:8] if step_us >= _SECOND_US else clock.rstrip("0").rstrip(".")


def _date(time_us: int) -> tuple[int, str, str]:
    """Day, month and year, in English whatever the locale is, of any year that 64 bits hold."""
    year, month, day = str(_at(time_us).astype("datetime64[D]")).rsplit("-", 2)
    return int(day), _MONTHS[int(month) - 1], year


def _at(time_us: int) -> np.datetime64:
    return np.datetime64(time_us, "us")

"""Numbers, times and lists as the pages write them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite, isnan
from typing import Final

from daemon.number_words import figure
from daemon.web.html import Html, element, joined

ABSENT: Final = "\N{EN DASH}"


def time_text(seconds: float) -> str:
    """Write a Unix time as date and time in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock_text(seconds: float) -> str:
    """Write the time of day of a Unix time in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S}"


def reasons(counts: Mapping[str, int]) -> str:
    """Write what occurred, the most frequent first; empty if nothing did."""
    some = sorted(((count, reason) for reason, count in counts.items() if count), key=lambda each: (-each[0], each[1]))
    return ", ".join(f"{reason} {count:,}" for count, reason in some)


def value_text(value: float) -> Html:
    """Write a divergence large, with its unit; a dash where it is absent."""
    if isnan(value):
        return element("span", ABSENT, class_="value")
    if not isfinite(value):
        return element("span", "\N{INFINITY}", class_="value")
    return joined([element("span", figure(value), class_="value"), " ", element("span", "nats", class_="unit")])


def interval_text(lower: float, upper: float) -> str:
    """Write an interval; empty where it is absent."""
    return "" if isnan(lower) or isnan(upper) else f"{figure(lower)} to {figure(upper)}"

"""Durations as text with a unit, in Prometheus' grammar: 500ms, 30s, 1h30m, 7d."""

import re
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, PlainSerializer, PlainValidator, WithJsonSchema

from config.kinds import Kind

_UNITS_US: Final = {
    "w": 604_800_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
}
#: Largest unit first, each at most once; for editors too, so without Python's own syntax.
PATTERN: Final = "^(?=[0-9])([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"
_PART: Final = re.compile(r"([0-9]+)(ms|[wdhms])")
_LONGEST: Final = timedelta(days=3650)
_HELP: Final = "write whole numbers with units, such as 500ms, 30s, 5m or 1h30m (ms, s, m, h, d, w)"


def parse_duration(text: str) -> timedelta:
    """Read a duration; ValueError (for people) if it is none, or longer than ten years."""
    if text == "0":
        return timedelta()
    if not text.isascii() or re.fullmatch(PATTERN, text) is None or len(text) > 64:
        raise ValueError(f"`{text[:40]}` is no duration; {_HELP}")
    microseconds = sum(int(number) * _UNITS_US[unit] for number, unit in _PART.findall(text))
    if microseconds > _LONGEST // timedelta(microseconds=1):
        raise ValueError(f"`{text}` is longer than ten years; {_HELP}")
    return timedelta(microseconds=microseconds)


def format_duration(length: timedelta) -> str:
    """Write a duration in the largest units that divide it: 90 minutes are 1h30m."""
    rest = microseconds_of(length)
    text = ""
    for unit, size in _UNITS_US.items():
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def microseconds_of(length: timedelta) -> int:
    """Return a duration as whole microseconds, exactly."""
    return length // timedelta(microseconds=1)


def to_duration(value: object) -> timedelta:
    """Validate a setting: a text with a unit, or 0; a bare number is refused because its unit would be a guess."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, int) and not isinstance(value, bool) and value == 0:
        return timedelta()
    fault = f"`{value}` has no unit" if type(value) in {int, float} else "this is no duration"
    raise ValueError(f"{fault}; {_HELP}")


def _above_zero(length: timedelta) -> timedelta:
    if length <= timedelta():
        raise ValueError("must be longer than 0")
    return length


def _auto_or_positive(value: object) -> Literal["auto"] | timedelta:
    return "auto" if value == "auto" else _above_zero(to_duration(value))


def _format_auto(value: Literal["auto"] | timedelta) -> str:
    return "auto" if value == "auto" else format_duration(value)


Duration = Annotated[
    timedelta,
    PlainValidator(to_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN}),
    Kind("duration", "written with its unit"),
]
PositiveDuration = Annotated[Duration, AfterValidator(_above_zero)]
AutoOrDuration = Annotated[
    Literal["auto"] | timedelta,
    PlainValidator(_auto_or_positive),
    PlainSerializer(_format_auto, return_type=str),
    WithJsonSchema({"anyOf": [{"const": "auto"}, {"type": "string", "pattern": PATTERN}]}),
    Kind("`auto` or duration", "written with its unit"),
]

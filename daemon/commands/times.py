"""A point in time as somebody writes it on a command line."""

import re
from typing import Final

from config.durations import microseconds_of, parse_duration
from daemon.codec.times import event_time_us

_NUMBER: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,6})?").fullmatch  # to the nearest microsecond
_HELP: Final = "write RFC 3339 (2026-05-01T12:00:00Z), seconds since 1970, `now`, or a duration back from now (-2h)"


def parse_time(text: str, now_us: int) -> int:
    """Return microseconds since the epoch; ValueError (for people) where it is no time."""
    if text == "now":
        return now_us
    try:
        if text.startswith("-"):
            return max(0, now_us - microseconds_of(parse_duration(text[1:])))
        return event_time_us(float(text) if _NUMBER(text) else text, "s")
    except ValueError as error:
        raise ValueError(f"`{text[:40]}` is no time ({error}); {_HELP}") from error

"""Marks and small charts of text, in characters that the terminal's encoding has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Characters.

    Attributes
    ----------
    levels : of a chart, from the lowest
    seen, missed, told : before a line of the story
    """

    levels: str
    seen: str
    missed: str
    told: str


_UNICODE: Final = Glyphs("▁▂▃▄▅▆▇█", "✓", "✗", "•")
_ASCII: Final = Glyphs("_.-=+*%#", "+", "x", "-")


def glyphs_for(encoding: str) -> Glyphs:
    """Return the best characters that a text of this encoding can hold."""
    try:
        f"{_UNICODE.levels}{_UNICODE.seen}{_UNICODE.missed}{_UNICODE.told}".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return _ASCII
    return _UNICODE


def sparkline(values: Sequence[float | None], width: int, levels: str) -> str:
    """Draw the newest `width` values from 0 to the largest of them, one character each; a space for None."""
    shown = values[-width:]
    top = max((value for value in shown if value is not None), default=0.0)
    return "".join(" " if value is None else _level(value, top, levels) for value in shown)


def _level(value: float, top: float, levels: str) -> str:
    share = value / top if top > 0 else 0.0
    return levels[min(len(levels) - 1, max(0, int(share * len(levels))))]

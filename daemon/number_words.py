"""Numbers as sentences have them: one rule for verdicts, pages, inspection and replay."""

from math import isfinite, isnan
from typing import Final

#: Three digits would round it to a thousand.
_THOUSAND: Final = 999.5
_LARGEST: Final = 1e9
#: From here on a tenth of an error says nothing.
_LARGE: Final = 10
#: From here on three digits would say that it is all.
_NEARLY_ALL: Final = 0.999


def figure(value: float) -> str:
    """Write three significant digits, thousands in full; infinity and absence in words."""
    if isnan(value):
        return "not known"
    if not isfinite(value):
        return "infinite" if value > 0 else "minus infinite"
    return f"{value:,.0f}" if _THOUSAND <= abs(value) < _LARGEST else f"{value:.3g}"


def count(number: float) -> str:
    """Write a whole number with commas."""
    return f"{round(number):,}"


def percent(share: float) -> str:
    """Write a share with three significant digits, as a percentage; what is not quite all does not look so."""
    return "99.9 %" if _NEARLY_ALL < share < 1 else f"{figure(100 * share)} %"


def zscore(value: float) -> str:
    """Write a distance in standard errors: one decimal while it matters."""
    if not isfinite(value):
        return figure(value)
    written = f"{value:.1f}" if abs(value) < _LARGE else f"{value:,.0f}"
    return "0.0" if written == "-0.0" else written


def counted(number: int, one: str, several: str | None = None) -> str:
    """Write a count with its noun: 1 record, 2,345 records."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"

"""Numbers as sentences have them: one rule for verdicts, pages, inspection and replay."""

from math import isfinite, isnan
from typing import Final

_THOUSAND: Final = 1000.0
#: From here on three digits would say that it is all.
_NEARLY_ALL: Final = 0.999


def figure(value: float) -> str:
    """Write three significant digits, thousands in full; infinity and absence in words."""
    if isnan(value):
        return "not known"
    if not isfinite(value):
        return "infinite" if value > 0 else "minus infinite"
    return f"{value:,.0f}" if _THOUSAND <= abs(value) < _THOUSAND**3 else f"{value:.3g}"


def count(number: float) -> str:
    """Write a whole number with commas."""
    return f"{round(number):,}"


def percent(share: float) -> str:
    """Write a share with three significant digits, as a percentage; what is not quite all does not look so."""
    return "99.9 %" if _NEARLY_ALL < share < 1 else f"{100 * share:.3g} %"


def zscore(value: float) -> str:
    """Write a distance in standard errors: one decimal while it matters."""
    return figure(value) if not isfinite(value) else f"{value:.1f}" if abs(value) < 10 else f"{value:,.0f}"

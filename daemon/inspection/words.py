"""Numbers as sentences have them."""

import math


def count(number: float) -> str:
    """Write a whole number with commas."""
    return f"{round(number):,}"


def figure(value: float) -> str:
    """Write three significant digits, thousands in full."""
    if not math.isfinite(value):
        return "infinite" if value > 0 else "minus infinite" if value < 0 else "unknown"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def zscore(value: float) -> str:
    """Write a distance in standard errors: one decimal while it matters."""
    return figure(value) if not math.isfinite(value) else f"{value:.1f}" if abs(value) < 10 else f"{value:,.0f}"


def percent(share: float) -> str:
    """Write a share; what is not quite all or nothing does not look so."""
    if 0.999 < share < 1:
        return "nearly all"
    return f"{100 * share:.3g} %" if share >= 1e-4 or share == 0 else "less than 0.01 %"

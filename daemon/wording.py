"""Numbers and formulas as people read them."""

from estimators.estimates import Direction


def number(value: float | None) -> str:
    """Write a number with four significant digits; a dash for what is absent."""
    return "-" if value is None else f"{value:#.4g}"


def divergence(direction: Direction) -> str:
    """Write a direction as a formula."""
    return "KL(q||p)" if direction == "reverse" else "KL(p||q)"

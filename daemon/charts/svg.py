"""SVG as text: a few primitives that escape what they are given and are styled by classes alone.

No primitive writes a `style` attribute, so a page with a strict content security policy can hold them; the page, or
`document` for a file of its own, brings the CSS. Positions are user units, x to the right and y downwards. A point
with a coordinate that is not finite is no point: a line breaks there.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby
from math import isfinite
from typing import Final, Literal

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]

#: What no XML 1.0 document may hold, however it is written.
_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def path(points: Iterable[Point], css_class: str) -> str:
    """Return a line through the points, broken where one is not finite; a point between two breaks becomes a dot."""
    steps = "".join(_run(run) for run in _runs(points))
    return f'<path class="{escaped(css_class)}" d="{steps}"/>' if steps else ""


def band(xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], css_class: str) -> str:
    """Return the area between two lines, such as an interval; broken where a limit is not finite.

    A limit between two breaks becomes an upright line, so that the class needs a stroke as well as a fill.
    """
    steps = []
    both = ((x, low, high) for x, low, high in zip(xs, lows, highs, strict=True))
    for finite, run in groupby(both, key=lambda each: all(map(isfinite, each))):
        if finite:
            limits = list(run)
            there = [(x, low) for x, low, _ in limits]
            back = [(x, high) for x, _, high in reversed(limits)]
            steps.append(f"M{'L'.join(_pair(point) for point in there + back)}Z")
    return f'<path class="{escaped(css_class)}" d="{"".join(steps)}"/>' if steps else ""


def line(start: Point, end: Point, css_class: str) -> str:
    """Return a straight line."""
    return path([start, end], css_class)


def rectangle(corner: Point, width: float, height: float, css_class: str) -> str:
    """Return a rectangle from its upper left corner."""
    x, y = (_number(each) for each in corner)
    return f'<rect class="{escaped(css_class)}" x="{x}" y="{y}" width="{_number(width)}" height="{_number(height)}"/>'


def dot(centre: Point, radius: float, css_class: str) -> str:
    """Return a filled circle."""
    x, y = (_number(each) for each in centre)
    return f'<circle class="{escaped(css_class)}" cx="{x}" cy="{y}" r="{_number(radius)}"/>'


def text(place: Point, content: str, css_class: str, anchor: Anchor = "start") -> str:
    """Return one line of text whose baseline starts, is centred or ends at the place."""
    x, y = (_number(each) for each in place)
    return f'<text class="{escaped(css_class)}" x="{x}" y="{y}" text-anchor="{anchor}">{escaped(content)}</text>'


def clipped(parts: Iterable[str], corner: Point, width: float, height: float) -> str:
    """Return a group of parts of which only what lies within a rectangle is seen; parts keep the outer coordinates."""
    x, y = (_number(each) for each in corner)
    w, h = _number(width), _number(height)
    return f'<svg x="{x}" y="{y}" width="{w}" height="{h}" viewBox="{x} {y} {w} {h}">{"".join(parts)}</svg>'


def document(
    width: float, height: float, parts: Iterable[str], *, title: str, description: str, css: str | None = None
) -> str:
    """Return an `svg` element, which scales with what holds it.

    Parameters
    ----------
    title, description : str
        What a reader who cannot see the picture is told.
    css : str, optional
        Style of a file of its own; it goes into the document unescaped, so it must not hold data. None: for a part
        of a page, which brings the style.
    """
    size = f"{_number(width)} {_number(height)}"
    # In a page width and height are the page's affair.
    own = "" if css is None else f' width="{_number(width)}" height="{_number(height)}"'
    style = "" if css is None else f"<style>{css}</style>"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}"{own} role="img">'
        f"<title>{escaped(title)}</title><desc>{escaped(description)}</desc>{style}{''.join(parts)}</svg>"
    )


def escaped(content: str) -> str:
    """Return text that is safe within an element and within an attribute; what XML forbids becomes U+FFFD."""
    return escape(_FORBIDDEN.sub("\ufffd", content), quote=True)


def _runs(points: Iterable[Point]) -> Iterator[list[Point]]:
    for finite, run in groupby(points, key=lambda point: isfinite(point[0]) and isfinite(point[1])):
        if finite:
            yield list(run)


def _run(run: Sequence[Point]) -> str:
    # A line of no length shows as a dot where the class has round ends.
    return f"M{_pair(run[0])}h0" if len(run) == 1 else f"M{'L'.join(_pair(point) for point in run)}"


def _pair(point: Point) -> str:
    return f"{_number(point[0])},{_number(point[1])}"


def _number(value: float) -> str:
    """Write a position; a tenth of a unit is finer than the eye."""
    written = f"{value:.1f}".removesuffix(".0")
    return "0" if written == "-0" else written

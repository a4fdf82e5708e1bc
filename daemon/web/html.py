"""HTML that is safe by construction: whatever is no `Html` is escaped where it is put in.

The result is well-formed XML too, so that tests read pages with a strict parser.
"""

from collections.abc import Iterable

from daemon.charts.svg import escaped


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, /, *content: str | Html, **attributes: str | None) -> Html:
    """Return an element; None leaves an attribute out, `class_` is class, `http_equiv` is http-equiv."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = joined(content)
    return Html(f"<{name}{written}>{inside}</{name}>" if inside or name not in _VOID else f"<{name}{written}/>")


def joined(content: Iterable[str | Html], separator: str = "") -> Html:
    """Put pieces after one another."""
    return Html(separator.join(piece if isinstance(piece, Html) else escaped(piece) for piece in content))


def link(target: str, *content: str | Html) -> Html:
    """Return a link."""
    return element("a", *content, href=target)


_VOID = frozenset({"meta"})

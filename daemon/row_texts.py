"""The label text of rows, kept while their series live.

Making it is most of the work of an exposition, and it only changes when series come or go. Kept is what the newest
render used and nothing else, some 0.3 kB a series: so a series' text goes with the series.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from daemon.families import Labels, Rows

Key = tuple[str, ...]
_Group = tuple[tuple[str, ...], Labels]  # label names, constant labels


class _Kept:
    """Texts of one tuple of keys."""

    __slots__ = ("by_key", "keys", "lines")

    def __init__(self, keys: tuple[Key, ...], by_key: dict[Key, bytes]) -> None:
        self.keys = keys
        self.by_key = by_key
        self.lines = in_places(by_key.values())


class RowTexts:
    """Texts by rows; `of` is called while `rendering`."""

    def __init__(self) -> None:
        self._older: dict[_Group, list[_Kept]] = {}
        self._used: dict[_Group, list[_Kept]] = {}

    @contextmanager
    def rendering(self) -> Iterator[None]:
        """Forget, at the end, all that this render did not use."""
        self._used = {}
        yield
        self._older = self._used

    def of(self, rows: Rows) -> list[bytes]:
        """Return three places a row, the second with its labels and what ends them (nothing for a row without labels).

        The caller writes what stands before the labels into the first, and the value into the third.
        """
        group = (rows.names, rows.constant)
        used = self._used.setdefault(group, [])
        for kept in used:
            if kept.keys is rows.keys:
                return kept.lines
        older = self._older.get(group, [])
        for kept in (*used, *older):
            if kept.keys == rows.keys:
                break
        else:
            kept = _Kept(rows.keys, _texts(rows, older))
        kept.keys = rows.keys  # the next columns find it by identity
        if not any(kept is other for other in used):
            used.append(kept)
        return kept.lines


def in_places(texts: Iterable[bytes]) -> list[bytes]:
    """Return a list of three places a row, the second filled."""
    return [part for text in texts for part in (b"", text, b"")]


def _texts(rows: Rows, older: list[_Kept]) -> dict[Key, bytes]:
    known = {key: text for kept in older for key, text in kept.by_key.items()}
    return {key: known.get(key) or _row_text(rows, key) for key in rows.keys}


def _row_text(rows: Rows, key: Key) -> bytes:
    text = label_text((*rows.constant, *zip(rows.names, key, strict=True)))
    return text + b"} " if text else b""


def label_text(labels: Labels) -> bytes:
    r"""Return labels as they stand between braces; \, " and newlines are escaped."""
    return ",".join([f'{name}="{_escaped(value)}"' for name, value in labels]).encode(errors="replace")


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

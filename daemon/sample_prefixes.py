"""The text before each value of a column of samples, kept while their series live.

Making it is most of the work of an exposition, and it only changes when series come or go. Kept is what the newest
render used, about 5 kB a series for three windows, and nothing else: so a series' text goes with the series.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from daemon.families import Column, Labels, Rows

Keys = tuple[tuple[str, ...], ...]
_Group = tuple[tuple[str, ...], Labels]  # label names, constant labels


class _RowTexts:
    """Label texts of rows, aligned with their keys."""

    __slots__ = ("by_key", "keys", "texts")

    by_key: dict[tuple[str, ...], bytes]

    def __init__(self, rows: Rows, older: "list[_RowTexts]") -> None:
        constant = _labels(rows.constant)
        known = {key: text for texts in older for key, text in texts.by_key.items()}
        self.keys = rows.keys
        self.texts = [
            known.get(key) or _joined(constant, _labels(zip(rows.names, key, strict=True))) for key in rows.keys
        ]
        self.by_key = dict(zip(rows.keys, self.texts, strict=True))


class SamplePrefixes:
    """Prefixes by sample name, labels and rows; `of` is called between the begin and the end of `rendering`."""

    def __init__(self) -> None:
        self._columns: dict[tuple[str, Labels, _Group], tuple[_RowTexts, list[bytes]]] = {}
        self._rows: dict[_Group, list[_RowTexts]] = {}
        self._used_columns: dict[tuple[str, Labels, _Group], tuple[_RowTexts, list[bytes]]] = {}
        self._used_rows: dict[_Group, list[_RowTexts]] = {}

    @contextmanager
    def rendering(self) -> Iterator[None]:
        """Forget, at the end, all that this render did not use."""
        self._used_columns, self._used_rows = {}, {}
        yield
        self._columns, self._rows = self._used_columns, self._used_rows

    def of(self, name: str, column: Column) -> list[bytes]:
        r"""Return the prefix of each row of the column: "\nname{labels} "."""
        group = (column.rows.names, column.rows.constant)
        texts = self._row_texts(group, column.rows)
        key = (name, column.labels, group)
        known = self._columns.get(key)
        if known is None or known[0] is not texts:
            known = (texts, _prefixes(name, texts.texts, _labels(column.labels)))
        self._used_columns[key] = known
        return known[1]

    def _row_texts(self, group: _Group, rows: Rows) -> _RowTexts:
        used = self._used_rows.setdefault(group, [])
        for texts in used:
            if texts.keys is rows.keys:
                return texts
        older = self._rows.get(group, [])
        for texts in (*used, *older):
            if texts.keys == rows.keys:
                break
        else:
            texts = _RowTexts(rows, older)
        texts.keys = rows.keys  # the next columns find it by identity
        if not any(texts is other for other in used):
            used.append(texts)
        return texts


def _prefixes(name: str, texts: list[bytes], labels: bytes) -> list[bytes]:
    start = f"\n{name}".encode()
    if not labels:
        return [start + (b"{" + text + b"} " if text else b" ") for text in texts]
    end = labels + b"} "
    return [start + (b"{" + text + b"," if text else b"{") + end for text in texts]


def _joined(first: bytes, second: bytes) -> bytes:
    return first + b"," + second if first and second else first or second


def _labels(labels: "Iterator[tuple[str, str]] | zip[tuple[str, str]] | Labels") -> bytes:
    return ",".join([f'{name}="{_escaped(value)}"' for name, value in labels]).encode(errors="replace")


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

"""Rows of a CSV file as JSON records, so that one decoder reads both.

Only the columns that the format reads are kept, or all of them where the format is not known yet; a column of the name
`a.b` is the field b of the object a. Numbers stay as they are written, so that they are the same doubles. An empty cell
is an absent field; in a column of probabilities or log-probabilities it is a null, as is `nan`: not known. A row with
more or fewer cells than the header is no record and is rejected as `schema`, as is text where a number belongs.
Cells are set apart by commas, semicolons, tabs or bars, whichever the header has most of.
"""

import csv
import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from daemon.codec.format import HEADER_PREFIX, LABELS_FIELD, Format
from daemon.codec.paths import split_path
from daemon.errors import OperatingError, UsageError

Kind = Literal["pair", "number", "time", "text", "any"]

_KIND: Final[dict[str, Kind]] = {
    "log_p": "pair",
    "log_q": "pair",
    "p": "pair",
    "q": "pair",
    "weight": "number",
    "drop_probability": "number",
    "mask": "number",
    "time": "time",
}
#: A number as JSON writes it, and the further forms that CSV writers use.
_JSON_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?").fullmatch
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?").fullmatch
_BOOLEANS: Final = {"true": True, "false": False}
#: The first one where a header has none of them.
_DELIMITERS: Final = ",;\t|"
_RAGGED: Final = msgspec.json.encode("a row with more or fewer cells than the header")

_NULL: Final = object()


@dataclass(frozen=True, slots=True)
class _Column:
    index: int
    kind: Kind
    path: tuple[str, ...]


def csv_records(stream: io.BufferedReader, name: str, fmt: Format | None) -> Iterator[tuple[int, bytes]]:
    """Yield the number of each row after the header, from 0, and the row as a JSON record; None keeps every column.

    Raises UsageError where a column that is needed is not there, OperatingError where the file is no CSV.
    """
    header_line = stream.peek(1).partition(b"\n")[0]
    delimiter = max(_DELIMITERS, key=lambda each: header_line.count(each.encode()))
    rows = csv.reader(io.TextIOWrapper(stream, encoding="utf-8", newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(rows, None)
        if header is None:
            return
        columns = _all(header, name) if fmt is None else _bound(header, name, fmt)
        for number, row in enumerate(rows):
            if row:
                yield number, _record(row, columns) if len(row) == len(header) else _RAGGED
    except csv.Error as error:
        raise OperatingError(f"{name} is no CSV at line {rows.line_num}: {error}") from error
    except UnicodeDecodeError as error:
        raise OperatingError(f"{name} is not UTF-8 after line {rows.line_num}; save it as UTF-8") from error


def _all(header: list[str], file: str) -> list[_Column]:
    """Bind every column; `a.b` stays one name where `a` is a column itself."""
    names = [each.strip() for each in header]
    parents = set(names)
    if (twice := next((at for at, each in enumerate(names) if each and each in names[:at]), None)) is not None:
        raise UsageError(f"column {twice + 1} of {file} has the name of an earlier one; give it another name")
    columns = []
    for index, name in enumerate(names):
        parts = tuple(name.split("."))
        nested = all(parts) and not any(".".join(parts[:depth]) in parents for depth in range(1, len(parts)))
        columns.append(_Column(index, "any", parts if nested else (name,)))
    return columns


def _bound(header: list[str], name: str, fmt: Format) -> list[_Column]:
    """Bind the columns that the format reads."""
    names = [each.strip() for each in header]
    wanted: dict[str, tuple[Kind, tuple[str, ...]]] = {}
    for path in (*_label_paths(fmt, names), *(each for each in fmt.where if not each.startswith(HEADER_PREFIX))):
        wanted[_column_name(path)] = "text", split_path(path)
    for role, path in fmt.paths.items():
        wanted[_column_name(path)] = _KIND.get(role, "text"), split_path(path)
    _check_pairs(names, name, fmt)
    for each in wanted:
        if names.count(each) > 1:
            raise UsageError(f"{name} has the column `{each}` twice")
    return [_Column(index, *wanted[each]) for index, each in enumerate(names) if each in wanted]


def _label_paths(fmt: Format, names: list[str]) -> Iterator[str]:
    for label in fmt.label_names:
        own = fmt.label_paths.get(label, label)
        yield own if label in fmt.label_paths or own in names else f"{LABELS_FIELD}.{label}"


def _check_pairs(names: list[str], name: str, fmt: Format) -> None:
    kinds = [
        [_column_name(fmt.paths[role]) for role in roles]
        for roles in (("log_p", "log_q"), ("p", "q"))
        if fmt.paths.keys() >= set(roles)
    ]
    if not kinds:
        raise UsageError(
            f"{name} is CSV, which holds no arrays, but the format reads its other side from one "
            f"(`{fmt.paths['uniform_over']}`); write a column for that side too, and give the paths of both"
        )
    if not any(set(kind) <= set(names) for kind in kinds):
        needed = ", or ".join(" and ".join(f"`{each}`" for each in kind) for kind in kinds)
        raise UsageError(
            f"{name} does not have the columns {needed}; its header has {', '.join(names[:40])}. "
            "Choose the preset that fits, or give the paths"
        )


def _column_name(path: str) -> str:
    return ".".join(split_path(path))


def _record(row: list[str], columns: list[_Column]) -> bytes:
    record: dict[str, Any] = {}
    for column in columns:
        value = _value(row[column.index], column.kind)
        if value is None:
            continue
        node = record
        for parent in column.path[:-1]:
            node = node.setdefault(parent, {})
        node[column.path[-1]] = None if value is _NULL else value
    return msgspec.json.encode(record)


def _value(cell: str, kind: Kind) -> object:
    """Value that is encoded as the record's field; None: no field at all."""
    if kind == "text":
        return cell or None
    cell = cell.strip()
    if _JSON_NUMBER(cell):
        return msgspec.Raw(cell.encode())
    if kind == "pair" and cell.lower() in {"", "nan"}:
        return _NULL
    if kind == "any" and cell.lower() == "nan":
        return _NULL
    if _NUMBER(cell) and math.isfinite(number := float(cell)):
        return number
    return _BOOLEANS.get(cell.lower(), cell) if kind in {"number", "any"} and cell else cell or None

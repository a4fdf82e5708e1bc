"""Which records of a batch are decoded at all: no tombstones, none too large, only those that `where` means."""

from collections.abc import Callable, Sequence
from itertools import compress

import numpy as np

from daemon.codec.fields import Decode, compile_untyped
from daemon.codec.format import HEADER_PREFIX, Format, Scalar
from daemon.codec.labels import scalar_text
from daemon.codec.reading import Field
from daemon.codec.results import Tally
from daemon.codec.syntax import decode_each
from daemon.source import Batch
from estimators.pairs import Ints

#: Values that are left, and their rows in the batch.
Selected = tuple[Sequence[bytes], Ints]
Selector = Callable[[Batch, Tally], Selected]
_Texts = frozenset[str]


def compile_selector(fmt: Format) -> Selector:
    """Return what selects the records of a batch and counts the others."""
    headers = {
        selector.removeprefix(HEADER_PREFIX): _texts(allowed)
        for selector, allowed in fmt.where.items()
        if selector.startswith(HEADER_PREFIX)
    }
    fields = {path: _texts(allowed) for path, allowed in fmt.where.items() if not path.startswith(HEADER_PREFIX)}
    decode, compiled = compile_untyped(fmt.encoding, tuple(fields))
    wanted = tuple(zip(compiled, fields.values(), strict=True))

    def select(batch: Batch, tally: Tally) -> Selected:
        values, rows = _whole(batch, fmt.max_record_bytes, tally)
        if headers:
            values, rows = _by_header(batch, headers, (values, rows), tally)
        if wanted:
            values, rows = _by_field(batch, decode, wanted, (values, rows), tally)
        return values, rows

    return select


def _whole(batch: Batch, max_bytes: int, tally: Tally) -> Selected:
    values, rows = batch.values, np.arange(len(batch))
    try:
        if max(map(len, values)) <= max_bytes:  # type: ignore[arg-type] # None is a tombstone: see below
            return values, rows  # type: ignore[return-value] # none is None
    except (TypeError, ValueError):  # a tombstone, or nothing at all
        pass
    kept: list[bytes] = []
    keep = np.zeros(len(batch), np.bool_)
    for row, value in enumerate(values):
        if value is None:
            tally.reject("tombstone", int(batch.offsets[row]), "the record has no value")
        elif len(value) > max_bytes:
            tally.reject("size", int(batch.offsets[row]), f"the record is longer than {max_bytes} bytes")
        else:
            kept.append(value)
            keep[row] = True
    return kept, rows[keep]


def _by_header(batch: Batch, wanted: dict[str, _Texts], selected: Selected, tally: Tally) -> Selected:
    values, rows = selected
    keep = [_headers_match(batch, row, wanted) for row in rows.tolist()]
    return _kept(values, rows, keep, tally)


def _headers_match(batch: Batch, row: int, wanted: dict[str, _Texts]) -> bool:
    headers = () if batch.headers is None else batch.headers[row] or ()
    return all(
        any(name == found and (value or b"").decode(errors="replace") in allowed for found, value in headers)
        for name, allowed in wanted.items()
    )


def _by_field(
    batch: Batch, decode: Decode, wanted: Sequence[tuple[Field, _Texts]], selected: Selected, tally: Tally
) -> Selected:
    """Decode only the selecting fields: what an unselected record holds elsewhere is not our business."""
    values, rows = selected
    records, kept = decode_each(decode, values, batch.offsets[rows], tally, ignore_mismatch=True)
    if kept is not None:
        values, rows = [values[index] for index in kept.tolist()], rows[kept]
    keep = [all(scalar_text(field.of(record)) in allowed for field, allowed in wanted) for record in records]
    return _kept(values, rows, keep, tally)


def _kept(values: Sequence[bytes], rows: Ints, keep: list[bool], tally: Tally) -> Selected:
    if all(keep):
        return values, rows
    tally.ignored += keep.count(False)
    return list(compress(values, keep)), rows[np.array(keep, np.bool_)]


def _texts(allowed: tuple[Scalar, ...]) -> _Texts:
    return frozenset(text for value in allowed if (text := scalar_text(value)) is not None)

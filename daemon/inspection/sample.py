"""A bounded sample of records: which encoding they are in, and some of them without a type."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from daemon.codec.format import BINARY_ITEM, Encoding
from daemon.inspection.leaves import SENTINEL
from daemon.source import Batch

#: A sample holds no more, whatever the number of records: its memory, and the time that it takes to look at.
BYTES_MAX: Final = 128 << 20
_PROBE_RECORDS: Final = 300
_BARE_NAN: Final = re.compile(rb"[\[:,] ?-?(?:NaN|Infinity)[\],} ]").search
_PROBE_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """Records as they came, and a probe of them decoded without a type.

    Attributes
    ----------
    batches : the sample
    probe : some of its records as batches, spread over the sample
    encoding : None where most of the probe is neither JSON nor MessagePack
    documents : the probe's readable records; binary arrays are lists of numbers
    bare_nan : whether records of the probe that are no JSON hold a bare NaN or Infinity
    """

    batches: tuple[Batch, ...]
    probe: tuple[Batch, ...]
    encoding: Encoding | None
    documents: tuple[Any, ...]
    bare_nan: bool = False

    @property
    def unreadable_share(self) -> float:
        """Part of the probe that is no document."""
        probed = sum(map(len, self.probe))
        return 1 - len(self.documents) / probed if probed else 0.0

    @property
    def records(self) -> int:
        """All of the sample."""
        return sum(map(len, self.batches))


def sample_of(batches: Iterable[Batch], max_records: int) -> Sample:
    """Take records until there are `max_records`, or too many bytes; no batch is asked for that is not needed."""
    taken: list[Batch] = []
    count = size = 0
    for batch in batches:
        taken.append(_first(batch, max_records - count))
        count += len(taken[-1])
        size += sum(len(value) for value in taken[-1].values if value)
        if count >= max_records or size >= BYTES_MAX:
            break
    probe = _probe(taken, count)
    values = [value for batch in probe for value in batch.values if value]
    as_json = _decoded(msgspec.json.decode, values)
    bare_nan = len(as_json) < len(values) and any(_BARE_NAN(value) for value in values)
    if len(as_json) * 2 >= len(values) and as_json:
        return Sample(tuple(taken), probe, "json", tuple(as_json), bare_nan)
    as_msgpack = [each for each in _decoded(msgspec.msgpack.decode, values) if isinstance(each, dict)]
    if len(as_msgpack) * 2 >= len(values) and as_msgpack:
        encoding = _binary(as_msgpack)
        item = BINARY_ITEM.get(encoding)
        return Sample(tuple(taken), probe, encoding, tuple(_unpacked(each, item) for each in as_msgpack))
    return Sample(tuple(taken), probe, None, (), bare_nan)


def _first(batch: Batch, count: int) -> Batch:
    return batch if len(batch) <= count else _rows(batch, slice(0, count))


def _rows(batch: Batch, rows: slice) -> Batch:
    headers = None if batch.headers is None else batch.headers[rows]
    return Batch(batch.partition, batch.offsets[rows], batch.timestamps_ms[rows], batch.values[rows], headers)


def _probe(batches: Sequence[Batch], count: int) -> tuple[Batch, ...]:
    """Every n-th record, so that neither a bad start nor one partition decides."""
    step = max(1, count // _PROBE_RECORDS)
    probe, size, seen = [], 0, 0
    for batch in batches:
        part = _rows(batch, slice(-seen % step, None, step))
        seen += len(batch)
        if not len(part):
            continue
        probe.append(part)
        size += sum(len(value) for value in part.values if value)
        if size > _PROBE_BYTES:
            break
    return tuple(probe)


def _decoded(decode: Any, values: Sequence[bytes]) -> list[Any]:  # noqa: ANN401 - msgspec's function
    documents = []
    for value in values:
        try:
            documents.append(decode(value))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return documents


def _binary(documents: Sequence[dict[Any, Any]]) -> Encoding:
    """Tell packed arrays of either width from each other: as the other one they are no log-probabilities."""
    packed = [value for each in documents for value in each.values() if isinstance(value, bytes) and value]
    if not packed:
        return "msgpack"
    wide = [value for value in packed if _plausible(value, "<f8")]
    narrow = [value for value in packed if _plausible(value, "<f4")]
    return "msgpack-f64" if len(wide) > len(narrow) else "msgpack-f32"


def _plausible(value: bytes, item: str) -> bool:
    if len(value) % np.dtype(item).itemsize:
        return False
    numbers = np.frombuffer(value, item).astype(np.float64)
    known = numbers[np.isfinite(numbers) & (numbers > SENTINEL)]
    # Of doubles taken as floats every other one is noise of any size, often as small as none that anybody logs.
    sizes = np.abs(known[known != 0])
    return bool(known.size and known.max() <= 1 and (not sizes.size or sizes.min() > 1e-30))


def _unpacked(document: dict[Any, Any], item: str | None) -> dict[Any, Any]:
    if item is None:
        return document
    return {name: _items(value, item) if isinstance(value, bytes) else value for name, value in document.items()}


def _items(value: bytes, item: str) -> list[Any]:
    return np.frombuffer(value, item if _plausible(value, item) else "u1").tolist()  # type: ignore[no-any-return]

"""Files as batches of records: JSON lines and CSV, also gzipped, also from standard input.

A line becomes the value of a record of partition 0 of a topic that is named like the file; its offset is the number
of the line (of the row, for CSV) from 0. A file tells no time of arrival, so the timestamps are NO_TIMESTAMP.
"""

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from daemon.codec import Format
from daemon.errors import OperatingError, UsageError
from daemon.files_csv import csv_records
from daemon.source import Batch, Partition

STANDARD_INPUT: Final = "-"
#: As Kafka says that a record has none.
NO_TIMESTAMP: Final = -1

_BATCH_RECORDS: Final = 2_000
_BATCH_BYTES: Final = 4 * 1024 * 1024
_BUFFER_BYTES: Final = 256 * 1024
_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"
#: How files begin that people have and that are read as neither; and what to do.
_OTHERS: Final = {
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
    _GZIP: "packed twice; unpack it once (gunzip)",
    b"PAR1": "Parquet; write it as JSON lines (pandas: read_parquet, then to_json with orient='records', lines=True)",
    b"PK\x03\x04": "a zip archive (as .xlsx and .npz are); unpack it, or save it as CSV",
    b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it, or pack it by gzip",
    b"\xfd7zXZ": "packed by xz; unpack it, or pack it by gzip",
    b"BZh": "packed by bzip2; unpack it, or pack it by gzip",
}
_JSON_LINES: Final = frozenset({".jsonl", ".ndjson", ".json"})
_TABLES: Final = frozenset({".csv", ".tsv"})


class Rewindable:
    """A stream of which the first part can be read twice: what an inspection took, the reading after it still gets."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._taken: io.BytesIO | None = io.BytesIO()
        self._again = io.BytesIO()

    def read(self, size: int) -> bytes:
        """Read up to that many bytes, and keep them until `rewind`."""
        data = self._again.read(size) or self._raw.read(size)
        if self._taken is not None:
            self._taken.write(data)
        return data

    def rewind(self) -> None:
        """Start anew, for the last time: from here on nothing is kept."""
        if self._taken is not None:
            self._again, self._taken = self._taken, None
            self._again.seek(0)


def read_batches(
    source: str | Path,
    fmt: Format | None,
    *,
    progress: Callable[[int], None] | None = None,
    standard_input: Rewindable | None = None,
) -> Generator[Batch, None, None]:
    """Read a file, or standard input for "-", as batches that a decoder of `fmt` reads; None keeps every CSV column.

    JSON lines: one record a line; empty lines are skipped, but have a number. CSV: a header, then one record a row
    (see daemon/files_csv.py). Which of them it is, a first `{` tells, else the name, else the first character.
    `progress` is called with the bytes read so far, before unpacking. `standard_input` is read where `source` is "-".

    Raises OperatingError where the file cannot be read or holds no record, UsageError where it is of another kind.
    """
    name = name_of(source)
    if fmt is not None and fmt.encoding != "json":
        raise UsageError(f"a file is read as JSON lines or CSV, but the stream's format is {fmt.encoding}")
    with ExitStack() as stack:
        try:
            counted = _Counted(
                standard_input or sys.stdin.buffer
                if str(source) == STANDARD_INPUT
                else stack.enter_context(_opened(source))
            )
            records = _records(_unpacked(counted), Path(source), name, fmt)
            found = False
            for batch in _batched(records, Partition(name, 0)):
                found = True
                yield batch
                if progress is not None:
                    progress(counted.bytes_read)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise OperatingError(f"{name} is a broken gzip file ({error}); copy it again") from error
        except OSError as error:
            raise OperatingError(f"cannot read {name}: {error.strerror or error}") from error
        if not found:
            raise OperatingError(f"{name} holds no record")


def name_of(source: str | Path) -> str:
    """Name a file, or standard input for "-", as people do."""
    return "standard input" if str(source) == STANDARD_INPUT else str(source)


def is_table(source: str | Path) -> bool:
    """Whether `read_batches` takes a file for rows under a header, and not for JSON lines; OSError as open has it."""
    with _opened(source) as raw:
        stream = _unpacked(_Counted(raw))
        return _holds_rows(stream.peek(1).removeprefix(_BOM), Path(source))


def _opened(source: str | Path) -> BinaryIO:
    return Path(source).open("rb")


class _Counted(io.RawIOBase):
    """Counts what passes."""

    def __init__(self, raw: BinaryIO | Rewindable) -> None:
        self._raw = raw
        self.bytes_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # narrower than any buffer
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        self.bytes_read += len(data)
        return len(data)


def _unpacked(counted: _Counted) -> io.BufferedReader:
    stream: io.BufferedReader = io.BufferedReader(counted, _BUFFER_BYTES)
    if stream.peek(len(_GZIP))[: len(_GZIP)] != _GZIP:
        return stream
    return io.BufferedReader(gzip.GzipFile(fileobj=stream), _BUFFER_BYTES)


def _records(stream: io.BufferedReader, path: Path, name: str, fmt: Format | None) -> Iterator[tuple[int, bytes]]:
    """Values and their numbers."""
    if stream.peek(len(_BOM))[: len(_BOM)] == _BOM:
        stream.read(len(_BOM))
    start = stream.peek(1)
    for magic, kind in _OTHERS.items():
        if start.startswith(magic):
            raise UsageError(f"{name} is {kind}")
    if _holds_rows(start, path):
        return csv_records(stream, name, fmt)
    if start.lstrip()[:1] == b"[":
        raise UsageError(f"{name} starts with an array; write one record a line (JSON lines: jq -c '.[]')")
    return _lines(stream, (fmt or Format()).max_record_bytes)


def _holds_rows(start: bytes, path: Path) -> bool:
    first = start.lstrip()[:1]
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    return first != b"{" and (suffix in _TABLES or (suffix not in _JSON_LINES and first not in {b"[", b""}))


def _lines(stream: io.BufferedReader, max_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Lines without their ends; of one that is too long only so much that it is seen to be too long."""
    number = 0
    while line := stream.readline(max_bytes + 2):
        value = line.rstrip(b"\r\n")
        while not line.endswith(b"\n") and (line := stream.readline(_BUFFER_BYTES)):
            pass
        if value and not value.isspace():
            yield number, value
        number += 1


def _batched(records: Iterator[tuple[int, bytes]], partition: Partition) -> Iterator[Batch]:
    offsets: list[int] = []
    values: list[bytes | None] = []
    size = 0
    for offset, value in records:
        offsets.append(offset)
        values.append(value)
        size += len(value)
        if len(values) == _BATCH_RECORDS or size >= _BATCH_BYTES:
            yield _batch(partition, offsets, values)
            offsets, values, size = [], [], 0
    if values:
        yield _batch(partition, offsets, values)


def _batch(partition: Partition, offsets: list[int], values: list[bytes | None]) -> Batch:
    count = len(values)
    return Batch(partition, np.array(offsets, np.int64), np.full(count, NO_TIMESTAMP, np.int64), values)

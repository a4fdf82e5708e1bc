"""The text of a scrape, rendered once per publish in every form that a scraper can ask for.

prometheus_client formats each sample in Python. Here the text before each value is kept from one publish to the next,
a column of values becomes text in one call (the shortest decimals that read back as the same floats), and a join puts
the two together: some 50 times faster.
"""

import gzip
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import compress
from typing import Final

import msgspec
import numpy as np

from daemon.board import Published, Rendered
from daemon.families import Column, Family, ProcessText
from daemon.metric import Metric
from daemon.row_texts import RowTexts, in_places, label_text
from estimators.pairs import Floats

GZIP_LEVEL: Final = 1  # a tenth of the time of level 9, for a third more bytes
END: Final = b"# EOF\n"

_EXACT: Final = 2.0**53

_encode: Final = msgspec.json.Encoder().encode


#: A metric with its samples, as lines that each start, not end, with a newline.
Block = tuple[Metric, list[bytes]]


class Renderer:
    """Renders one published value after another; used by one thread."""

    def __init__(self, collect: Callable[[Published], Iterable[Family]], process: Callable[[], ProcessText]) -> None:
        self._collect = collect
        self._process = process
        self._row_texts = RowTexts()

    def __call__(self, published: Published) -> Rendered:
        """Collect and render."""
        return _rendered(self.blocks(self._collect(published)), self._process())

    def process_only(self) -> Rendered:
        """Render what can be told before the first publish; safe from any thread."""
        return _rendered([], self._process())

    def blocks(self, families: Iterable[Family]) -> list[Block]:
        """Render the samples, which are the same in both formats; a family without any is left out."""
        blocks: list[Block] = []
        with self._row_texts.rendering():
            for family in families:
                samples = [part for column in family.columns if (part := self._samples(family.metric, column))]
                if samples:
                    blocks.append((family.metric, samples))
        return blocks

    def _samples(self, metric: Metric, column: Column) -> bytes:
        lines = self._row_texts.of(column.rows)
        encoded = _encode(_numbers(column.values))
        texts = encoded[1:-1].split(b",")
        if b"n" in encoded:  # null
            lines, texts = _present(column.values, lines, texts)
        if not lines:
            return b""
        lines[::3] = [_before(metric.name + column.suffix, label_text(column.labels), lines[1])] * len(texts)
        lines[2::3] = texts
        return b"".join(lines)


def _numbers(values: Floats) -> list[float] | list[int]:
    """Return counts and flags as integers, which are written several times faster."""
    numbers: list[float] = values.tolist()
    if numbers and numbers[0].is_integer() and (np.trunc(values) == values).all() and np.abs(values).max() < _EXACT:
        integers: list[int] = values.astype(np.int64).tolist()
        return integers
    return numbers


def _present(values: Floats, lines: list[bytes], texts: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Leave NaN out and write infinities as Prometheus does; the encoder has null for both."""
    for row in np.flatnonzero(np.isinf(values)).tolist():
        texts[row] = b"+Inf" if values[row] > 0 else b"-Inf"
    present = (~np.isnan(values)).tolist()
    return in_places(compress(lines[1::3], present)), list(compress(texts, present))


def _before(name: str, own: bytes, row: bytes) -> bytes:
    """Return what stands before a row's text; the rows of one column either all have labels or none has."""
    line = f"\n{name}".encode()
    if row:
        return line + b"{" + own + (b"," if own else b"")
    return line + (b"{" + own + b"} " if own else b" ")


def text_of(blocks: list[Block], process: bytes = b"") -> bytes:
    """Return the text format 0.0.4."""
    return b"".join([*_parts(blocks, _text_header), process])


def openmetrics_of(blocks: list[Block], process: bytes = b"") -> bytes:
    """Return OpenMetrics 1.0."""
    return b"".join([*_parts(blocks, _openmetrics_header), process, END])


def _parts(blocks: list[Block], header: Callable[[Metric], bytes]) -> Iterator[bytes]:
    for metric, samples in blocks:
        yield header(metric)
        yield from samples
        yield b"\n"


@cache
def _text_header(metric: Metric) -> bytes:
    text = metric.help.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {metric.name} {text}\n# TYPE {metric.name} {metric.kind}".encode()


@cache
def _openmetrics_header(metric: Metric) -> bytes:
    """Return HELP, TYPE and UNIT, where the unit must end the family's name."""
    name = metric.family
    text = metric.help.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    header = f"# HELP {name} {text}\n# TYPE {name} {metric.kind}"
    if metric.unit and name.endswith(f"_{metric.unit}"):
        header += f"\n# UNIT {name} {metric.unit}"
    return header.encode()


def _rendered(blocks: list[Block], process: ProcessText) -> Rendered:
    text, openmetrics = text_of(blocks, process.text), openmetrics_of(blocks, process.openmetrics)
    return Rendered(text, _gzip(text), openmetrics, _gzip(openmetrics))


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, GZIP_LEVEL, mtime=0)

"""Metric families as columns: what collectors hand to the renderer. Values only; no text is made here."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from daemon.metric import Metric
from daemon.metrics import CATALOGUE, PREFIX
from estimators.pairs import Floats

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """Label sets that many columns share: `constant` on every row, and `names` with the values of the row's key."""

    names: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...]
    constant: Labels = ()


#: One row without a label.
ONE_ROW: Final = Rows((), ((),))


@dataclass(frozen=True, slots=True)
class Column:
    """Samples that differ only by their row: `labels` are added to all of them, `suffix` to the metric's name.

    Attributes
    ----------
    values : float64 [rows]
        NaN is absent and gives no sample; infinities are shown.
    """

    rows: Rows
    values: Floats
    labels: Labels = ()
    suffix: str = ""

    def __post_init__(self) -> None:
        """Refuse values of another length than the rows: they would be shown under wrong names."""
        if self.values.shape != (len(self.rows.keys),):
            raise ValueError(f"values of shape {self.values.shape} for {len(self.rows.keys)} rows")


@dataclass(frozen=True, slots=True)
class Family:
    """All samples of one metric."""

    metric: Metric
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class ProcessText:
    """What the client library's own collectors tell of the process (process_*, python_*), rendered by it."""

    text: bytes
    openmetrics: bytes  # without the closing # EOF


def family(name: str, columns: Iterable[Column]) -> Family:
    """Return the family of a metric of the catalogue, named without the prefix."""
    return Family(CATALOGUE[PREFIX + name], tuple(columns))


def single(value: float, labels: Labels = (), suffix: str = "") -> Column:
    """Return a column of one sample."""
    return Column(ONE_ROW, np.array([value], np.float64), labels, suffix)


def table(names: tuple[str, ...], rows: Iterable[tuple[tuple[str, ...], float]]) -> Column:
    """Return a column from (label values, value) pairs."""
    listed = list(rows)
    return Column(Rows(names, tuple(key for key, _ in listed)), np.array([value for _, value in listed], np.float64))

"""The input in slices of equal length along time, or along the number of the message, for a picture.

Slices are as long as a power of two microseconds (or messages) and start at a multiple of it; where more than
SLICES_MAX would be needed their length doubles and neighbours merge. So memory is bounded however long the input is,
and the slices depend on what was read alone, not on its order or on batches.
"""

from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np

from estimators.kernel import cell_rows
from estimators.moments import Moments
from estimators.pairs import Floats, Ints

Axis = Literal["time", "message"]

SLICES_MAX: Final = 128
_PARTITION: Final = 0


@dataclass(frozen=True, slots=True)
class Trace:
    """Slices of every series along one axis.

    Attributes
    ----------
    axis : "time" (microseconds since the epoch, UTC) or "message" (its number in the input, from 0)
    level : a slice is 2^level long
    first : number of the first slice; it starts at first x 2^level
    moments : Moments [series, slices]
    """

    axis: Axis
    level: int
    first: int
    moments: Moments

    @classmethod
    def empty(cls, axis: Axis) -> Self:
        """Return the state before the first message."""
        return cls(axis, 0, 0, Moments.zero(0, 0))

    @property
    def middles(self) -> Floats:
        """Positions of the slices' middles on the axis, float64 [slices]."""
        return (self.first + 0.5 + np.arange(self.moments.shape[1], dtype=np.float64)) * 2.0**self.level

    def absorb(self, u: Floats, weight: Floats | None, first_pair: Ints, series: Ints, at: Ints) -> Self:
        """Return the state with more whole messages; this one must not be used any more.

        Parameters
        ----------
        u, weight, first_pair : as `validate` returns them
        series : int64 [messages], index of the message's series; the state grows to hold the largest
        at : int64 [messages], positions on the axis
        """
        if at.size == 0:
            return self
        low, high = int(at.min()), int(at.max())
        if self.moments.shape[1]:
            low = min(low, self.first << self.level)
            high = max(high, ((self.first + self.moments.shape[1]) << self.level) - 1)
        level = self.level
        while (high >> level) - (low >> level) >= SLICES_MAX:
            level += 1
        count = max(self.moments.shape[0], int(series.max()) + 1)
        slices = (high >> level) - (low >> level) + 1
        same = (level, low >> level, (count, slices)) == (self.level, self.first, self.moments.shape)
        grown = self if same else self._regridded(level, low >> level, slices, count)
        rows = cell_rows(u, weight, first_pair, series * slices + ((at >> level) - grown.first), at, _PARTITION)
        _merge_at(grown.moments, rows.cell // slices, rows.cell % slices, rows.moments)
        return grown

    def coarser(self) -> Self:
        """Return slices of twice the length."""
        last = self.first + self.moments.shape[1] - 1
        first = self.first >> 1
        return self._regridded(self.level + 1, first, (last >> 1) - first + 1, self.moments.shape[0])

    def of(self, series: int) -> Self:
        """Return the trace of one series, without the empty slices at both ends."""
        held = np.flatnonzero(self.moments.count_of("messages")[series])
        start, stop = (int(held[0]), int(held[-1]) + 1) if held.size else (0, 0)
        return type(self)(self.axis, self.level, self.first + start, self.moments[series : series + 1, start:stop])

    def _regridded(self, level: int, first: int, slices: int, series: int) -> Self:
        """Return a copy on a grid that covers this one; `level` is not below this one's."""
        moments = Moments.zero(series, slices)
        old_series, old_slices = self.moments.shape
        if old_series and old_slices:
            place = ((self.first + np.arange(old_slices)) >> (level - self.level)) - first
            rows, columns = np.repeat(np.arange(old_series), old_slices), np.tile(place, old_series)
            flat = self.moments[:, :]
            _merge_at(
                moments,
                rows,
                columns,
                Moments(flat.sums.reshape(rows.size, -1), flat.counts.reshape(rows.size, -1), flat.max_u.ravel()),
            )
        return type(self)(self.axis, level, first, moments)


def _merge_at(moments: Moments, series: Ints, slices: Ints, rows: Moments) -> None:
    """Merge rows of moments into their cells, in place; a cell may be named several times."""
    np.add.at(moments.sums, (series, slices), rows.sums)
    np.add.at(moments.counts, (series, slices), rows.counts)
    np.maximum.at(moments.max_u, (series, slices), rows.max_u)

"""A ring of panes: the moments of the newest panes of one window, pane-major, for the series in their slots.

Pane i lies in row i modulo the ring's size. A ring never subtracts: a pane that expires is set to zero, so that a loud
one leaves nothing behind, not even a rounding error.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from estimators.moments import Moments
from estimators.pairs import Ints

CAPACITY_MIN: Final = 16


@dataclass(slots=True)
class Ring:
    """Retained panes (newest - size, newest].

    Attributes
    ----------
    moments : Moments [size, capacity]; expired panes and free slots hold zero
    newest : index of the pane of the partition clock; None before the first record
    revisions : int64 [size]; a row's one grows whenever its content changes, so that a snapshot writes only what did.
        They mean nothing in another process, or of another ring
    """

    moments: Moments
    newest: int | None = None
    revisions: Ints = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.revisions = np.zeros(self.size, np.int64)

    @property
    def size(self) -> int:
        """Panes kept."""
        return self.moments.shape[0]

    @property
    def capacity(self) -> int:
        """Slots."""
        return self.moments.shape[1]


def new_ring(size: int) -> Ring:
    """Return an empty ring of the smallest capacity."""
    return Ring(Moments.zero(size, CAPACITY_MIN))


def advance(ring: Ring, newest: int) -> None:
    """Let the clock reach pane `newest`: the panes that this expires are cleared. The clock never goes back."""
    if ring.newest is None:
        ring.newest = newest
        return
    passed = min(newest - ring.newest, ring.size)
    if passed > 0:
        rows = np.arange(newest - passed + 1, newest + 1) % ring.size
        ring.moments.sums[rows] = 0.0
        ring.moments.counts[rows] = 0
        ring.moments.max_u[rows] = -np.inf
        ring.revisions[rows] += 1
        ring.newest = newest


def add(ring: Ring, pane: Ints, slot: Ints, moments: Moments) -> None:
    """Merge rows into their panes and slots; rows of expired panes are left out.

    Parameters
    ----------
    pane, slot : int64 [rows]; no two rows share both; no pane is newer than the clock's
    moments : Moments [rows]
    """
    newest = _newest(ring)
    oldest = newest - ring.size + 1
    if int(pane.min(initial=newest)) < oldest:
        held = pane >= oldest
        pane, slot, moments = pane[held], slot[held], moments[held]
    row = pane % ring.size
    ring.moments.sums[row, slot] += moments.sums
    ring.moments.counts[row, slot] += moments.counts
    ring.moments.max_u[row, slot] = np.maximum(ring.moments.max_u[row, slot], moments.max_u)
    ring.revisions[row] += 1  # once for each distinct row


def merge_into(merged: Moments, oldest: int, series: Ints, ring: Ring, slots: Ints) -> None:
    """Merge what the ring holds of some slots into panes oldest.. of `merged`, Moments [panes, series], in place.

    Parameters
    ----------
    oldest : pane of the first row of `merged`
    series, slots : int64 [slots], distinct; slots[i] is merged into column series[i]
    """
    if ring.newest is None:
        return
    first = max(oldest, ring.newest - ring.size + 1)
    last = min(oldest + merged.shape[0] - 1, ring.newest)
    for pane in range(first, last + 1):  # a pane fits the cache: a sixth of the time of all at once
        row, held = pane - oldest, pane % ring.size
        merged.sums[row, series] += ring.moments.sums[held, slots]
        merged.counts[row, series] += ring.moments.counts[held, slots]
        merged.max_u[row, series] = np.maximum(merged.max_u[row, series], ring.moments.max_u[held, slots])


def resize(ring: Ring, slots: Ints, capacity: int) -> None:
    """Give the ring another capacity; slot i then holds what slots[i] held."""
    if not np.array_equal(slots, np.arange(ring.capacity)):
        ring.revisions += 1
    moments = Moments.zero(ring.size, capacity)
    kept = len(slots)
    moments.sums[:, :kept] = ring.moments.sums[:, slots]
    moments.counts[:, :kept] = ring.moments.counts[:, slots]
    moments.max_u[:, :kept] = ring.moments.max_u[:, slots]
    ring.moments = moments


def group(cell: Ints, moments: Moments) -> tuple[Ints, Moments]:
    """Merge the rows [rows] that share a cell, at least one; return the distinct cells, ascending, with their sums."""
    if bool((cell[1:] > cell[:-1]).all()):
        return cell, moments
    order = np.argsort(cell, kind="stable")
    cell = cell[order]
    first = np.flatnonzero(np.diff(cell, prepend=cell[0] - 1))
    return cell[first], Moments(
        np.add.reduceat(moments.sums[order], first, axis=0),
        np.add.reduceat(moments.counts[order], first, axis=0),
        np.maximum.reduceat(moments.max_u[order], first),
    )


def _newest(ring: Ring) -> int:
    if ring.newest is None:
        raise AssertionError("rows were added before the clock was set")
    return ring.newest

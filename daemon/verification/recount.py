"""The second fold: accepted messages of the log, added up per pane and series, in any batches."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from daemon.verification.spans import Plan, RingPlan
from daemon.verification.terms import COUNT_NAMES, SUM_NAMES, Terms, terms_of
from estimators.pairs import Floats, Ints, Pairs
from estimators.spec import StreamSpec

Key = tuple[str, ...]

#: Stands for all series of a pane together.
TOTAL: Final = None
_FIRST_ROWS: Final = 64


@dataclass(frozen=True, slots=True)
class PaneSums:
    """One pane as recomputed, one row per series; `keys` is [TOTAL] where the pane is compared as a whole.

    Attributes
    ----------
    sums, sizes : float64 [keys, SUM_NAMES]; sizes are the sums of the terms' sizes, which bound what rounding may do
    counts : uint64 [keys, COUNT_NAMES]
    max_u : float64 [keys]
    """

    keys: tuple[Key | None, ...]
    sums: Floats
    sizes: Floats
    counts: NDArray[np.uint64]
    max_u: Floats


class Recount:
    """Adds up one stream's records of one partition.

    Attributes
    ----------
    clock_us : partition clock by the records that were added; None before the first pair
    clock_offset : offset of the record that moved it there
    """

    def __init__(self, plan: Plan, spec: StreamSpec, partition: int) -> None:
        self._spec = spec
        self._partition = partition
        self._sheets = [_Sheet(ring) for ring in plan.rings]
        self.clock_us: int | None = None
        self.clock_offset: int | None = None

    def add(self, pairs: Pairs) -> None:
        """Take the next messages of the log.

        Late messages need no clock here: a pane that the snapshot still keeps was never late, since what is kept only
        moves on. An event too far ahead of its record's timestamp is known from the record alone.
        """
        if not len(pairs.offset):
            return
        self._tick(pairs)
        terms = terms_of(pairs, self._spec.rules, self._partition)
        event_us = pairs.event_time_us[terms.message]
        in_time = event_us <= pairs.append_time_us[terms.message] + self._spec.max_skew_us
        keys = [pairs.keys[message] for message in terms.message.tolist()]
        for sheet in self._sheets:
            sheet.add(event_us, in_time, keys, terms)

    def _tick(self, pairs: Pairs) -> None:
        """Every decoded message moves the clock, accepted or not; one from the future as far as it is believed."""
        seen = np.minimum(pairs.event_time_us, pairs.append_time_us + self._spec.max_skew_us)
        latest = int(seen.argmax())
        if self.clock_us is None or int(seen[latest]) > self.clock_us:
            self.clock_us, self.clock_offset = int(seen[latest]), int(pairs.offset[latest])

    def pane(self, window: int, pane: int) -> PaneSums:
        """Return what the log has of one pane of the plan, counted from its first."""
        return self._sheets[window].pane(pane)


class _Sheet:
    """The cells of one ring that occurred, in rows that grow."""

    def __init__(self, ring: RingPlan) -> None:
        self._ring = ring
        self._whole = ring.whole
        self._rows: list[dict[Key | None, int]] = [{} for _ in range(ring.panes)]
        self._used = 0
        self._sums, self._lost, self._sizes = (np.zeros((_FIRST_ROWS, len(SUM_NAMES))) for _ in range(3))
        self._counts = np.zeros((_FIRST_ROWS, len(COUNT_NAMES)), np.uint64)
        self._max_u = np.full(_FIRST_ROWS, -np.inf)

    def add(self, event_us: Ints, in_time: NDArray[np.bool_], keys: list[Key], terms: Terms) -> None:
        """Add the messages that are in the ring's panes."""
        edges = self._ring.edges_us
        pane = np.searchsorted(edges, event_us, side="right") - 1
        taken = np.flatnonzero(in_time & (pane >= 0) & (pane < self._ring.panes))
        if not taken.size:
            return
        row_of = [self._row(int(pane[each]), keys[each]) for each in taken.tolist()]
        rows, place = np.unique(np.array(row_of), return_inverse=True)
        for column in range(len(SUM_NAMES)):
            self._add_exactly(rows, column, np.bincount(place, terms.sums[taken, column]))
            self._sizes[rows, column] += np.bincount(place, terms.sizes[taken, column])
        np.add.at(self._counts, row_of, terms.counts[taken])
        np.maximum.at(self._max_u, row_of, terms.max_u[taken])

    def pane(self, pane: int) -> PaneSums:
        """Return one pane."""
        rows = list(self._rows[pane].values())
        return PaneSums(
            tuple(self._rows[pane]),
            self._sums[rows] + self._lost[rows],
            self._sizes[rows],
            self._counts[rows],
            self._max_u[rows],
        )

    def _add_exactly(self, rows: Ints, column: int, term: NDArray[Any]) -> None:
        """Add and keep what rounding took away (Knuth's two-sum): a long log costs no digits."""
        before = self._sums[rows, column]
        after = before + term
        added = after - before
        self._lost[rows, column] += (before - (after - added)) + (term - added)
        self._sums[rows, column] = after

    def _row(self, pane: int, key: Key) -> int:
        rows = self._rows[pane]
        owner = TOTAL if self._whole[pane] else key
        if owner not in rows:
            rows[owner] = self._used
            self._used += 1
            if self._used > len(self._max_u):
                self._grow()
        return rows[owner]

    def _grow(self) -> None:
        more = len(self._max_u)
        self._sums, self._lost, self._sizes, self._counts = (
            np.concatenate([table, np.zeros_like(table)])
            for table in (self._sums, self._lost, self._sizes, self._counts)
        )
        self._max_u = np.concatenate([self._max_u, np.full(more, -np.inf)])

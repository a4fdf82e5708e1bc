"""A snapshot's panes against the log's: counts and audit to the bit, sums within 1e-12 of their terms' sizes."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from daemon.verification.held import HeldPane, HeldRing
from daemon.verification.recount import Key, PaneSums, Recount
from daemon.verification.spans import Plan
from daemon.verification.terms import COUNT_NAMES, SUM_NAMES, record_hashes
from estimators.pairs import Ints
from estimators.partitions import PartitionState
from estimators.spec import StreamSpec

#: Two sums of the same terms are equal within this share of the sum of their sizes (DESIGN.md section 4).
TOLERANCE: Final = 1e-12
#: Differences that are kept; all are counted.
DIFFERENCES_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Difference:
    """One number of one pane that is not what the log says.

    Attributes
    ----------
    key : labels of the series; None where the pane is compared as a total over its series
    name : of a count or sum, `max_u`, or `clock_us` of the partition as a whole
    bound : what the two may differ by; 0 for counts and audit
    record : offset of the one record that alone explains the counts; None where no single one does
    """

    window: str
    pane_start_us: int
    pane_end_us: int
    key: Key | None
    name: str
    in_snapshot: float
    in_log: float
    bound: float
    record: int | None


@dataclass(slots=True)
class Compared:
    """What was compared of one stream in one partition.

    Attributes
    ----------
    panes_by_window : compared panes, by the window's label
    cells : panes of series that hold something in the snapshot or in the log
    messages_by_window : of the log, in these panes
    differences : the first ones: the clock's, then in the order of windows and panes
    different : all of them, counted
    from_us, to_us : start of the oldest compared pane and end of the newest; None where there is none
    """

    panes_by_window: dict[str, int] = field(default_factory=dict)
    cells: int = 0
    messages_by_window: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    different: int = 0
    from_us: int | None = None
    to_us: int | None = None

    @property
    def panes(self) -> int:
        """Compared panes of all windows."""
        return sum(self.panes_by_window.values())

    @property
    def messages(self) -> int:
        """Messages of the window whose panes have most."""
        return max(self.messages_by_window.values(), default=0)

    def note(self, found: Difference) -> None:
        """Count a difference, and keep it if there is room."""
        self.different += 1
        if len(self.differences) < DIFFERENCES_MAX:
            self.differences.append(found)

    def note_pane(self, window: str, start_us: int, end_us: int, *, messages: int) -> None:
        """Count a pane."""
        self.panes_by_window[window] += 1
        self.messages_by_window[window] += messages
        self.from_us = start_us if self.from_us is None else min(self.from_us, start_us)
        self.to_us = end_us if self.to_us is None else max(self.to_us, end_us)


def compare(
    state: PartitionState, spec: StreamSpec, plan: Plan, recount: Recount, not_before_us: int | None = None
) -> Compared:
    """Compare every pane of the plan that starts at or after `not_before_us`."""
    labels = [ring.label for ring in plan.rings]
    compared = Compared(dict.fromkeys(labels, 0), messages_by_window=dict.fromkeys(labels, 0))
    for ring in plan.rings:
        held = HeldRing(state, spec, ring)
        edges = ring.edges_us.tolist()
        for pane, (start_us, end_us) in enumerate(itertools.pairwise(edges)):
            if not_before_us is not None and start_us < not_before_us:
                continue
            ours, theirs = _aligned(held.pane(pane), recount.pane(ring.window, pane))
            compared.note_pane(ring.label, start_us, end_us, messages=int(theirs.counts[:, 0].sum()))
            compared.cells += int(np.count_nonzero(ours.counts.any(1) | theirs.counts.any(1)))
            for found in _differences(ours, theirs, (ring.label, start_us, end_us), state.partition):
                compared.note(found)
    if compared.panes and (wrong := _wrong_clock(plan, recount, missing=not_before_us is not None)) is not None:
        compared.different += 1
        compared.differences.insert(0, wrong)  # of all, and it explains others
    return compared


def _wrong_clock(plan: Plan, recount: Recount, *, missing: bool) -> Difference | None:
    """Compare the clocks: a record that is newer than all that the snapshot has falls into none of its panes.

    Records before those that were read are older than the oldest pane, so they do not matter; the missing ones may.
    """
    ours, theirs = plan.clock_us, recount.clock_us
    first_us = plan.first_us
    if ours is None or first_us is None or ours < first_us:
        return None
    if theirs is None or theirs < ours:
        if missing:
            return None
        return Difference("-", ours, ours, None, "clock_us", ours, theirs or 0, 0, None)
    return (
        None
        if theirs == ours
        else Difference("-", ours, theirs, None, "clock_us", ours, theirs, 0, recount.clock_offset)
    )


def _aligned(held: HeldPane, found: PaneSums) -> tuple[HeldPane, PaneSums]:
    """Give both the same keys, in one order; who lacks one has zeros there."""
    keys = tuple(sorted({*held.keys, *found.keys}, key=lambda key: key or ()))
    ours, theirs = _rows(held.keys, keys), _rows(found.keys, keys)
    return (
        HeldPane(keys, _taken(held.sums, ours), _taken(held.counts, ours), _taken(held.max_u, ours, -np.inf)),
        PaneSums(
            keys,
            _taken(found.sums, theirs),
            _taken(found.sizes, theirs),
            _taken(found.counts, theirs),
            _taken(found.max_u, theirs, -np.inf),
        ),
    )


def _rows(present: Sequence[Key | None], keys: Sequence[Key | None]) -> Ints:
    """Row of each key; the row after the last for one that is not there."""
    rows = {key: row for row, key in enumerate(present)}
    return np.array([rows.get(key, len(present)) for key in keys], np.int64)


def _taken(table: NDArray[Any], rows: Ints, missing: float = 0) -> NDArray[Any]:
    return np.concatenate([table, np.full_like(table, missing, shape=(1, *table.shape[1:]))])[rows]


def _differences(held: HeldPane, found: PaneSums, where: tuple[str, int, int], partition: int) -> Iterator[Difference]:
    bounds = TOLERANCE * found.sizes
    wrong_counts = held.counts != found.counts
    wrong_sums = ~(np.abs(held.sums - found.sums) <= bounds)  # a NaN is wrong
    with np.errstate(invalid="ignore"):  # -inf, where no pair has a ratio, from itself
        near = np.abs(held.max_u - found.max_u) <= TOLERANCE * np.abs(found.max_u)
    wrong_max = ~(near | (held.max_u == found.max_u))
    for row in np.flatnonzero(wrong_counts.any(1) | wrong_sums.any(1) | wrong_max).tolist():
        record = _one_record(held.counts[row], found.counts[row], partition)
        place = (*where, found.keys[row])
        for column in np.flatnonzero(wrong_counts[row]).tolist():
            counts = int(held.counts[row, column]), int(found.counts[row, column])
            yield Difference(*place, COUNT_NAMES[column], *counts, 0, record)
        for column in np.flatnonzero(wrong_sums[row]).tolist():
            sums = float(held.sums[row, column]), float(found.sums[row, column])
            yield Difference(*place, SUM_NAMES[column], *sums, float(bounds[row, column]), record)
        if wrong_max[row]:
            largest = float(held.max_u[row]), float(found.max_u[row])
            yield Difference(*place, "max_u", *largest, TOLERANCE * abs(largest[1]), record)


def _one_record(held: NDArray[np.uint64], found: NDArray[np.uint64], partition: int) -> int | None:
    """Offset of the record whose messages alone make the difference, too few or too many; its hash is the proof."""
    surplus = dict(zip(COUNT_NAMES, (held - found).view(np.int64).tolist(), strict=True))
    messages = surplus["messages"]
    if not messages or surplus["offset_sum"] % messages:
        return None
    offset = int(surplus["offset_sum"] // messages)
    if offset < 0 or surplus["hash_sum"] != messages * int(record_hashes(partition, np.array([offset]))[0]):
        return None
    return offset

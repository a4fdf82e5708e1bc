"""What a snapshot claims of one pane, as rows like those of the second fold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from daemon.verification.recount import TOTAL, Key
from daemon.verification.spans import RingPlan
from daemon.verification.terms import COUNT_NAMES, SUM_NAMES
from estimators.moments import Moments
from estimators.pairs import Floats
from estimators.partitions import PartitionState
from estimators.retained import retained_panes
from estimators.spec import StreamSpec


@dataclass(frozen=True, slots=True)
class HeldPane:
    """One pane of a snapshot, one row per series that has something in it; attributes as `PaneSums` has them."""

    keys: tuple[Key | None, ...]
    sums: Floats
    counts: NDArray[np.uint64]
    max_u: Floats


class HeldRing:
    """The panes of one ring."""

    def __init__(self, state: PartitionState, spec: StreamSpec, plan: RingPlan) -> None:
        self._plan = plan
        self._whole = plan.whole
        self._held = retained_panes(state, spec, plan.window)

    def pane(self, pane: int) -> HeldPane:
        """Return a pane counted from the plan's first; an empty one where the snapshot has no such pane."""
        held = self._held
        row = np.flatnonzero(held.panes == self._plan.first + pane)
        moments = held.moments[int(row[0])] if row.size else Moments.zero(len(held.keys))
        sums = np.column_stack([moments.sum_of(name) for name in SUM_NAMES])
        counts = np.column_stack([moments.count_of(name) for name in COUNT_NAMES])
        if self._whole[pane]:
            return HeldPane(
                (TOTAL,),
                sums.sum(0, keepdims=True),
                counts.sum(0, dtype=np.uint64, keepdims=True),
                moments.max_u.max(keepdims=True, initial=-np.inf),
            )
        filled = np.flatnonzero(counts.any(1) | sums.any(1))
        keys = tuple(held.keys[each] for each in filled.tolist())
        return HeldPane(keys, sums[filled], counts[filled], moments.max_u[filled])

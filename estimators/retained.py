"""What a state holds, laid open pane by pane: for checkers that compare two states, and for snapshots."""

from dataclasses import dataclass

import numpy as np

from estimators.admission import Key
from estimators.moments import Moments
from estimators.pairs import Ints
from estimators.partitions import PartitionState
from estimators.rings import merge_into
from estimators.spec import StreamSpec


@dataclass(frozen=True, slots=True)
class RetainedPanes:
    """All panes that one ring of one state holds.

    Attributes
    ----------
    panes : int64 [panes], ascending and without holes; none before the first record
    start_us : int64 [panes], first whole microsecond of each; to be compared with `complete_from_us`
    keys : sorted
    moments : Moments [panes, series], audit counters included
    """

    panes: Ints
    start_us: Ints
    keys: tuple[Key, ...]
    moments: Moments


def retained_panes(state: PartitionState, spec: StreamSpec, window: int) -> RetainedPanes:
    """Return a copy of every pane that the ring of the given window (its index in the spec) holds."""
    ring, held = spec.rings[window], state.rings[window]
    keys = tuple(sorted(state.series.slots))
    slots = np.array([state.series.slots[key] for key in keys], np.int64)
    if held.newest is None:
        panes = np.empty(0, np.int64)
        return RetainedPanes(panes, panes, keys, Moments.zero(0, len(keys)))
    panes = np.arange(held.newest - ring.size + 1, held.newest + 1)
    moments = Moments.zero(ring.size, len(keys))
    merge_into(moments, int(panes[0]), np.arange(len(keys)), held, slots)
    return RetainedPanes(panes, ring.starts_us(panes), keys, moments)

"""Windows as a query: the panes of all owned partitions merged and evaluated at a time. Nothing here is state."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from estimators.admission import Key
from estimators.estimates import Estimates
from estimators.evaluation import estimate
from estimators.moments import Moments
from estimators.pairs import Ints
from estimators.partitions import PartitionState
from estimators.rings import merge_into
from estimators.spec import RingSpec, StreamSpec

_US_PER_S = 1_000_000


@dataclass(frozen=True, slots=True)
class WindowView:
    """One window of every series: the events in [start, end).

    Attributes
    ----------
    end_seconds : exclusive; the end of the open pane, which may lie ahead of the time of evaluation
    start_us : first whole microsecond of the window
    estimates : columns [series]
    covered : whether every partition's state is complete from the window's start on
    overflowed : whether the series cap sent a message to `__other__` at or after the window's start
    """

    end_seconds: float
    start_us: int
    estimates: Estimates
    covered: bool
    overflowed: bool


@dataclass(frozen=True, slots=True)
class StreamView:
    """All windows of a stream's live series.

    Attributes
    ----------
    keys : sorted
    first_event_us, last_event_us : int64 [series], smallest and largest event time since the series was admitted
    windows : in the order of the spec
    """

    keys: tuple[Key, ...]
    first_event_us: Ints
    last_event_us: Ints
    windows: tuple[WindowView, ...]


def evaluate(
    states: Sequence[PartitionState], spec: StreamSpec, now_us: int, *, resolution: float, min_messages: int
) -> StreamView:
    """Estimate every window of every series at a wall-clock time.

    Parameters
    ----------
    states : the owned partitions, in any order
    now_us : wall clock, microseconds
    resolution : the stream's logging precision, for the self-check
    min_messages : windows with fewer show counts only
    """
    at_us = now_us - spec.expected_delay_us
    ordered = sorted(states, key=lambda state: state.partition)
    keys, first_us, last_us = _live_series(ordered, at_us - spec.longest.length_us)
    windows = []
    for index, ring in enumerate(spec.rings):
        newest = ring.pane_of(at_us)
        first_pane = newest - ring.panes_per_window + 1
        oldest = _oldest_pane(ordered, index, ring, newest)
        estimates = estimate(
            _merged_panes(ordered, index, keys, oldest, newest),
            first=first_pane - oldest,
            panes_per_window=ring.panes_per_window,
            sampled_from=spec.rules.sampled_from,
            resolution=resolution,
            min_messages=min_messages,
        )
        start_us = ring.start_us(first_pane)
        overflows = (state.overflow_clock_us for state in ordered if state.overflow_clock_us is not None)
        windows.append(
            WindowView(
                end_seconds=(newest + 1) * ring.length_us / (ring.panes_per_window * _US_PER_S),
                start_us=start_us,
                estimates=estimates,
                covered=all(state.complete_from_us <= start_us for state in ordered),
                overflowed=any(clock_us >= start_us for clock_us in overflows),
            )
        )
    return StreamView(keys, first_us, last_us, tuple(windows))


def _live_series(states: Sequence[PartitionState], since_us: int) -> tuple[tuple[Key, ...], Ints, Ints]:
    """Series whose last event over all partitions is at or after a time; their first and last event times."""
    spans: dict[Key, tuple[int, int]] = {}
    for state in states:
        first_us, last_us = state.series.first_us.tolist(), state.series.last_us.tolist()
        for key, slot in state.series.slots.items():
            first, last = spans.get(key, (first_us[slot], last_us[slot]))
            spans[key] = min(first, first_us[slot]), max(last, last_us[slot])
    keys = tuple(sorted(key for key, (_, last) in spans.items() if last >= since_us))
    first = np.array([spans[key][0] for key in keys], np.int64)
    return keys, first, np.array([spans[key][1] for key in keys], np.int64)


def _oldest_pane(states: Sequence[PartitionState], index: int, ring: RingSpec, newest: int) -> int:
    """Oldest pane that the adaptive coefficient learns from.

    All that is retained, but no more than a ring before the window: an idle partition keeps panes for as long as
    nothing moves its clock.
    """
    oldest = newest - ring.panes_per_window + 1
    for state in states:
        clock_pane = state.rings[index].newest
        if clock_pane is not None:
            oldest = min(oldest, clock_pane - ring.size + 1)
    return max(oldest, newest - ring.panes_per_window - ring.size)


def _merged_panes(
    states: Sequence[PartitionState], index: int, keys: tuple[Key, ...], oldest: int, newest: int
) -> Moments:
    """Merge panes oldest..newest of one window over the states, in the given order; Moments [panes, series]."""
    merged = Moments.zero(newest - oldest + 1, len(keys))
    for state in states:
        held = [(series, state.series.slots[key]) for series, key in enumerate(keys) if key in state.series.slots]
        if not held:
            continue
        series, slots = np.array(held, np.int64).T
        merge_into(merged, oldest, series, state.rings[index], slots)
    return merged

"""Which panes of a snapshot can be checked: asked for, kept, complete, and not newer than the snapshot."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from daemon.snapshots.values import StateHead
from estimators.pairs import Ints
from estimators.spec import RingSpec, StreamSpec

#: Without a wish for another start, so much is checked, or two panes of the longest window where these are longer,
#: back from the snapshot's clock or the end that was asked for.
DEFAULT_US: Final = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """Event times [from_us, to_us) as somebody asked for them; None: up to the snapshot's own clock, an hour back."""

    from_us: int | None = None
    to_us: int | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Event times [from_us, to_us)."""

    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True)
class RingPlan:
    """The panes of one window's ring that are to be compared.

    Attributes
    ----------
    window : index in the spec
    first : index of the first pane
    edges_us : int64 [panes + 1], first whole microsecond of each pane, and of the one after the last
    totals_until_us : panes that start at or before it are compared as totals over their series: an overflow, of
        which the log alone does not tell what it sent to `__other__`, may be in them; None where there is none
    """

    window: int
    label: str
    first: int
    edges_us: Ints
    totals_until_us: int | None

    @property
    def panes(self) -> int:
        """How many."""
        return len(self.edges_us) - 1

    @property
    def whole(self) -> list[bool]:
        """Which panes are compared as totals."""
        until_us = self.totals_until_us
        return [until_us is not None and start_us <= until_us for start_us in self.edges_us[:-1].tolist()]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be compared of one stream in one partition.

    Attributes
    ----------
    span : what was asked for, widened to panes of the first window; None before the first record
    complete_from_us : panes that start before it may lack records, and are left out
    clock_us : the snapshot's partition clock; later panes are left out. None before the first record
    kept_from_us : the longest window keeps nothing older; None as above
    rings : in the order of the windows; some may have no pane
    """

    span: Span | None
    complete_from_us: int
    clock_us: int | None
    kept_from_us: int | None
    rings: tuple[RingPlan, ...]

    @property
    def panes(self) -> int:
        """Panes of all rings."""
        return sum(ring.panes for ring in self.rings)

    @property
    def first_us(self) -> int | None:
        """Start of the oldest pane; None where there is no pane."""
        return min((int(ring.edges_us[0]) for ring in self.rings if ring.panes), default=None)

    @property
    def end_us(self) -> int | None:
        """End of the newest pane; None where there is no pane."""
        return max((int(ring.edges_us[-1]) for ring in self.rings if ring.panes), default=None)


def plan_of(head: StateHead, spec: StreamSpec, asked: Asked, missing_before_us: int | None = None) -> Plan:
    """Return the panes that lie in what is asked.

    The range is widened to whole panes of the first window; of the longer windows those panes are taken that lie in it
    whole. `missing_before_us` is the snapshot's: what is missing had been appended by then.
    """
    complete_us = head.complete_from_us
    if missing_before_us is not None:
        complete_us = max(complete_us, missing_before_us + 2 * spec.max_skew_us)
    if head.clock_us is None:
        return Plan(None, complete_us, None, None, ())
    longest = max(spec.rings, key=lambda ring: ring.length_us)
    kept_us = edge_us(longest, _index(longest, head.clock_us) - longest.size + 1)
    span = _span_of(spec, asked, head.clock_us, kept_us)
    plans = []
    for window, ring in enumerate(spec.rings):
        newest = _index(ring, head.clock_us)
        first = max(_first_from(ring, max(span.from_us, complete_us)), newest - ring.size + 1)
        last = max(min(_index(ring, span.to_us) - 1, newest), first - 1)
        edges = np.array([edge_us(ring, pane) for pane in range(first, last + 2)], np.int64)
        plans.append(RingPlan(window, spec.windows[window].label, first, edges, head.overflow_clock_us))
    return Plan(span, complete_us, head.clock_us, kept_us, tuple(plans))


def _span_of(spec: StreamSpec, asked: Asked, clock_us: int, kept_us: int) -> Span:
    """Fill in what was not asked for, and widen to panes of the first window."""
    finest, longest = spec.rings[0], max(spec.rings, key=lambda ring: ring.length_us)
    two_panes_us = -(-2 * longest.length_us // longest.panes_per_window)
    back_us = max(DEFAULT_US, two_panes_us)
    to_us = edge_us(longest, _index(longest, clock_us) + 1) if asked.to_us is None else asked.to_us
    from_us = asked.from_us
    if from_us is None:
        from_us = min(clock_us, to_us) - back_us
        if to_us > kept_us:  # what is not kept is missed only where somebody asks for it
            from_us = max(from_us, kept_us)
    return Span(edge_us(finest, _index(finest, from_us)), edge_us(finest, _index(finest, to_us - 1) + 1))


def edge_us(ring: RingSpec, pane: int) -> int:
    """First whole microsecond t of a pane: the smallest with t x panes / length >= its index."""
    whole, rest = divmod(pane * ring.length_us, ring.panes_per_window)
    return whole + (rest > 0)


def _index(ring: RingSpec, time_us: int) -> int:
    """Pane that holds a time."""
    return time_us * ring.panes_per_window // ring.length_us


def _first_from(ring: RingSpec, time_us: int) -> int:
    """First pane that starts at or after a time."""
    pane = _index(ring, time_us)
    return pane if edge_us(ring, pane) >= time_us else pane + 1

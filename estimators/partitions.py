"""The window state of one stream in one partition, and the one way that records enter it.

    state(partition, offset) = F(spec, records of the partition from complete_from to that offset)

Nothing else enters: no wall clock, no batch border (DESIGN.md section 5). A state is consumed by `absorb` and changed
in place; it is plain arrays, dicts and integers.
"""

from dataclasses import dataclass
from itertools import compress
from typing import Final

import numpy as np

from estimators.admission import Admission, Arrivals, Key, SeriesTable, admit, shrink
from estimators.event_clock import Judgement, Mask, judge
from estimators.kernel import cell_rows
from estimators.moments import Moments
from estimators.pairs import Floats, Ints, Pairs
from estimators.rings import Ring, add, advance, group, new_ring, resize
from estimators.spec import StreamSpec
from estimators.validation import PAIR_REASONS, Rules, reasons_of, validate

#: `complete_from_us` of a log that was read from its first offset.
START_OF_TIME_US: Final = -(2**62)


@dataclass(slots=True)
class PartitionState:
    """Panes of all windows for the series of one partition.

    Attributes
    ----------
    series : the admitted series
    rings : one per window of the spec, in its order
    clock_us : partition clock; None before the first record
    clock_jumps : steps of the clock from one record to the next that are longer than the longest window
    complete_from_us : panes that start at or after it hold all their records
    overflow_clock_us : clock of the newest message that the cap sent to `__other__`; None where there was none
    """

    partition: int
    series: SeriesTable
    rings: list[Ring]
    clock_us: int | None = None
    clock_jumps: int = 0
    complete_from_us: int = START_OF_TIME_US
    overflow_clock_us: int | None = None


@dataclass(frozen=True, slots=True)
class RejectedRecords:
    """Records rejected for one reason, at least one.

    Attributes
    ----------
    offsets : int64 [records], ascending
    pair_reasons : of each `empty` record the reasons that rejected its pairs; empty for other reasons
    """

    offsets: Ints
    pair_reasons: tuple[tuple[str, ...], ...] = ()

    @property
    def count(self) -> int:
        """Number of records."""
        return len(self.offsets)

    @property
    def offset(self) -> int:
        """Offset of the first one."""
        return int(self.offsets[0])


@dataclass(frozen=True, slots=True)
class Absorbed:
    """What became of one batch.

    Attributes
    ----------
    records_accepted, messages : records and messages with an accepted pair
    rejected : by record reason, future, late or empty; only what occurred
    pairs_rejected : by pair reason; only what occurred
    overflow : messages that went to `__other__` because of the cap
    keys : the series that accepted messages count for
    moments : Moments [keys], merged over panes
    last_event_us : int64 [keys]
    event_us : int64 [messages], event times of the accepted messages
    """

    records_accepted: int
    messages: int
    rejected: dict[str, RejectedRecords]
    pairs_rejected: dict[str, int]
    overflow: int
    keys: list[Key]
    moments: Moments
    last_event_us: Ints
    event_us: Ints


def new_state(spec: StreamSpec, partition: int) -> PartitionState:
    """Return the state of a partition before its first record, complete from the start of time."""
    return PartitionState(partition, SeriesTable(), [new_ring(ring.size) for ring in spec.rings])


def begin(state: PartitionState, spec: StreamSpec, first_append_us: int | None) -> None:
    """Note that records before the next one are missing: at the start, or after a gap in the log.

    A missing record was appended before the next one, so its event is at most max_skew ahead of that; a second
    max_skew covers what the missing records did to the clock. None: the log is read from its start.
    """
    if first_append_us is None:
        return
    ring = spec.longest_ring
    missing_until_us = first_append_us + 2 * spec.max_skew_us
    complete_from_us = ring.start_us(ring.pane_of(missing_until_us - 1) + 1)
    state.complete_from_us = max(state.complete_from_us, complete_from_us)


def absorb(state: PartitionState, spec: StreamSpec, pairs: Pairs) -> Absorbed:
    """Take the next messages of the partition into the state, and tell what became of them.

    A record is judged by the clock after itself: `future`, then `late`, then by its pairs; `empty` if none is accepted.
    """
    if not len(pairs.offset):
        return Absorbed(0, 0, {}, {}, 0, *_NO_SERIES, pairs.event_time_us)
    judged = judge(pairs.event_time_us, pairs.append_time_us, state.clock_us, spec)
    state.clock_us = judged.end_us
    state.clock_jumps += judged.jumps
    for ring, geometry in zip(state.rings, spec.rings, strict=True):
        advance(ring, geometry.pane_of(judged.end_us))

    rejected, judgeable, clock_us = _in_time(pairs, judged)
    accepted, pairs_rejected = _accept(judgeable, clock_us, spec.rules)
    records = _distinct(accepted.offset)
    if _distinct(judgeable.offset) > records:
        rejected["empty"] = _empty(judgeable, accepted.offset, spec.rules)

    arrivals = Arrivals(accepted.keys, accepted.event_us, accepted.clock_us, judged.end_us, spec.longest_ring)
    admission = admit(state.series, arrivals, spec.max_series)
    if admission.overflow:
        state.overflow_clock_us = int(accepted.clock_us[admission.last_overflow])
    totals = _fill_rings(state, spec, accepted, admission) if accepted.keys else _NO_SERIES
    _release_room(state)
    return Absorbed(
        records, len(accepted.keys), rejected, pairs_rejected, admission.overflow, *totals, accepted.event_us
    )


@dataclass(frozen=True, slots=True)
class _Accepted:
    """The messages that keep a pair, and those pairs' log ratios in nats."""

    u: Floats
    weight: Floats | None
    first_pair: Ints
    keys: list[Key]
    offset: Ints
    event_us: Ints
    clock_us: Ints


_Totals = tuple[list[Key], Moments, Ints]
_NO_SERIES: Final[_Totals] = ([], Moments.zero(0), np.empty(0, np.int64))


def _in_time(pairs: Pairs, judged: Judgement) -> tuple[dict[str, RejectedRecords], Pairs, Ints]:
    """Leave out what the clock rejects; the pairs of such a record are not looked at."""
    if judged.future is None and judged.late is None:
        return {}, pairs, judged.clock_us
    rejected = {}
    kept = np.ones(len(pairs.offset), np.bool_)
    for reason, mask in (("future", judged.future), ("late", judged.late)):
        if mask is not None:
            rejected[reason] = _rejected(pairs.offset[mask])
            kept &= ~mask
    return rejected, _select(pairs, kept), judged.clock_us[kept]


def _empty(pairs: Pairs, accepted: Ints, rules: Rules) -> RejectedRecords:
    """Tell of the records without an accepted pair why each of their pairs was rejected."""
    offsets = np.setdiff1d(pairs.offset, accepted)
    left = _select(pairs, np.isin(pairs.offset, offsets))
    record = np.repeat(np.searchsorted(offsets, left.offset), np.diff(left.first_pair, append=len(left.log_p)))
    occurred = np.zeros((len(offsets), len(PAIR_REASONS)), np.bool_)
    occurred[record, reasons_of(left.log_p, left.log_q, left.weight, rules)] = True
    return RejectedRecords(offsets, tuple(tuple(compress(PAIR_REASONS, row)) for row in occurred.tolist()))


def _select(pairs: Pairs, kept: Mask) -> Pairs:
    """Return the kept messages with their pairs."""
    counts = np.diff(pairs.first_pair, append=len(pairs.log_p))
    kept_pairs = np.repeat(kept, counts)
    return Pairs(
        log_p=pairs.log_p[kept_pairs],
        log_q=pairs.log_q[kept_pairs],
        weight=None if pairs.weight is None else pairs.weight[kept_pairs],
        first_pair=np.concatenate(([0], np.cumsum(counts[kept])[:-1])) if kept.any() else pairs.first_pair[:0],
        keys=list(compress(pairs.keys, kept.tolist())),
        offset=pairs.offset[kept],
        event_time_us=pairs.event_time_us[kept],
        append_time_us=pairs.append_time_us[kept],
    )


def _accept(pairs: Pairs, clock_us: Ints, rules: Rules) -> tuple[_Accepted, dict[str, int]]:
    """Validate the pairs; a message without an accepted pair is no cluster."""
    if not pairs.keys:
        nothing = np.empty(0)
        return _Accepted(nothing, None, clock_us, [], clock_us, clock_us, clock_us), {}
    valid = validate(pairs.log_p, pairs.log_q, pairs.weight, pairs.first_pair, rules)
    keys, offset, event_us = pairs.keys, pairs.offset, pairs.event_time_us
    if len(valid.message) < len(keys):
        keys = [keys[message] for message in valid.message.tolist()]
        offset, event_us, clock_us = offset[valid.message], event_us[valid.message], clock_us[valid.message]
    return _Accepted(valid.u, valid.weight, valid.first_pair, keys, offset, event_us, clock_us), valid.rejected


def _fill_rings(state: PartitionState, spec: StreamSpec, accepted: _Accepted, admission: Admission) -> _Totals:
    """Reduce the messages to rows of (series, finest pane) once, and add those to every ring."""
    width = len(admission.keys)
    fine = spec.rings[0].panes_of(accepted.event_us)
    oldest = int(fine.min())
    cell = (fine - oldest) * width + admission.series
    rows = cell_rows(
        accepted.u, accepted.weight, accepted.first_pair, cell, accepted.offset, state.partition
    )  # fmt: skip
    pane, series = rows.cell // width + oldest, rows.cell % width
    touched, totals = group(series, rows.moments)

    # A series that is gone again has slot -1: no ring still holds its panes (`PANES_PER_WINDOW_MIN`), `add` drops them.
    for ring, geometry in zip(state.rings, spec.rings, strict=True):
        if ring.capacity < state.series.capacity:
            resize(ring, np.arange(ring.capacity), state.series.capacity)
        coarse = pane // geometry.multiple
        cells, moments = group((coarse - coarse[0]) * width + series, rows.moments)
        add(ring, cells // width + coarse[0], admission.slots[cells % width], moments)

    last_event_us = np.full(width, START_OF_TIME_US)
    np.maximum.at(last_event_us, admission.series, accepted.event_us)
    keys = [key for series in touched.tolist() if (key := admission.keys[series]) is not None]
    return keys, totals, last_event_us[touched]


def _release_room(state: PartitionState) -> None:
    slots = shrink(state.series)
    if slots is not None:
        for ring in state.rings:
            resize(ring, slots, state.series.capacity)


def _distinct(offset: Ints) -> int:
    """Count records; the messages of one are neighbours."""
    return len(offset) and 1 + int(np.count_nonzero(offset[1:] != offset[:-1]))


def _rejected(offset: Ints) -> RejectedRecords:
    return RejectedRecords(np.unique(offset))

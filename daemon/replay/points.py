"""A series over time: each slice of a trace as an estimate of its own, with what the slices before it taught."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from daemon.replay.trace import Trace
from estimators.estimates import Direction, Estimator, Sampler
from estimators.evaluation import estimate
from estimators.intervals import NORMAL_QUANTILE
from estimators.moments import Moments
from estimators.pairs import Floats

#: Slices merge until half of them hold this many messages and pairs, so that an error is known and not too large,
_MESSAGES: Final = 12
_PAIRS: Final = 100
#: but not below this number of slices that hold any, if one of them has a point.
_SLICES_MIN: Final = 8
#: Fewer messages in a slice say nothing worth a point.
_MESSAGES_MIN: Final = 5


@dataclass(frozen=True, slots=True)
class Points:
    """Estimates of consecutive slices, float64 [slices]; NaN where a slice holds too little.

    Attributes
    ----------
    at : middles of the slices, microseconds since the epoch or number of the message
    width : length of a slice, in the same unit
    value, lower, upper : sampler-side divergence in nats with its 95 % interval; +inf where a pair makes it infinite
    ratio_mean, ratio_lower, ratio_upper : self-check, with its 95 % interval
    """

    at: Floats
    width: float
    value: Floats
    lower: Floats
    upper: Floats
    ratio_mean: Floats
    ratio_lower: Floats
    ratio_upper: Floats


def points_of(trace: Trace, series: int, sampled_from: Sampler, resolution: float, estimator: Estimator) -> Points:
    """Estimate every slice of a series by itself.

    Slices do not overlap, so their errors are independent of each other. Adaptive takes its coefficient from the
    slices before, as the daemon does from panes; K is the number of slices.
    """
    own = trace.of(series)
    while _thin(own):
        own = own.coarser()
    side: Direction = "reverse" if sampled_from == "q" else "forward"
    slices = own.moments.shape[1]
    found = estimate(
        _histories(own.moments[0]),
        first=max(slices - 1, 0),
        panes_per_window=max(slices, 1),
        sampled_from=sampled_from,
        resolution=resolution,
        min_messages=_MESSAGES_MIN,
    )
    columns = found.of(side).of(estimator)
    with np.errstate(all="ignore"):
        error = np.where(found.ratio_zscore == 0, 0.0, (found.ratio_mean - 1) / found.ratio_zscore)
    return Points(
        at=own.middles,
        width=2.0**own.level,
        value=columns.value,
        lower=columns.lower,
        upper=columns.upper,
        ratio_mean=found.ratio_mean,
        ratio_lower=found.ratio_mean - NORMAL_QUANTILE * error,
        ratio_upper=found.ratio_mean + NORMAL_QUANTILE * error,
    )


def _thin(trace: Trace) -> bool:
    """Whether slices should merge: none has a point yet, or most hold too few messages and there are enough slices."""
    messages, pairs = (trace.moments.count_of(name)[0] for name in ("messages", "pairs"))
    held = messages > 0
    if messages.max(initial=0) < _MESSAGES_MIN:
        return bool(np.count_nonzero(held) > 1)
    few = np.count_nonzero(held) <= _SLICES_MIN
    return not few and bool(np.median(messages[held]) < _MESSAGES or np.median(pairs[held]) < _PAIRS)


def _histories(slices: Moments) -> Moments:
    """Return Moments [slices, slices]: column k ends with slice k, after those before it and leading empty ones.

    Empty panes before the first one teach nothing, so one evaluation with one pane as the window does for all slices.
    """
    count = slices.shape[0]
    source = np.arange(count)[:, None] - (count - 1 - np.arange(count))
    panes = slices[np.maximum(source, 0)]
    absent = source < 0
    panes.sums[absent], panes.counts[absent], panes.max_u[absent] = 0.0, 0, -np.inf
    return panes

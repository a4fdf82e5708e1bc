"""What the numbers of a series mean now: drift, quiet, not comparable, or not to be told. Pure, over one StreamBoard.

The rule is that of the alerts, so that a page and a pager agree (DESIGN.md, section 7). With the second window as the
long one and the first as the short one (a stream with one window takes it for both), a threshold is passed where

    long value x exp(-4 se / long value) > threshold, se the larger of the message error and the pane error,
    and short value > threshold, and the long window's pairs do not fail the self-check.

The first state that holds decides:

    infinite        the long window holds a pair that the other distribution rules out
    not_comparable  the long window fails the self-check
    drift           a threshold is passed
    no_data         the long estimate is withheld, the short window is empty, or the long value passes a threshold and
                    the short estimate, which would confirm it, is withheld
    measuring       no threshold is configured, so there is nothing to judge by
    incomplete      no threshold is passed, but one of the two windows has not been read as a whole
    quiet           no threshold is passed

An incomplete window keeps its findings: the pairs that were read show them, and the sentence says so. It only cannot
show that there is nothing to find.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from daemon.board import StreamBoard, Threshold, WindowBoard
from estimators.estimates import Direction
from estimators.pairs import Floats

State = Literal["infinite", "not_comparable", "drift", "no_data", "incomplete", "measuring", "quiet"]

#: The worst first.
STATES: Final[tuple[State, ...]] = get_args(State)
#: States that somebody has to look at.
FINDINGS: Final[tuple[State, ...]] = ("infinite", "not_comparable", "drift")

#: Standard errors of log value that a drift must be sure by (DESIGN.md, section 7).
SURE: Final = 4.0

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Judged:
    """The state of every series of a stream, as columns.

    Attributes
    ----------
    states : [series]
    thresholds : [series]
        The threshold that was passed, of several the highest; where none was, the one that the value comes nearest
        to; None where none is configured or the state is `infinite` or `not_comparable`, which no threshold decides.
    """

    states: tuple[State, ...]
    thresholds: tuple[Threshold | None, ...]


def sure_nats(window: WindowBoard, direction: Direction) -> Floats:
    """Return what a drift has above its threshold: value x exp(-4 se / value), nats [series]; NaN is not known."""
    side = window.estimates.of(direction)
    value = side.adaptive.value
    with np.errstate(all="ignore"):
        error = np.fmax(side.adaptive.standard_error, side.pane_standard_error)
        sure: Floats = value * np.exp(-SURE * error / value)
    return sure


def judge(stream: StreamBoard) -> Judged:
    """Return the state of every series, in the order of the stream's `keys`."""
    series = len(stream.keys)
    long, short = stream.long_window, stream.short_window
    infinite, broken = long.estimates.infinite == 1, long.estimates.comparable == 0
    # The highest last, so that of several that are passed it is the one that stays.
    thresholds = sorted(stream.thresholds, key=lambda threshold: threshold.nats)
    passed, nearest, unconfirmed = np.full(series, -1), np.zeros(series, np.int64), np.zeros(series, np.bool_)
    nearness = np.full(series, -np.inf)
    for place, threshold in enumerate(thresholds):
        sure = sure_nats(long, threshold.direction) > threshold.nats
        now = short.estimates.of(threshold.direction).adaptive.value
        passed[sure & (now > threshold.nats)] = place
        unconfirmed |= sure & np.isnan(now)
        near = np.nan_to_num(long.estimates.of(threshold.direction).adaptive.value / threshold.nats)
        closer = near > nearness
        nearest[closer], nearness[closer] = place, near[closer]
    silent = (short.estimates.total.count_of("messages") == 0) | _withheld(long) | unconfirmed
    incomplete = (long.complete != 1) | (short.complete != 1)
    decided: dict[State, Flags] = {
        "infinite": infinite,
        "not_comparable": broken,
        "drift": passed >= 0,
        "no_data": silent,
        "measuring": np.full(series, not thresholds),
        "incomplete": incomplete,
        "quiet": np.ones(series, np.bool_),
    }
    names = tuple(decided)
    states = tuple(names[row] for row in np.argmax(np.stack(list(decided.values())), axis=0).tolist())
    told = np.where(passed >= 0, passed, nearest).tolist()
    return Judged(
        states,
        tuple(
            None if state in ("infinite", "not_comparable") or not thresholds else thresholds[place]
            for state, place in zip(states, told, strict=True)
        ),
    )


def _withheld(window: WindowBoard) -> Flags:
    """Where there are too few messages for an estimate: no ratio mean, whatever the direction."""
    return np.isnan(window.estimates.ratio_mean)

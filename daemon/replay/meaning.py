"""Numbers behind the sentences of a replay: what a divergence means, and how much more data it takes. Pure."""

from math import ceil, exp, inf, isfinite, log, nan, sqrt
from typing import Final

from daemon.replay.results import Outcome, ratio_error
from estimators.intervals import NORMAL_QUANTILE
from estimators.selfcheck import DIVERGENCE_SHARE, Z_LIMIT
from estimators.summary import Summary

#: An interval of this reach, as a part of the value, is taken for sure enough.
_REACH: Final = 0.1
#: |z| within which a mean agrees with 1.
AGREES: Final = 3.0
#: Outcomes of which so many were to be expected may be missing.
_MISSED: Final = 7.0
#: e^x of a larger x leaves the range of a double.
_EXPONENT_MAX: Final = 700.0


def typical_ratio(summary: Summary, sampler: str) -> float:
    """Return the factor by which the two probabilities of a typical outcome differ: e^(root mean square of u).

    u = log other - log sampler; its mean square is twice k2, so it needs no pairs. 1 where the sides are equal; inf
    where a pair has other probability 0.
    """
    k2 = (summary.reverse if sampler == "q" else summary.forward).k2
    if not k2 >= 0:
        return nan
    size = sqrt(2 * k2)
    return exp(size) if size < _EXPONENT_MAX else inf


def messages_for_interval(messages: int, value: float, standard_error: float) -> int | None:
    """Return how many more messages make the 95 % interval reach no further than 10 % of the value.

    The error falls with the root of the messages: N (1.96 SE / (0.1 value))^2 in all. 0: enough; None: not known.
    """
    if not (value > 0 and standard_error >= 0 and isfinite(value)):
        return None
    return _more(messages, NORMAL_QUANTILE * standard_error / (_REACH * value))


def messages_for_self_check(messages: int, error: float, sampler_side_fixed: float, resolution: float) -> int | None:
    """Return how many more messages decide the self-check if the log is right: 5 SE(ratio mean) <= its bound.

    The bound is max(0.1 x sampler-side fixed, resolution). 0: enough; None: not known.
    """
    bound = max(DIVERGENCE_SHARE * sampler_side_fixed, resolution)
    if not (error >= 0 and bound > 0 and isfinite(bound)):
        return None
    return _more(messages, Z_LIMIT * error / bound)


def looks_swapped(summary: Summary, outcome: Outcome | None) -> bool:
    """Tell whether x seems to have been drawn from the other side: E[r] is above 1, and E[1/r] is 1 instead.

    A right log has E_S[r] <= 1, and E_S[1/r] > 1. The inverse must be known well enough to tell.
    """
    error, deviation = ratio_error(summary), summary.ratio_mean - 1
    if outcome is None or not (deviation > Z_LIMIT * error):
        return False
    away = abs(outcome.inverse_mean - 1)
    return away <= AGREES * outcome.inverse_error and Z_LIMIT * outcome.inverse_error < deviation


def missed_ratio(summary: Summary, sampler: str) -> float | None:
    """Return the r that outcomes had to have which chance may have kept out of the sample; None: too large to be true.

    Outcomes of sampler probability 7 / messages stay out of one sample in 1000 (e^-7). To explain a gap they need
    r = gap x messages / 7, which is no wonder below the cube of a typical outcome's factor.
    """
    needed = summary.support_gap * summary.messages / _MISSED
    return needed if log(needed) <= 3 * log(typical_ratio(summary, sampler)) else None


def drawn_elsewhere(summary: Summary) -> bool:
    """Tell whether x was surely not drawn from the sampler that was logged, so that no estimate is a divergence."""
    return summary.comparable is False and summary.ratio_mean > 1


def identical(summary: Summary) -> bool:
    """Tell whether both sides are the same number in every pair."""
    return summary.reverse.k2 == 0 and summary.ratio_mean == 1


def _more(messages: int, ratio: float) -> int:
    return max(0, ceil(messages * ratio**2 - messages))

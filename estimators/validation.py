"""Which pairs may enter a sum: every pair that may not is counted by its reason, and touches nothing else."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from estimators.estimates import Sampler
from estimators.pairs import Floats, Ints

#: Reasons by which a single pair is rejected.
PAIR_REASONS: Final = ("nan", "sampler_zero", "positive", "weight", "zero_weight", "sentinel")

#: Log-probabilities and log-densities beyond this size, and weights outside these bounds, would make squares overflow
#: or vanish; they are rejected under the reason of their kind.
LOG_LIMIT: Final = 1e60
WEIGHT_MIN: Final = 1e-60
WEIGHT_MAX: Final = 1e12

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a stream promises of its pairs.

    Attributes
    ----------
    sampled_from : "q" or "p"
        The distribution that x was drawn from.
    kind : "discrete" or "density"
        A log-density may be positive.
    sentinel_below : float
        Finite log-probabilities at or below it stand for "not known"; in the log's own unit.
    positive_tolerance : float
        Nats by which a log-probability may exceed 0 (rounding); such a value is used unchanged.
    nats_per_unit : float
        Natural logarithm of the base of the logs.
    """

    sampled_from: Sampler = "q"
    kind: Literal["discrete", "density"] = "discrete"
    sentinel_below: float = -9000.0
    positive_tolerance: float = 1e-3
    nats_per_unit: float = 1.0


@dataclass(frozen=True, slots=True)
class Validated:
    """The pairs that are left.

    Attributes
    ----------
    u : float64 [pairs]
        log other - log sampler in nats, not clamped; -inf where O(x) = 0.
    weight : float64 [pairs] or None
        None where every weight is 1.
    first_pair : int64 [messages]
        Only messages that keep a pair.
    message : int64 [messages]
        Their index among the messages that came in.
    rejected : dict of str to int
        Pairs by reason; only reasons that occurred.
    """

    u: Floats
    weight: Floats | None
    first_pair: Ints
    message: Ints
    rejected: dict[str, int]


def validate(log_p: Floats, log_q: Floats, weight: Floats | None, first_pair: Ints, rules: Rules) -> Validated:
    """Keep the pairs that may be used.

    Parameters
    ----------
    log_p, log_q : float64 [pairs]
        Log-probabilities in the log's own unit; -inf is probability 0.
    weight : float64 [pairs] or None
    first_pair : int64 [messages]
        Strictly ascending from 0, as in `Pairs`.
    rules : Rules

    Returns
    -------
    Validated
        The first reason that hits decides: `sentinel`; `nan` (a NaN, a +inf, or both sides -inf); `sampler_zero`
        (S(x) = 0 although x was drawn); `positive`; `weight` (not finite, negative, above 1e12); `zero_weight` (0, or
        below 1e-60).
    """
    log_other, log_sampler = (log_p, log_q) if rules.sampled_from == "q" else (log_q, log_p)
    lowest, highest = _bounds(rules)
    if _all_usable(log_other, log_sampler, weight, lowest, highest):
        u = _log_ratio(log_other, log_sampler, rules.nats_per_unit)
        return Validated(u, weight, first_pair, np.arange(first_pair.size), {})
    rejected: dict[str, int] = {}
    keep = np.ones(log_p.size, np.bool_)
    for reason, hit in _faults(log_other, log_sampler, weight, lowest, highest):
        first_hit = hit & keep
        if count := int(np.count_nonzero(first_hit)):
            rejected[reason] = count
            keep ^= first_hit
    if rejected:
        log_other, log_sampler = log_other[keep], log_sampler[keep]
        weight = None if weight is None else weight[keep]
    first_pair, message = _remaining(keep, first_pair)
    return Validated(_log_ratio(log_other, log_sampler, rules.nats_per_unit), weight, first_pair, message, rejected)


def reasons_of(log_p: Floats, log_q: Floats, weight: Floats | None, rules: Rules) -> Ints:
    """Return which reason rejects each pair: int64 [pairs], indexes of PAIR_REASONS, -1 for a pair that may be used."""
    log_other, log_sampler = (log_p, log_q) if rules.sampled_from == "q" else (log_q, log_p)
    reasons = np.full(log_p.size, -1, np.int64)
    for reason, hit in _faults(log_other, log_sampler, weight, *_bounds(rules)):
        reasons[hit & (reasons < 0)] = PAIR_REASONS.index(reason)
    return reasons


def _bounds(rules: Rules) -> tuple[float, float]:
    """Return what logs have to be above, and at most, in their own unit."""
    highest = (rules.positive_tolerance if rules.kind == "discrete" else LOG_LIMIT) / rules.nats_per_unit
    return max(rules.sentinel_below, -LOG_LIMIT), highest


def _all_usable(log_other: Floats, log_sampler: Floats, weight: Floats | None, lowest: float, highest: float) -> bool:
    """Tell by a few reductions that nothing is to be rejected; a NaN fails every comparison."""
    if log_other.size == 0:
        return True
    in_range = all(bool(logs.min() > lowest) and bool(logs.max() <= highest) for logs in (log_other, log_sampler))
    return in_range and (weight is None or bool(weight.min() >= WEIGHT_MIN and weight.max() <= WEIGHT_MAX))


def _faults(
    log_other: Floats, log_sampler: Floats, weight: Floats | None, lowest: float, highest: float
) -> list[tuple[str, Bools]]:
    """Where each reason would hit, in the order in which they decide."""
    other_zero, sampler_zero = np.isneginf(log_other), np.isneginf(log_sampler)
    not_numbers = np.isnan(log_other) | np.isnan(log_sampler) | np.isposinf(log_other) | np.isposinf(log_sampler)
    faults = [
        ("sentinel", ((log_other <= lowest) & ~other_zero) | ((log_sampler <= lowest) & ~sampler_zero)),
        ("nan", not_numbers | (other_zero & sampler_zero)),
        ("sampler_zero", sampler_zero),
        ("positive", (log_other > highest) | (log_sampler > highest)),
    ]
    if weight is not None:
        faults.append(("weight", ~((weight >= 0) & (weight <= WEIGHT_MAX))))
        faults.append(("zero_weight", weight < WEIGHT_MIN))
    return faults


def _log_ratio(log_other: Floats, log_sampler: Floats, nats_per_unit: float) -> Floats:
    """Return u in nats."""
    u = log_other - log_sampler
    if nats_per_unit != 1.0:
        u *= nats_per_unit
    return u


def _remaining(keep: Bools, first_pair: Ints) -> tuple[Ints, Ints]:
    """Return the first pairs of the messages that keep one, and those messages."""
    kept = np.add.reduceat(keep, first_pair, dtype=np.int64)
    message = np.flatnonzero(kept)
    kept = kept[message]
    return np.cumsum(kept) - kept, message

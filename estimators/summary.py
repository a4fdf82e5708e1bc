"""Estimates of one series as plain numbers: for a notebook, for JSON, for whatever prints a series."""

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from estimators.estimates import (
    DIRECTIONS,
    ESTIMATORS,
    Columns,
    Direction,
    DirectionEstimates,
    Estimates,
    Estimator,
    Sampler,
)
from estimators.report import summary_text


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value in nats with its standard error and 95 % interval; NaN is absent."""

    value: float
    standard_error: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class DirectionSummary:
    """One direction by every estimator; attributes as those of `DirectionEstimates`."""

    naive: Estimate
    fixed: Estimate
    fitted: Estimate
    adaptive: Estimate
    k2: float
    control_variate_lambda: float
    pane_standard_error: float
    variance_ratio_naive: float
    variance_ratio_fixed: float

    def of(self, estimator: Estimator) -> Estimate:
        """Estimate by the named estimator."""
        estimate: Estimate = getattr(self, estimator)
        return estimate

    def to_dict(self) -> dict[str, Any]:
        """Return nested dictionaries fit for JSON: what is absent or infinite is None."""
        estimates: dict[str, Any] = {
            name: {
                "value": _json(self.of(name).value),
                "standard_error": _json(self.of(name).standard_error),
                "lower": _json(self.of(name).lower),
                "upper": _json(self.of(name).upper),
            }
            for name in ESTIMATORS
        }
        return {
            **estimates,
            "k2": _json(self.k2),
            "lambda": _json(self.control_variate_lambda),
            "pane_standard_error": _json(self.pane_standard_error),
            "variance_ratio": {"naive": _json(self.variance_ratio_naive), "fixed": _json(self.variance_ratio_fixed)},
        }


@dataclass(frozen=True, slots=True, repr=False)
class Summary:
    """All that is known of one window of one series; its repr is a table for people.

    Attributes
    ----------
    messages, pairs, blocks : int
        What was used; blocks (or panes) are the neighbourhoods that adaptive learns across.
    zero_other_pairs : int
        Pairs with O(x) = 0; one makes the sampler's side infinite.
    ratio_mean, ratio_zscore, support_gap : float
        Mean of r, its distance from 1 in standard errors, and 1 - ratio mean.
    comparable : bool or None
        Whether the pairs pass the self-check; None: this many messages cannot tell.
    infinite : bool
    effective_sample_ratio : float
        Effective sample size over pairs.
    reverse, forward : DirectionSummary
        KL(q||p) and KL(p||q).
    sampled_from : "q" or "p"
    rejected : dict of str to int
        Pairs that were not used, by reason.
    """

    messages: int
    pairs: int
    blocks: int
    zero_other_pairs: int
    ratio_mean: float
    ratio_zscore: float
    support_gap: float
    comparable: bool | None
    infinite: bool
    effective_sample_ratio: float
    reverse: DirectionSummary
    forward: DirectionSummary
    sampled_from: Sampler
    rejected: dict[str, int] = field(default_factory=dict)

    def of(self, direction: Direction) -> DirectionSummary:
        """Summary of the named direction."""
        return self.reverse if direction == "reverse" else self.forward

    def to_dict(self) -> dict[str, Any]:
        """Return nested dictionaries fit for JSON: what is absent or infinite is None."""
        return {
            "messages": self.messages,
            "pairs": self.pairs,
            "blocks": self.blocks,
            "ratio_mean": _json(self.ratio_mean),
            "ratio_zscore": _json(self.ratio_zscore),
            "support_gap": _json(self.support_gap),
            "comparable": self.comparable,
            "infinite": self.infinite,
            "effective_sample_ratio": _json(self.effective_sample_ratio),
            **{direction: self.of(direction).to_dict() for direction in DIRECTIONS},
        }

    def __repr__(self) -> str:
        return summary_text(self)


def summary_of(
    estimates: Estimates, series: int, sampled_from: Sampler, rejected: dict[str, int] | None = None
) -> Summary:
    """Return one series of a window as plain numbers; `rejected` are its pairs that were not used, by reason."""
    comparable = float(estimates.comparable[series])
    return Summary(
        messages=int(estimates.total.count_of("messages")[series]),
        pairs=int(estimates.total.count_of("pairs")[series]),
        blocks=int(estimates.blocks[series]),
        zero_other_pairs=int(estimates.total.count_of("zero_other")[series]),
        ratio_mean=float(estimates.ratio_mean[series]),
        ratio_zscore=float(estimates.ratio_zscore[series]),
        support_gap=float(estimates.support_gap[series]),
        comparable=bool(comparable) if isfinite(comparable) else None,
        infinite=bool(estimates.infinite[series]),
        effective_sample_ratio=float(estimates.effective_sample_ratio[series]),
        reverse=_direction_summary(estimates.reverse, series),
        forward=_direction_summary(estimates.forward, series),
        sampled_from=sampled_from,
        rejected=dict(rejected or {}),
    )


def _direction_summary(direction: DirectionEstimates, series: int) -> DirectionSummary:
    return DirectionSummary(
        naive=_estimate(direction.naive, series),
        fixed=_estimate(direction.fixed, series),
        fitted=_estimate(direction.fitted, series),
        adaptive=_estimate(direction.adaptive, series),
        k2=float(direction.k2[series]),
        control_variate_lambda=float(direction.control_variate_lambda[series]),
        pane_standard_error=float(direction.pane_standard_error[series]),
        variance_ratio_naive=float(direction.variance_ratio_naive[series]),
        variance_ratio_fixed=float(direction.variance_ratio_fixed[series]),
    )


def _estimate(columns: Columns, series: int) -> Estimate:
    return Estimate(
        value=float(columns.value[series]),
        standard_error=float(columns.standard_error[series]),
        lower=float(columns.lower[series]),
        upper=float(columns.upper[series]),
    )


def _json(number: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return number if isfinite(number) else None

"""Estimates of one window for many series at once: values, errors, intervals and the self-check, as columns."""

from dataclasses import dataclass
from typing import Final, Literal

from estimators.moments import Moments
from estimators.pairs import Floats

Direction = Literal["reverse", "forward"]
Estimator = Literal["naive", "fixed", "fitted", "adaptive"]
Sampler = Literal["p", "q"]

DIRECTIONS: Final[tuple[Direction, ...]] = ("reverse", "forward")
ESTIMATORS: Final[tuple[Estimator, ...]] = ("naive", "fixed", "fitted", "adaptive")


@dataclass(frozen=True, slots=True)
class Columns:
    """One estimator over series, in nats; NaN is absent, +inf only where a pair with O(x) = 0 makes the truth infinite.

    Attributes
    ----------
    value, standard_error, lower, upper : float64 [series]
        Estimate, cluster-robust standard error, and the 95 % log-t interval (plain t for sampler-side naive).
    """

    value: Floats
    standard_error: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, slots=True)
class DirectionEstimates:
    """KL(q||p) (reverse) or KL(p||q) (forward) by every estimator; each column float64 [series], NaN where absent."""

    naive: Columns
    fixed: Columns
    fitted: Columns
    adaptive: Columns
    k2: Floats  # biased, sampler side only (NaN on the other side)
    control_variate_lambda: Floats  # coefficient of r - 1 that the newest (open) pane uses
    pane_standard_error: Floats  # between-pane, of adaptive; NaN below 8 non-empty panes
    variance_ratio_naive: Floats  # variance of naive over adaptive
    variance_ratio_fixed: Floats  # variance of fixed over adaptive
    adaptive_sums: Floats | None = None  # [series, 3]: Y, YY, YW, which add up across replicas

    def of(self, estimator: Estimator) -> Columns:
        """Columns of the named estimator."""
        columns: Columns = getattr(self, estimator)
        return columns


@dataclass(frozen=True, slots=True)
class Estimates:
    """All that is known of one window of many series; NaN where absent, which is never 0.

    Attributes
    ----------
    total : Moments [series]
        Everything merged; the counts are exact.
    blocks : float64 [series]
        Panes (or blocks) of the window that hold a message.
    ratio_mean, ratio_zscore, support_gap : float64 [series]
        Mean of r, (ratio mean - 1) / SE, 1 - ratio mean.
    comparable : float64 [series]
        1 yes, 0 no, NaN inconclusive.
    infinite : float64 [series]
        1 where the window holds a pair with O(x) = 0.
    effective_sample_ratio : float64 [series]
        Effective sample size over pairs.
    """

    total: Moments
    blocks: Floats
    ratio_mean: Floats
    ratio_zscore: Floats
    support_gap: Floats
    comparable: Floats
    infinite: Floats
    effective_sample_ratio: Floats
    reverse: DirectionEstimates
    forward: DirectionEstimates

    def of(self, direction: Direction) -> DirectionEstimates:
        """Estimates of the named direction."""
        return self.reverse if direction == "reverse" else self.forward

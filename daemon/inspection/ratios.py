"""Means over pairs with errors over messages: the few statistics that all of the evidence is made of."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from estimators.pairs import Floats, Ints
from estimators.ratios import centred_square, standard_error

#: Beyond it a log ratio is cut off: e^30 decides everything already, and squares stay finite.
LOG_RATIO_LIMIT: Final = 30.0


class Mean(NamedTuple):
    """A mean, its cluster-robust standard error (NaN below two messages), and its distance from `null` in errors."""

    value: float
    error: float
    zscore: float


@dataclass(frozen=True, slots=True)
class Ratios:
    """Usable pairs of a sample.

    Attributes
    ----------
    d : float64 [pairs]
        log q - log p in the log's own unit, within +-LOG_RATIO_LIMIT; where a side is 0 it is that limit.
    weight : float64 [pairs] or None
        None where every weight is 1.
    first_pair : int64 [messages]
    outcome : float64 [pairs] or None
        The same number where the same two logs stand again; None where that is not known.
    censored : bool
        Whether small probabilities of either side were rounded to 0, so that what is left of the pairs is a choice.
    """

    d: Floats
    weight: Floats | None
    first_pair: Ints
    outcome: Floats | None = None
    censored: bool = False

    @property
    def messages(self) -> int:
        """Clusters."""
        return int(self.first_pair.size)

    @property
    def pairs(self) -> int:
        """All of them."""
        return int(self.d.size)

    @property
    def concentration(self) -> float:
        """Sum of squared shares of distinct pairs of logs: rounding errs in one way wherever the same ones stand."""
        if self.outcome is None:
            return 1 / self.pairs
        _, counts = np.unique(self.outcome, return_counts=True)
        return float((counts / self.pairs) @ (counts / self.pairs))

    def sums(self, values: Floats) -> tuple[Floats, Floats]:
        """Return per message the weighted sum of values [pairs], and of the weights."""
        if self.weight is None:
            weights = np.diff(self.first_pair, append=self.pairs).astype(np.float64)
            return np.add.reduceat(values, self.first_pair), weights
        return (
            np.add.reduceat(values * self.weight, self.first_pair),
            np.add.reduceat(self.weight, self.first_pair),
        )

    def mean(self, values: Floats, null: float) -> Mean:
        """Mean of values [pairs] with its error; z is infinite where nothing varies and the mean is not `null`."""
        total, weight = self.sums(values)
        value = float(total.sum() / weight.sum())
        square = centred_square(
            np.asarray((total * total).sum()),
            np.asarray((total * weight).sum()),
            np.asarray((weight * weight).sum()),
            np.asarray(value),
        )
        error = float(standard_error(square, np.asarray(weight.sum()), np.asarray(float(self.messages))))
        deviation = value - null
        if error > 0:
            return Mean(value, error, deviation / error)
        return Mean(value, error, float(np.copysign(np.inf, deviation)) if error == 0 and deviation else 0.0)

    def largest_share(self, values: Floats) -> float:
        """Share of the largest message in the sum of non-negative values [pairs]."""
        total, _ = self.sums(values)
        return float(total.max() / total.sum()) if total.sum() > 0 else 1.0

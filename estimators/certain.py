"""Pairs in which both sides call the outcome certain: log-probability 0 on both.

They are either placeholders of positions that no model chose (prompts, tool output, padding), which a mask ought to
leave out, or outcomes that were certain. Both add 0 to every divergence. What tells them apart: among certain outcomes
many are only nearly so, among placeholders none is; and a decision that is logged alone is no position of a sequence.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from estimators.pairs import Floats, Ints
from estimators.validation import WEIGHT_MAX, WEIGHT_MIN

#: Below this size of the logarithm an outcome is nearly certain.
_NEAR: Final = 1e-4
#: Placeholders outnumber the nearly certain pairs by more than certain outcomes of a real model do.
_OUTNUMBER: Final = 5
_WEIGHT, _PAIRS, _NEARLY, _ALONE = range(4)


@dataclass(frozen=True, slots=True)
class Certain:
    """Sums per series.

    Attributes
    ----------
    sums : float64 [series, 4]
        Of the pairs with 0 on both sides: weight, number; number of the nearly certain pairs; and of those with 0 on
        both sides how many were logged alone, as the only pair of their message.
    """

    sums: Floats

    @classmethod
    def empty(cls) -> Self:
        """Return the state before the first message."""
        return cls(np.zeros((0, 4)))

    def absorb(self, log_p: Floats, log_q: Floats, weight: Floats | None, first_pair: Ints, series: Ints) -> Self:
        """Return the state with more whole messages, as they were decoded; `series` is int64 [messages]."""
        if series.size == 0:
            return self
        count = max(self.sums.shape[0], int(series.max()) + 1)
        sums = np.zeros((count, 4))
        sums[: self.sums.shape[0]] = self.sums
        both = np.maximum(np.abs(log_p), np.abs(log_q))  # NaN stays NaN, and is neither
        zero, near = both == 0, both < _NEAR
        if weight is not None:
            usable = (weight >= WEIGHT_MIN) & (weight <= WEIGHT_MAX)
            zero, near = zero & usable, near & usable
        lengths = np.diff(first_pair, append=log_p.size)
        owner = np.repeat(series, lengths)
        columns = (
            (_WEIGHT, zero * (1.0 if weight is None else weight)),
            (_PAIRS, zero),
            (_NEARLY, near & ~zero),
            (_ALONE, zero & np.repeat(lengths == 1, lengths)),
        )
        for column, term in columns:
            sums[:, column] += np.bincount(owner, term, count)
        return type(self)(sums)

    def pairs(self, series: int) -> int:
        """Count the pairs with 0 on both sides."""
        return int(self.sums[series, _PAIRS])

    def weight(self, series: int) -> float:
        """Sum their weights."""
        return float(self.sums[series, _WEIGHT])

    def placeholders(self, series: int) -> bool:
        """Tell whether they look like placeholders rather than like outcomes that were certain."""
        _, pairs, nearly, alone = self.sums[series].tolist()
        return bool(pairs > _OUTNUMBER * nearly and alone < pairs / 2)

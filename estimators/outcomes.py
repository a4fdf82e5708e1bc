"""What a log says of outcomes besides divergences: how many would differ, and whether the sides may be swapped.

From pairs, not from moments: for a file that is read once. The daemon's moments do not hold it.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from estimators.estimates import Columns
from estimators.intervals import plain_interval
from estimators.pairs import Floats, Ints
from estimators.ratios import centred_square, standard_error
from estimators.values import U_MAX

#: Over messages m: W_m = sum w, T_m = sum w (1 - r)+, V_m = sum w (1/r - 1).
_SUMS: Final = ("messages", "W", "WW", "T", "TT", "TW", "V", "VV", "VW")
_AT: Final = {name: column for column, name in enumerate(_SUMS)}


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Sums per series; adding two of them takes both samples together.

    Attributes
    ----------
    sums : float64 [series, len(_SUMS)]
    """

    sums: Floats

    @classmethod
    def empty(cls) -> Self:
        """Return the state before the first message."""
        return cls(np.zeros((0, len(_SUMS))))

    def absorb(self, u: Floats, weight: Floats | None, first_pair: Ints, series: Ints) -> Self:
        """Return the state with more whole messages; u, weight and first_pair as `validate` returns them.

        Parameters
        ----------
        series : int64 [messages]
            Index of the message's series; the state grows to hold the largest.
        """
        if series.size == 0:
            return self
        count = max(self.sums.shape[0], int(series.max()) + 1)
        sums = np.zeros((count, len(_SUMS)))
        sums[: self.sums.shape[0]] = self.sums
        w = np.ones(u.size) if weight is None else weight
        # No cancellation, and 1 where O(x) = 0.
        moved = -np.expm1(np.minimum(u, 0.0))
        inverse = np.expm1(np.minimum(-u, U_MAX))
        message_w, t, v = (np.add.reduceat(column, first_pair) for column in (w, w * moved, w * inverse))
        terms = {
            "messages": np.ones(series.size),
            "W": message_w,
            "WW": message_w**2,
            "T": t,
            "TT": t**2,
            "TW": t * message_w,
            "V": v,
            "VV": v**2,
            "VW": v * message_w,
        }
        for name, term in terms.items():
            sums[:, _AT[name]] += np.bincount(series, term, count)
        return type(self)(sums)

    def total_variation(self) -> Columns:
        """Return the total variation distance: the share of outcomes that the other model would have drawn otherwise.

        TV = sum over x of (S(x) - O(x))+ = E_S[(1 - r)+], the least share that differs where both draw together as
        well as they can. Unbiased whatever the supports are, since every term with S(x) = 0 is 0. Cluster-robust
        error and plain t interval, cut to [0, 1]; float64 [series].
        """
        value, error = self._mean("T")
        lower, upper = plain_interval(value, error, self.sums[:, _AT["messages"]])
        return Columns(value, error, np.maximum(lower, 0.0), np.minimum(upper, 1.0))

    def inverse_ratio_mean(self) -> tuple[Floats, Floats]:
        """Return the mean of 1/r and its error: it is 1 if x was drawn from the other side; float64 [series]."""
        value, error = self._mean("V")
        return 1.0 + value, error

    def weight(self) -> Floats:
        """Return the weight total, float64 [series]."""
        weight: Floats = self.sums[:, _AT["W"]]
        return weight

    def _mean(self, name: str) -> tuple[Floats, Floats]:
        messages, weight, ww = (self.sums[:, _AT[each]] for each in ("messages", "W", "WW"))
        squares, products = self.sums[:, _AT[name * 2]], self.sums[:, _AT[f"{name}W"]]
        with np.errstate(all="ignore"):
            value = self.sums[:, _AT[name]] / weight
            return value, standard_error(centred_square(squares, products, ww, value), weight, messages)

"""The coefficient of the control variate, and the sums that it corrects.

Every value of a side is phi + delta c, phi the fixed one (kl_so or kl_os) and c = r - 1 with mean 0: delta = 0 is
fixed, and lambda, the coefficient of r - 1 in what people write, is 1 + delta on the sampler's side (-u + lambda c)
and -1 + delta on the other (r u + lambda c). `naive` is lambda = 0. DESIGN.md, section 4.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from estimators.moments import SUM
from estimators.pairs import Floats
from estimators.ratios import centred_product, centred_square

#: S: KL(sampler || other). O: KL(other || sampler).
Side = Literal["S", "O"]

#: lambda of `fixed`, and delta of `naive`.
FIXED_LAMBDA: Final[dict[Side, float]] = {"S": 1.0, "O": -1.0}
NAIVE_DELTA: Final[dict[Side, float]] = {"S": -1.0, "O": 1.0}
#: Largest |delta| that adaptive uses; on the sampler's side lambda is a covariance that cannot be negative, so 0 to 2.
_DELTA_LIMIT: Final[dict[Side, float]] = {"S": 1.0, "O": 2.0}
#: Messages at which an estimated coefficient counts half.
_SHRINK_MESSAGES: Final = 100.0

#: The tail guard looks at this many of the largest pane maxima, needs this many, and acts from this tail index on.
_TAIL_MAXIMA: Final = 12
_TAIL_MAXIMA_MIN: Final = 3
_TAIL_INDEX: Final = 0.5


def optimal_delta(sums: Floats, side: Side) -> Floats:
    """Coefficient that minimises the variance on these sums, -Cov(phi, c) / Var(c); 0 where c does not vary.

    Parameters
    ----------
    sums : float64 [len(SUMS), ...]
        Columns of `Moments.sums`, first.
    side : "S" or "O"
    """
    weight = np.where(sums[SUM["W"]] > 0, sums[SUM["W"]], 1.0)
    c_mean, phi_mean = sums[SUM["C"]] / weight, sums[SUM[f"{side}F"]] / weight
    wc, ww = sums[SUM["WC"]], sums[SUM["WW"]]
    c_square = centred_square(sums[SUM["CC"]], wc, ww, c_mean)
    product = centred_product(sums[SUM[f"{side}FC"]], sums[SUM[f"{side}FW"]], wc, ww, phi_mean, c_mean)
    varies = c_square > 0
    return np.where(varies, -product / np.where(varies, c_square, 1.0), 0.0)


def adaptive_delta(history: Floats, messages: Floats, side: Side, heavy_tail: NDArray[np.bool_]) -> Floats:
    """Coefficient for a pane from the decayed moments of earlier panes: shrunk, clipped, and guarded.

    Parameters
    ----------
    history : float64 [len(SUMS), ...]
    messages : float64 [...]
        Decayed count of messages; below 2 the coefficient is 0.
    side : "S" or "O"
    heavy_tail : bool [...]
        Where it is set, the sampler's side uses lambda = 0, whose tail is light.
    """
    shrunk = optimal_delta(history, side) * (messages / (messages + _SHRINK_MESSAGES))
    limit = _DELTA_LIMIT[side]
    delta = np.where(messages >= 2, np.clip(shrunk, -limit, limit), 0.0)
    return np.where(heavy_tail, NAIVE_DELTA["S"], delta) if side == "S" else delta


@dataclass(frozen=True, slots=True)
class Corrected:
    """Sums over messages of Y_m = F_m + delta C_m; they merge by addition, also across different deltas."""

    y: Floats
    yy: Floats
    yw: Floats


def corrected(sums: Floats, delta: Floats, side: Side) -> Corrected:
    """Correct the sums of a side by delta, exactly as given.

    On the sampler's side delta = -1 is -u itself, taken from the sums of u: where one r is huge, F - C has lost it.

    Parameters
    ----------
    sums : float64 [len(SUMS), ...]
    delta : float64 [...]
    side : "S" or "O"
    """
    c, wc, cc = (sums[SUM[name]] for name in ("C", "WC", "CC"))
    f, ff, fw, fc = (sums[SUM[side + name]] for name in ("F", "FF", "FW", "FC"))
    y, yy, yw = f + delta * c, ff + 2 * delta * fc + delta**2 * cc, fw + delta * wc
    if side == "O":
        return Corrected(y, yy, yw)
    naive = delta == NAIVE_DELTA["S"]
    return Corrected(
        np.where(naive, -sums[SUM["U"]], y),
        np.where(naive, sums[SUM["UU"]], yy),
        np.where(naive, -sums[SUM["UW"]], yw),
    )


class TailGuard:
    """Tail index of r from the largest u of each earlier pane, for many series at once.

    Hill's estimator on the pane maxima: k = mean of the m largest - the (m+1)th largest, m = min(12, floor(n/2)) of n.
    """

    def __init__(self, series: int) -> None:
        self._count = np.zeros(series, np.int64)
        self._largest = np.full((_TAIL_MAXIMA + 1, series), -np.inf)  # descending

    def observe(self, max_u: Floats) -> None:
        """Take in the maxima of one more pane, float64 [series]; -inf, no pair with a finite u, stays out."""
        self._count += max_u > -np.inf
        for row in self._largest:
            smaller = np.minimum(row, max_u)
            np.maximum(row, max_u, out=row)
            max_u = smaller

    def heavy(self) -> NDArray[np.bool_]:
        """Tell where the variance of r is probably infinite, bool [series]."""
        used = np.minimum(_TAIL_MAXIMA, self._count // 2)
        enough = used >= _TAIL_MAXIMA_MIN
        used = np.where(enough, used, 1)
        series = np.arange(used.size)
        total = np.cumsum(self._largest, axis=0)[used - 1, series]
        threshold = np.where(enough, self._largest[used, series], 0.0)
        return enough & (np.where(enough, total, 0.0) / used - threshold >= _TAIL_INDEX)

"""What one pair adds to the sums: the control variate and both divergences, without cancellation.

With u = log O(x) - log S(x), r = e^u and x drawn from the sampler S (O is the other distribution):

==========  ====================  ============================================
c           r - 1                 control variate, mean 0
kl_so       (r - 1) - u           KL(S||O), Schulman's k3
kl_os       r u - (r - 1)         KL(O||S)
k1          -u                    KL(S||O), naive
k2          u^2 / 2               biased; diagnostics only
==========  ====================  ============================================

Subtracting u from expm1(u) leaves no correct digit of kl_so at u = 1e-16. Up to |u| = 2 all three come, with nothing
subtracted that is nearly equal, from u / (e^u - 1) = 1 - u/2 + N(u), N(u) = sum_k B_2k / (2k)! u^2k (Abramowitz and
Stegun, 23.1.1; B the Bernoulli numbers): with v = u/2 - N,

    c = u / (1 - v),    kl_so = c v,    kl_os = c (u - v) = c (u/2 + N).

Beyond, expm1 is used directly. Source of the estimators: J. Schulman, "Approximating KL Divergence", 2020.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from estimators.pairs import Floats
from estimators.series import economised_bernoulli

#: A larger log ratio counts as this one, and is counted: e^600, the largest square, still leaves room for sums.
U_MAX: Final = 300.0

#: (largest |u|, coefficients of N(u) / u^2): the fewest terms that keep the error below 4e-16 of each value.
_TIERS: Final = tuple(
    (largest_u, economised_bernoulli(largest_u, degree))
    for largest_u, degree in ((0.0625, 2), (0.2, 3), (0.45, 4), (1.0, 6), (2.0, 9))
)

#: Up to this |u| the series is used.
SERIES_LIMIT: Final = _TIERS[-1][0]


@dataclass(frozen=True, slots=True)
class PairValues:
    """Per-pair values, each float64 [pairs]; see the module's table. Where u = -inf: kl_so, k1 and k2 are +inf."""

    c: Floats
    kl_so: Floats
    kl_os: Floats
    k1: Floats
    k2: Floats


def pair_values(u: Floats) -> PairValues:
    """Per-pair values of log ratios.

    Parameters
    ----------
    u : float64 [pairs]
        log O(x) - log S(x) in nats; -inf where O(x) = 0, otherwise finite and at most 300.

    Returns
    -------
    PairValues
        Correct to a few units in the last place; checked against 25-digit references.
    """
    u = np.asarray(u, np.float64)
    zero_other = np.isneginf(u)
    finite = np.where(zero_other, 0.0, u)
    c, kl_so, kl_os = np.empty_like(finite), np.empty_like(finite), np.empty_like(finite)
    fill_values(finite, float(np.abs(finite).max(initial=0.0)), c, kl_so, kl_os)
    c[zero_other], kl_so[zero_other], kl_os[zero_other] = -1.0, np.inf, 1.0
    return PairValues(c=c, kl_so=kl_so, kl_os=kl_os, k1=-u, k2=u * u / 2)


def fill_values(u: Floats, largest: float, c: Floats, kl_so: Floats, kl_os: Floats) -> None:
    """Write c, kl_so and kl_os of finite `u` into buffers of its length; `largest` is the largest |u|.

    About 17 passes over the block, 21 for |u| near 1; no buffer may overlap another.
    """
    for limit, coefficients in _TIERS:
        if largest <= limit:
            _fill_by_series(u, coefficients, c, kl_so, kl_os)
            return
    with np.errstate(all="ignore"):  # far values overflow the series, and are written over
        _fill_by_series(u, coefficients, c, kl_so, kl_os)
    far = np.flatnonzero((u > SERIES_LIMIT) | (u < -SERIES_LIMIT))
    far_u = u[far]
    far_c = np.expm1(far_u)
    c[far] = far_c
    kl_so[far] = far_c - far_u
    kl_os[far] = far_u * (far_c + 1) - far_c


def _fill_by_series(u: Floats, coefficients: tuple[float, ...], c: Floats, kl_so: Floats, kl_os: Floats) -> None:
    """Evaluate the module's formulas by Horner's rule in u^2; every pass writes where it reads if it can."""
    square, n = c, kl_os
    np.multiply(u, u, out=square)
    np.multiply(square, coefficients[-1], out=n)
    for coefficient in coefficients[-2::-1]:
        np.add(n, coefficient, out=n)
        np.multiply(n, square, out=n)
    half, v = c, kl_so
    np.multiply(u, 0.5, out=half)
    np.subtract(half, n, out=v)
    np.add(half, n, out=kl_os)
    np.subtract(1.0, v, out=c)
    np.divide(u, c, out=c)
    np.multiply(kl_so, c, out=kl_so)
    np.multiply(kl_os, c, out=kl_os)

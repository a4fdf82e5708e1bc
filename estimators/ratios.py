"""Means that are ratios of sums over clusters, and their errors.

Mean x = X / W with X = sum_m X_m and W = sum_m W_m over messages m. Its error is that of the linearised ratio, the
residuals X_m - x W_m being independent between messages (the "sandwich" of survey statistics: W. Cochran, "Sampling
Techniques", 1977, section 6.4). With one pair of weight 1 a message these are the ordinary formulas.
"""

from typing import Final

import numpy as np

from estimators.pairs import Floats

#: A sum of squares of this part of its terms' sizes is rounding: nothing varies.
ROUNDING: Final = 1e-13


def centred_square(xx: Floats, xw: Floats, ww: Floats, mean: Floats) -> Floats:
    """Sum over messages of (X_m - mean W_m)^2 from the raw second moments; exactly 0 where only rounding is left."""
    return centred_product(xx, xw, xw, ww, mean, mean)


def centred_product(xy: Floats, xw: Floats, yw: Floats, ww: Floats, x_mean: Floats, y_mean: Floats) -> Floats:  # noqa: PLR0917 - the moments of one formula
    """Sum over messages of (X_m - x_mean W_m)(Y_m - y_mean W_m); exactly 0 where only rounding is left."""
    terms = (xy, -y_mean * xw, -x_mean * yw, x_mean * y_mean * ww)
    total, size = sum(terms), sum(np.abs(term) for term in terms)
    return np.where(np.abs(total) > ROUNDING * size, total, 0.0)


def standard_error(square: Floats, weight: Floats, messages: Floats, fitted: int = 1) -> Floats:
    """Return the error of a ratio of sums from its `centred_square`; NaN unless more messages than `fitted` numbers."""
    freedom = messages - fitted
    variance = messages / np.where(freedom > 0, freedom, np.nan) * np.maximum(square, 0.0)
    return np.sqrt(variance) / weight

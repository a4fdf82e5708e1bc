"""95 % intervals of an estimate from its standard error: for reading, never for alarming."""

from typing import Final

import numpy as np

from estimators.pairs import Floats

NORMAL_QUANTILE: Final = 1.959963984540054
#: 0.975 quantile of Student's t for 1, 2, ... degrees of freedom, where the expansion below is not yet exact to 1e-6.
_SMALL_QUANTILES: Final = np.array(
    [
        [12.7062047362, 4.30265272975, 3.18244630528, 2.7764451052, 2.57058183564],
        [2.44691185114, 2.36462425159, 2.3060041352, 2.2621571628, 2.22813885199],
        [2.20098516009, 2.17881282967, 2.16036865646, 2.14478668792, 2.13144954556],
        [2.11990529922, 2.10981557783, 2.10092204024, 2.09302405441, 2.08596344727],
    ]
).ravel()
#: Coefficients of 1/df, 1/df^2, ... at that quantile (Abramowitz and Stegun, 26.7.5).
_EXPANSION: Final = (2.3722712302985628, 2.8224986157396118, 2.5558496795077233, 1.5895340533938235)
#: e^x and e^-x of a larger x leave the range of a double.
_EXPONENT_MAX: Final = 700.0


def student_quantile(degrees_of_freedom: Floats) -> Floats:
    """0.975 quantile of Student's t, exact to 1e-6.

    Parameters
    ----------
    degrees_of_freedom : float64 [...]
        Whole numbers; below 1 gives NaN.
    """
    df = np.asarray(degrees_of_freedom, np.float64)
    few = df <= _SMALL_QUANTILES.size
    step = 1 / np.where(few, np.inf, df)
    quantile = np.full(df.shape, _EXPANSION[-1])
    for coefficient in (*_EXPANSION[-2::-1], NORMAL_QUANTILE):
        quantile = quantile * step + coefficient
    row = np.clip(np.nan_to_num(df), 1, _SMALL_QUANTILES.size).astype(np.int64) - 1
    return np.where(df >= 1, np.where(few, _SMALL_QUANTILES[row], quantile), np.nan)


def plain_interval(value: Floats, standard_error: Floats, messages: Floats) -> tuple[Floats, Floats]:
    """Lower and upper limit value -+ t x SE; `messages` are the clusters, one more than the degrees of freedom."""
    reach = student_quantile(messages - 1) * standard_error
    return value - reach, value + reach


def log_interval(value: Floats, standard_error: Floats, messages: Floats) -> tuple[Floats, Floats]:
    """Lower and upper limit value x e^(-+ t SE / value); where the value is not positive, the plain interval.

    The delta method on the logarithm: an estimate of a divergence is positive and skewed, and the plain interval
    misses more often (coverage in DESIGN.md, section 4).
    """
    reach = student_quantile(messages - 1) * standard_error
    positive = value > 0
    exponent = np.minimum(reach / np.where(positive, value, 1.0), _EXPONENT_MAX)
    factor = np.exp(np.where(positive, exponent, 0.0))
    with np.errstate(over="ignore"):
        upper = np.minimum(value * factor, np.finfo(np.float64).max)
    return np.where(positive, value / factor, value - reach), np.where(positive, upper, value + reach)

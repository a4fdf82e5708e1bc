"""The base of the logged logarithms: with M(l) = E_S[e^(l u)], u = log other - log sampler as it is logged, M(0) = 1.

M is convex, so beside 0 it is 1 at one l at most, and that is the natural logarithm of the base (cumulants of a log
ratio). Read too small, a base makes the ratio mean low (10 as e: by a quarter of the divergence, small ones), read too
large, high (2 as e: by two thirds). A truncated sampler makes it low too, in any base; so another base than e is named
only where e is refuted, that one fits, its tail is light enough to know, and its error is so small that e would be
refuted by it.
"""

import math
from typing import Final, Literal

import numpy as np

from daemon.inspection.finding import LogBaseEvidence
from daemon.inspection.ratios import LOG_RATIO_LIMIT, Mean, Ratios
from daemon.inspection.sampler import FIT_ZSCORE, HEAVY_SHARE, bound_of
from estimators.estimates import Sampler
from estimators.pairs import Floats

Base = Literal["e", 2, 10]
NATS_PER_UNIT: Final[dict[Base, float]] = {"e": 1.0, 2: math.log(2), 10: math.log(10)}
#: |z| of a base that fits.
_FITS: Final = 3.0
#: Errors of the fitting base that the deviation under e must be.
_APART: Final = 3.0


def log_base_evidence(ratios: Ratios, side: Sampler, resolution: float) -> LogBaseEvidence:
    """Try natural, binary and decimal logarithms on the side that is taken for the sampler."""
    u = -ratios.d if side == "q" else ratios.d
    means = {base: ratios.mean(_ratios(u, nats), 1.0) for base, nats in NATS_PER_UNIT.items()}
    zscores = {str(base): mean.zscore for base, mean in means.items()}
    natural = means["e"]
    fixed = ratios.mean(np.expm1(u) - u, 0.0).value
    refuted = abs(natural.zscore) >= FIT_ZSCORE and abs(natural.value - 1) > bound_of(fixed, resolution)
    fitting: list[Base] = [
        base
        for base in NATS_PER_UNIT
        if base != "e" and refuted and _fits(means[base], natural, _ratios(u, NATS_PER_UNIT[base]), ratios)
    ]
    base: Base = fitting[0] if len(fitting) == 1 else "e"
    return LogBaseEvidence(
        base,
        "evidence" if base != "e" else "default",
        zscores,
        tuple(each for each, mean in means.items() if each != base and abs(mean.zscore) < _FITS),
        None if refuted else _pairs_needed(ratios, natural.error, fixed),
    )


def _ratios(u: Floats, nats_per_unit: float) -> Floats:
    return np.exp(np.clip(u * nats_per_unit, -LOG_RATIO_LIMIT, LOG_RATIO_LIMIT))


def _fits(mean: Mean, natural: Mean, values: Floats, ratios: Ratios) -> bool:
    return (
        abs(mean.zscore) < _FITS
        and mean.error * _APART <= abs(natural.value - 1)
        and ratios.largest_share(values) <= HEAVY_SHARE
    )


def _pairs_needed(ratios: Ratios, error: float, fixed: float) -> int | None:
    """Pairs with which natural logarithms would be refuted if the logs were decimal, the harder case.

    Small divergences k, read as e: M - 1 = (l^2 - l) k with l = 1 / log 10, in units of which the error is that of
    the ratio mean under e.
    """
    scale = 1 / math.log(10)
    deviation = (scale - scale**2) * fixed / scale**2
    if not (deviation > 0 and error > 0):
        return None
    needed = math.ceil(ratios.pairs * (FIT_ZSCORE * error / deviation) ** 2)
    return needed if needed > ratios.pairs else None

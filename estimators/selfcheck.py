"""Self-check of a log: the mean of r = other / sampler is 1 if the pairs are what they are said to be.

It is 1 when x was drawn from the logged sampler and the other distribution has no mass where the sampler has none.
Else it is the other's mass on the sampler's support (truncated sampling), or a fault of the log, and every estimate
but the sampler-side naive one is wrong by about as much. DESIGN.md, section 4.
"""

from typing import Final

import numpy as np

from estimators.pairs import Floats

#: |z| that a correct log does not reach, however often one looks: about the time-uniform boundary at alpha = 1e-3
#: (I. Waudby-Smith et al., Ann. Statist. 52, 2613, 2024).
Z_LIMIT: Final = 5.0
#: A deviation below this part of the divergence does not change what the divergence says.
DIVERGENCE_SHARE: Final = 0.1
#: With fewer messages an error is itself a guess: the mean of two lies five of its errors away in one of 8 samples.
MESSAGES_MIN: Final = 30

#: Bias of E[r] by the precision of the logged numbers: half the variance of the rounding of a log ratio.
RESOLUTION: Final = {"bf16": 4e-4, "float16": 6e-6, "float32": 1e-13}
_DECIMALS_MAX: Final = 17


def resolution_of(precision: str) -> float:
    """Smallest deviation of the ratio mean that the precision of a log can tell from rounding.

    Parameters
    ----------
    precision : str
        "bf16", "float16", "float32", or "decimals:N" for log-probabilities written with N decimals.

    Raises
    ------
    ValueError
        Another word, or N not in 0 to 17.
    """
    if precision in RESOLUTION:
        return RESOLUTION[precision]
    word, _, digits = precision.partition(":")
    if word == "decimals" and digits.isascii() and digits.isdigit() and int(digits) <= _DECIMALS_MAX:
        return float(10.0 ** (-2 * int(digits)) / 12)
    raise ValueError(
        f"precision {precision!r} is none of {', '.join(RESOLUTION)}, decimals:0 to decimals:{_DECIMALS_MAX}"
    )


def verdict(
    deviation: Floats, error: Floats, sampler_side_fixed: Floats, resolution: float, messages: Floats
) -> Floats:
    """Tell whether the pairs are comparable.

    Parameters
    ----------
    deviation : float64 [...]
        Ratio mean - 1.
    error : float64 [...]
        Its standard error; NaN is not known.
    sampler_side_fixed : float64 [...]
        Fixed estimate of KL(sampler || other), in nats.
    resolution : float
        From `resolution_of`.
    messages : float64 [...]
        Fewer than 30 cannot tell. Where the error is 0, all of them have one ratio: they fail beyond the bound, since
        no luck makes a greedy sampler's constant ratio.

    Returns
    -------
    float64 [...]
        1 yes, 0 no, NaN where this many messages cannot tell.
    """
    bound = np.maximum(DIVERGENCE_SHARE * sampler_side_fixed, resolution)
    known = (error >= 0) & (messages >= MESSAGES_MIN)
    failed = known & (np.abs(deviation) > bound) & (np.abs(deviation) >= Z_LIMIT * error)
    passed = known & (Z_LIMIT * error <= bound)
    return np.select([failed, passed], [0.0, 1.0], np.nan)

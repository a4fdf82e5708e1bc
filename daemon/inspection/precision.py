"""The precision of logged numbers, from their digits."""

from typing import Final

import numpy as np

from estimators.pairs import Floats
from estimators.selfcheck import resolution_of

#: Fewer values may share their digits by chance.
_VALUES_MIN: Final = 20
_DECIMALS_MAX: Final = 8
#: Values of another precision that do not count: 0.0 and -9999.0 are of every one.
_FAULTS: Final = 0.001


def precision_of(values: Floats, *, logarithms: bool, nats_per_unit: float = 1.0) -> str | None:
    """Name the precision as `resolution` is configured; None where nothing coarser than float32 is seen.

    Parameters
    ----------
    values : float64 [any]
        As logged, finite.
    logarithms : bool
        Of probabilities with N decimals, rounding moves the logarithm by 10^-N / p: the decimals of a log-probability
        with the same effect on the ratio mean are named.
    nats_per_unit : float
        Natural logarithm of the base of the logs.
    """
    values = values[values != 0]
    if values.size < _VALUES_MIN:
        return None
    for name, holds in (("bf16", _is_bf16(values)), ("float16", _is_float16(values))):
        if _all(holds):
            return name
    decimals = next((n for n in range(1, _DECIMALS_MAX + 1) if _all(_has_decimals(values, n))), None)
    if decimals is None:
        return None
    error = 10.0**-decimals * (nats_per_unit if logarithms else 1.0 / values)
    return _as_decimals(float(np.mean(np.square(error))) / 12 / (1 if logarithms else 2))


def coarser(one: str | None, two: str) -> str:
    """Return the one of two precisions that explains more."""
    return one if one is not None and resolution_of(one) > 2 * resolution_of(two) else two


def _as_decimals(bias: float) -> str | None:
    """Most decimals of log-probabilities that bias the ratio mean at least as much (to rounding)."""
    fitting = [n for n in range(1, _DECIMALS_MAX + 1) if resolution_of(f"decimals:{n}") >= bias * (1 - 1e-9)]
    return f"decimals:{fitting[-1]}" if fitting else "decimals:1"


def _is_bf16(values: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    single = values.astype(np.float32)
    return np.asarray((single == values) & (single.view(np.uint32) & 0xFFFF == 0))


def _is_float16(values: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    with np.errstate(over="ignore"):
        return np.asarray(values.astype(np.float16) == values)


def _has_decimals(values: Floats, decimals: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    scaled = values * 10.0**decimals
    return np.asarray(np.abs(scaled - np.rint(scaled)) <= 1e-9 * np.maximum(np.abs(scaled), 1e-3))


def _all(holds: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> bool:
    return bool(np.count_nonzero(~holds) <= _FAULTS * holds.size)

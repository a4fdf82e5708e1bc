"""Values of either side that say nothing, or stand for something else."""

from typing import Final

import numpy as np

from daemon.inspection.finding import SideQuality
from daemon.inspection.leaves import SENTINEL
from estimators.pairs import NULL_LOG_PROB, Floats

#: A whole number below this, again and again the lowest: a clamp or a sentinel that the threshold does not know.
_FLOOR_BELOW: Final = -20.0
_FLOOR_COUNT_MIN: Final = 5


def side_quality(path: str, logs: Floats, positive_tolerance: float) -> SideQuality:
    """Tell the shares of values that cannot be used; `logs` is float64 [pairs], at least one, in the log's unit."""
    null = logs == NULL_LOG_PROB
    zero = np.isneginf(logs)
    finite = logs[np.isfinite(logs) & (logs > SENTINEL)]
    lowest = float(finite.min()) if finite.size else 0.0
    repeated = int(np.count_nonzero(finite == lowest))
    floor = lowest <= _FLOOR_BELOW and lowest == round(lowest) and repeated >= _FLOOR_COUNT_MIN
    return SideQuality(
        path=path,
        null=float(null.mean()),
        nan=float((np.isnan(logs) | np.isposinf(logs)).mean()),
        sentinel=float(((logs <= SENTINEL) & ~null & ~zero).mean()),
        zero=float(zero.mean()),
        positive=float(((logs > positive_tolerance) & np.isfinite(logs)).mean()),
        floor=lowest if floor else None,
        floor_share=repeated / logs.size if floor else 0.0,
    )

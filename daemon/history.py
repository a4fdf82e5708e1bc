"""The last hour of a stream's series as columns: what charts show. Pure; every publish makes a new value from the last.

All series of a stream are published at the same times, so they share one time axis. Nothing is stored: after a restart
history begins anew. A series costs 40 bytes a point, so at most 4.8 kB, and a stream at most 240,000 points (9.6 MB)
or, beyond 20,000 series, 12 points a series.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from estimators.admission import Key
from estimators.estimates import Direction
from estimators.pairs import Floats

Column = Literal["value", "lower", "upper", "short_value", "comparable"]

COLUMNS: Final[tuple[Column, ...]] = get_args(Column)
HISTORY_SECONDS: Final = 3600.0
POINTS_MOST: Final = 120
_POINTS_LEAST: Final = 12
#: Points of all series of one stream together.
_CELLS_MOST: Final = 240_000
_SERIES_MOST: Final = _CELLS_MOST // _POINTS_LEAST
#: Seconds between points that are kept, where there are too many; the finest that is enough.
_STEPS_SECONDS: Final = tuple(2.0**power for power in range(13))


@dataclass(frozen=True, slots=True)
class History:
    """What was published of one stream's series lately; NaN is absent, as in the estimates.

    Attributes
    ----------
    since_seconds : Unix time of the first publish that was noted
    direction : of the values
    timestamp_seconds : float64 [points], ascending Unix times of publishes
    keys : the live series in the order of the StreamBoard, then those that have gone and may return
    columns : float64 [len(COLUMNS), points, series]
        Adaptive value and 95 % interval of the long window, value of the short window, in nats; the long window's
        self-check (1, 0, NaN).
    """

    since_seconds: float
    direction: Direction
    timestamp_seconds: Floats
    keys: tuple[Key, ...]
    columns: Floats

    def of(self, column: Column) -> Floats:
        """Return one column, float64 [points, series]."""
        values: Floats = self.columns[COLUMNS.index(column)]
        return values


def extended(
    before: History | None, now_seconds: float, direction: Direction, keys: Sequence[Key], newest: Floats
) -> History:
    """Return the history with one more point; `newest` is float64 [len(COLUMNS), series of keys].

    Points leave after an hour. Where more are left than a series may have, the last one of each 1, 2, 4, ... seconds
    is kept. A series that has gone keeps its points until they leave.
    """
    if before is None or before.direction != direction:
        before = History(now_seconds, direction, np.empty(0), (), np.empty((len(COLUMNS), 0, 0)))
    past = before.timestamp_seconds
    recent = np.flatnonzero((past > now_seconds - HISTORY_SECONDS) & (past < now_seconds))
    gone = _gone(before, recent, keys)
    every = (*keys, *gone)
    times = np.append(past[recent], now_seconds)
    most = min(max(_CELLS_MOST // max(len(every), 1), _POINTS_LEAST), POINTS_MOST)
    kept = _thinned(times, most)  # the newest point is always one of them
    columns = np.full((len(COLUMNS), kept.size, len(every)), np.nan)
    rows = recent[kept[:-1]]
    if before.keys == every:
        columns[:, :-1] = before.columns[:, rows]
    else:
        place = {key: index for index, key in enumerate(before.keys)}
        target = [index for index, key in enumerate(every) if key in place]
        source = [place[every[index]] for index in target]
        columns[:, :-1, target] = before.columns[:, rows][:, :, source]
    columns[:, -1, : len(keys)] = newest
    return History(min(before.since_seconds, now_seconds), direction, times[kept], every, columns)


def _gone(before: History, recent: NDArray[np.intp], keys: Sequence[Key]) -> list[Key]:
    """Return the series that are no longer live but have a point left, as many as there is room for."""
    live = set(keys)
    points = np.count_nonzero(~np.isnan(before.of("value")[recent]), axis=0).tolist()
    gone = [key for key, count in zip(before.keys, points, strict=True) if count and key not in live]
    return gone[: max(_SERIES_MOST - len(keys), 0)]


def _thinned(times: Floats, most: int) -> NDArray[np.intp]:
    """Return the indices of at most `most` times, evenly spread."""
    kept = np.arange(times.size)
    for step in _STEPS_SECONDS:
        if kept.size <= most:
            break
        cell = np.floor(times[kept] / step)
        kept = kept[np.append(cell[1:] != cell[:-1], True)]
    return kept

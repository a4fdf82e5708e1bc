"""Process counters per series: they start at 0 with the process, never fall, and are never restored."""

from typing import Final

import numpy as np

from daemon.board import SeriesCounters
from estimators.estimates import Sampler
from estimators.moments import Moments

Key = tuple[str, ...]
COLUMNS: Final = ("pairs", "messages", "zero_other", "clamped", "W", "SF", "OF")
_COUNTS: Final = 4


class SeriesTotals:
    """Totals of one stream, a row per series, bounded by dropping series that nothing was added to for long.

    A dropped series that returns starts at 0, which Prometheus reads as a counter reset: increases stay right.
    """

    def __init__(self) -> None:
        self._rows: dict[Key, int] = {}
        self._sums = np.zeros((16, len(COLUMNS)))
        self._touched = np.zeros(16)

    def __len__(self) -> int:
        """Count the series."""
        return len(self._rows)

    def add(self, keys: list[Key], moments: Moments, now: float) -> None:
        """Add moments [keys] at the wall-clock time `now`, seconds."""
        if not keys:
            return
        rows = np.fromiter((self._row(key) for key in keys), np.intp, len(keys))
        np.add.at(self._sums, rows, _columns_of(moments))
        self._touched[rows] = now

    def drop_idle(self, before: float) -> None:
        """Forget the series that nothing was added to since `before`, wall-clock seconds."""
        kept = [(key, row) for key, row in self._rows.items() if self._touched[row] >= before]
        if len(kept) == len(self._rows):
            return
        rows = np.array([row for _, row in kept], np.intp)
        capacity = max(16, len(kept))
        sums, touched = np.zeros((capacity, len(COLUMNS))), np.zeros(capacity)
        sums[: len(kept)], touched[: len(kept)] = self._sums[rows], self._touched[rows]
        self._rows = {key: row for row, (key, _) in enumerate(kept)}
        self._sums, self._touched = sums, touched

    def board(self, sampled_from: Sampler) -> tuple[tuple[Key, ...], SeriesCounters]:
        """Return the keys, sorted, and copies of their totals."""
        keys = tuple(sorted(self._rows))
        sums = self._sums[[self._rows[key] for key in keys]] if keys else self._sums[:0]
        column = {name: sums[:, index].copy() for index, name in enumerate(COLUMNS)}
        # The sampler's side is KL(sampler || other): reverse = KL(q || p) where q is the sampler.
        reverse, forward = ("SF", "OF") if sampled_from == "q" else ("OF", "SF")
        return keys, SeriesCounters(
            pairs=column["pairs"],
            messages=column["messages"],
            weight_sum=column["W"],
            kl_nats_sum={"reverse": column[reverse], "forward": column[forward]},
            zero_probability=column["zero_other"],
            clamped=column["clamped"],
        )

    def _row(self, key: Key) -> int:
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = len(self._rows)
            if row == len(self._sums):
                self._sums = np.concatenate([self._sums, np.zeros_like(self._sums)])
                self._touched = np.concatenate([self._touched, np.zeros_like(self._touched)])
        return row


def _columns_of(moments: Moments) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    counts = [moments.count_of(name).astype(np.float64) for name in COLUMNS[:_COUNTS]]
    return np.stack([*counts, *(moments.sum_of(name) for name in COLUMNS[_COUNTS:])], axis=-1)

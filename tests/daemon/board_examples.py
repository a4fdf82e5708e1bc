"""Published values for tests of the edge: two streams with different labels, absent and infinite numbers among them."""

import random

import numpy as np

from daemon.board import (
    PartitionBoard,
    ProcessBoard,
    Published,
    SeriesCounters,
    StreamBoard,
    Threshold,
    WindowBoard,
)
from daemon.source import Partition
from estimators.estimates import Columns, DirectionEstimates, Estimates
from estimators.moments import COUNTS, SUMS, Moments

HOSTILE = 'a"b\\c\nd{e="f"},} 1.0'
NOW = 1_700_000_000.5
SCALES = (1e-20, 1e-6, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 1e6, 1e15)


class Draw:
    """Numbers that are the same to the bit on every machine and with every NumPy, for the golden file."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def floats(self, *shape):
        """Positive, of many magnitudes."""
        return self._filled(shape, lambda: self.random.random() * self.random.choice(SCALES))

    def whole(self, *shape):
        """Counts."""
        return self._filled(shape, lambda: float(self.random.randrange(2**53)))

    def choice(self, options, *shape):
        """One of some numbers each."""
        return self._filled(shape, lambda: self.random.choice(options))

    def _filled(self, shape, make):
        return np.array([make() for _ in range(int(np.prod(shape)))], float).reshape(shape)


def columns(draw, series):
    """Return an estimator's columns, some of them absent."""
    return Columns(*(draw.floats(series) * draw.choice([1.0, 1.0, 1.0, 1.0, np.nan], series) for _ in range(4)))


def direction(draw, series):
    """Return one direction's estimates; the first series is infinite."""
    estimators = [columns(draw, series) for _ in range(4)]
    estimators[1].value[:1] = estimators[3].value[:1] = np.inf
    return DirectionEstimates(
        *estimators,
        k2=draw.floats(series),
        control_variate_lambda=-draw.floats(series),
        pane_standard_error=draw.choice([np.nan, 0.25], series),
        variance_ratio_naive=draw.floats(series),
        variance_ratio_fixed=draw.floats(series),
        adaptive_sums=draw.floats(series, 3),
    )


def estimates(draw, series):
    """Return a window's estimates."""
    total = Moments(
        draw.floats(series, len(SUMS)), draw.whole(series, len(COUNTS)).astype(np.uint64), draw.floats(series)
    )
    return Estimates(
        total=total,
        blocks=draw.choice([0.0, 30.0], series),
        ratio_mean=1 + draw.floats(series),
        ratio_zscore=-draw.floats(series),
        support_gap=-draw.floats(series),
        comparable=draw.choice([0.0, 1.0, np.nan], series),
        infinite=draw.choice([0.0, 1.0], series),
        effective_sample_ratio=draw.floats(series),
        reverse=direction(draw, series),
        forward=direction(draw, series),
    )


def stream(draw, name, label_names, keys, sampled_from="q", thresholds=()):
    """Return one stream; its counters know one series more than its windows."""
    counter_keys = (*keys, tuple("gone" for _ in label_names))
    return StreamBoard(
        name=name,
        label_names=label_names,
        sampled_from=sampled_from,
        keys=keys,
        windows=tuple(
            WindowBoard(label, seconds, NOW + seconds, estimates(draw, len(keys)), draw.choice([0.0, 1.0], len(keys)))
            for label, seconds in (("5m", 300.0), ("1h", 3600.0))
        ),
        last_event_timestamp_seconds=NOW - draw.choice([0.25, 1.5], len(keys)),
        start_timestamp_seconds=NOW - 1000 - draw.choice([0.5, 2.0], len(keys)),
        counter_keys=counter_keys,
        counters=SeriesCounters(
            *(draw.whole(len(counter_keys)) for _ in range(2)),
            weight_sum=draw.floats(len(counter_keys)),
            kl_nats_sum={side: draw.floats(len(counter_keys)) for side in ("reverse", "forward")},
            zero_probability=np.zeros(len(counter_keys)),
            clamped=np.ones(len(counter_keys)),
        ),
        thresholds=thresholds,
        records_consumed=1234,
        records_ignored=5,
        records_rejected={"late": 2, "syntax": 0},
        pairs_rejected={"nan": 3},
        series_overflow=1,
        event_delay_buckets=(0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89),
        event_delay_sum_seconds=12.75,
    )


def published(seed=1):
    """Return a value that a publish could have made."""
    draw = Draw(seed)
    thresholds = (Threshold("warning", "reverse", 0.01), Threshold("critical", "reverse", 0.1))
    return Published(
        timestamp_seconds=NOW,
        streams=(
            stream(
                draw, "ranker", ("model", "version"), (("a", "1"), ("a", "2"), ("b", HOSTILE)), thresholds=thresholds
            ),
            stream(draw, "bandit", ("campaign",), (("all",), ("men",)), sampled_from="p"),
        ),
        partitions=(
            PartitionBoard(
                "ranker",
                Partition("pairs", 0),
                restored=True,
                lag_records=17,
                clock_seconds=NOW - 1,
                clock_jumps=0,
                gap_offsets=3,
            ),
            PartitionBoard(
                "ranker",
                Partition("pairs", 11),
                restored=False,
                lag_records=None,
                clock_seconds=None,
                clock_jumps=2,
                gap_offsets=0,
            ),
        ),
        process=ProcessBoard(
            last_poll_timestamp_seconds=NOW - 0.1,
            rebalances=2,
            restores={"replay": 1},
            restore_seconds=None,
            evaluation_seconds=0.0125,
            topic_partitions={("ranker", "pairs"): 12},
            log_messages={"warning": 4, "error": 0, "critical": 0},
        ),
    )

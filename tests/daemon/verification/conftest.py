"""Random logs as columns of pairs, with everything in them that is accepted, rejected, clamped or moved elsewhere."""

import itertools

import numpy as np
import pytest

from estimators.pairs import NULL_LOG_PROB, Pairs
from estimators.partitions import absorb, new_state
from estimators.spec import StreamSpec, WindowSpec
from estimators.validation import Rules

SECOND_US = 1_000_000
START_US = 1_700_000_000 * SECOND_US


def make_spec(**changes):
    """Two windows whose panes have no whole microseconds, few series, a short skew."""
    settings = {
        "windows": (WindowSpec("7s", 7 * SECOND_US), WindowSpec("21s", 21 * SECOND_US)),
        "panes_per_window": 9,
        "burn_in": 4,
        "max_skew_us": 2 * SECOND_US,
        "max_series": 50,
        "rules": Rules(),
    }
    return StreamSpec(**{**settings, **changes})


def random_pairs(seed, records=300, *, series=5, weighted=True, seconds=40.0):
    """One log in order of its offsets: messages of 1 to 5 pairs, several a record now and then, odd ones everywhere."""
    rng = np.random.default_rng(seed)
    offsets = np.cumsum(rng.integers(1, 4, records))
    messages_of = rng.choice([1, 1, 1, 2, 3], records)
    offset = np.repeat(offsets, messages_of)
    messages = len(offset)
    append = START_US + np.sort(rng.uniform(0, seconds * SECOND_US, records)).astype(np.int64) // 1000 * 1000
    append = np.repeat(append, messages_of)
    event = append - rng.exponential(SECOND_US, messages).astype(np.int64)
    event += rng.choice([0, SECOND_US, 3 * SECOND_US, -60 * SECOND_US], messages, p=[0.9, 0.05, 0.03, 0.02])
    lengths = rng.integers(1, 6, messages)
    pairs = int(lengths.sum())
    log_q = -rng.exponential(2.0, pairs)
    log_p = log_q + rng.normal(0, 1, pairs) * rng.choice([1e-9, 1e-4, 0.1, 1.0, 3.0], pairs)
    log_p = np.minimum(log_p, 1e-4)
    odd = rng.random(pairs)
    log_p[odd < 0.02] = -np.inf
    log_q[(odd > 0.02) & (odd < 0.03)] = -np.inf
    log_q[(odd > 0.03) & (odd < 0.05)] = -700.0  # clamped: the log ratio is above 300
    log_p[(odd > 0.05) & (odd < 0.06)] = np.nan
    log_p[(odd > 0.06) & (odd < 0.07)] = 0.5
    log_p[(odd > 0.07) & (odd < 0.08)] = NULL_LOG_PROB
    log_q[(odd > 0.08) & (odd < 0.09)] = np.inf
    log_q[(odd > 0.09) & (odd < 0.1)] = -9999.0
    weight = None
    if weighted:
        weight = rng.choice(
            [1.0, 0.5, 3.7, 1e6, 0.0, -1.0, np.inf, np.nan, 1e13], pairs, p=[0.5, 0.2, 0.2, 0.05] + [0.01] * 5
        )
    return Pairs(
        log_p=log_p,
        log_q=log_q,
        weight=weight,
        first_pair=np.cumsum(lengths) - lengths,
        keys=[(f"s{index}",) for index in rng.integers(0, series, messages)],
        offset=offset,
        event_time_us=event,
        append_time_us=append,
    )


def rows(pairs, taken):
    """The messages of `taken` (bool or indexes, in that order) with their pairs."""
    bounds = np.append(pairs.first_pair, len(pairs.log_p))
    index = np.flatnonzero(taken) if np.asarray(taken).dtype == bool else np.asarray(taken, int)
    which = np.concatenate([np.arange(bounds[each], bounds[each + 1]) for each in index] or [np.empty(0, int)]).astype(
        int
    )
    lengths = np.diff(bounds)[index]
    return Pairs(
        log_p=pairs.log_p[which],
        log_q=pairs.log_q[which],
        weight=None if pairs.weight is None else pairs.weight[which],
        first_pair=np.cumsum(lengths) - lengths,
        keys=[pairs.keys[each] for each in index],
        offset=pairs.offset[index],
        event_time_us=pairs.event_time_us[index],
        append_time_us=pairs.append_time_us[index],
    )


def in_batches(pairs, cuts):
    """Cut between records; `cuts` are shares of the log."""
    borders = np.flatnonzero(np.diff(pairs.offset, prepend=-1))
    edges = sorted({0, len(pairs.offset), *(int(borders[int(cut * (len(borders) - 1))]) for cut in cuts)})
    return [rows(pairs, np.arange(first, last)) for first, last in itertools.pairwise(edges)]


def absorbed(pairs, spec, partition=3, cuts=()):
    """The real state after the whole log."""
    state = new_state(spec, partition)
    for batch in in_batches(pairs, cuts):
        absorb(state, spec, batch)
    return state


@pytest.fixture
def logs():
    """The functions above, for tests in importlib mode."""
    from types import SimpleNamespace

    return SimpleNamespace(
        spec=make_spec, pairs=random_pairs, rows=rows, in_batches=in_batches, absorbed=absorbed,
        second_us=SECOND_US, start_us=START_US,
    )  # fmt: skip

"""A window without panes: blocks double as the input grows, and forget how it was cut."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimators.blocks import BLOCKS_MAX, Blocks, absorb, estimate_blocks
from estimators.estimates import ESTIMATORS


def plain_blocks(messages):
    """Blocks of message numbers, one message at a time: merged in pairs at the moment the 120th is complete."""
    size, complete, partial = 1, [], []
    for message in range(messages):
        partial.append(message)
        if len(partial) == size:
            complete.append(partial)
            partial = []
        if len(complete) == 120:
            complete = [a + b for a, b in zip(complete[::2], complete[1::2], strict=True)]
            size *= 2
    return complete + ([partial] if partial else [])


def absorb_all(series, cuts, u=None):
    """Absorb one-pair messages of the given series, whose offset is their number within the series."""
    state = Blocks.empty(0)
    series = np.asarray(series, np.int64)
    number = np.array([np.count_nonzero(series[:i] == s) for i, s in enumerate(series)], np.int64)
    u = np.zeros(series.size) if u is None else u
    for a, b in zip([0, *cuts], [*cuts, series.size], strict=True):
        state = absorb(state, u[a:b], None, np.arange(b - a), series[a:b], number[a:b], 0)
    return state


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 2), max_size=700), st.lists(st.floats(0, 1), max_size=5), st.integers(1, 3))
def test_blocks_hold_the_messages_that_a_plain_program_puts_there(series, cuts, repeat):
    series = series * repeat
    state = absorb_all(series, sorted(int(cut * len(series)) for cut in cuts))
    for index in range(state.seen.size):
        expected = plain_blocks(series.count(index))
        counts = state.moments.counts[index]
        assert int(state.seen[index]) == series.count(index)
        assert state.count[index] == len(expected)
        assert counts[: len(expected), 0].tolist() == [len(block) for block in expected]
        assert counts[: len(expected), 4].tolist() == [sum(block) for block in expected]
        assert not counts[len(expected) :].any()


@pytest.mark.parametrize(("messages", "size", "blocks"), [(119, 1, 119), (120, 2, 60), (239, 2, 120), (240, 4, 60)])
def test_neighbours_merge_at_the_moment_the_120th_block_is_complete(messages, size, blocks):
    state = absorb_all([0] * messages, [])
    assert (state.size[0], state.count[0]) == (size, blocks)
    assert BLOCKS_MAX == 120


def test_absorbing_leaves_the_former_state_alone():
    before = absorb_all([0] * 119, [])
    kept = before.moments.counts.copy()
    absorb(before, np.zeros(200), None, np.arange(200), np.zeros(200, np.int64), np.arange(200), 0)
    assert np.array_equal(before.moments.counts, kept)
    assert before.seen.tolist() == [119]


def test_series_of_different_lengths_are_estimated_as_if_alone():
    rng = np.random.default_rng(3)
    series = rng.choice(4, 1500, p=[0.6, 0.35, 0.045, 0.005])
    u = rng.normal(-0.1, 0.5, 1500)
    together = estimate_blocks(
        absorb_all(series, [100, 101, 900], u), sampled_from="q", resolution=1e-13, min_messages=1
    )
    for index in range(4):
        mine = u[series == index]
        alone = estimate_blocks(
            absorb_all([0] * mine.size, [], mine), sampled_from="q", resolution=1e-13, min_messages=1
        )
        assert together.blocks[index] == alone.blocks[0] == len(plain_blocks(mine.size))
        for direction in ("reverse", "forward"):
            for estimator in ESTIMATORS:
                for name in ("value", "standard_error"):
                    left, right = (
                        getattr(e.of(direction).of(estimator), name)[i] for e, i in ((together, index), (alone, 0))
                    )
                    assert left == pytest.approx(right, rel=1e-9, nan_ok=True)
            left, right = (e.of(direction).control_variate_lambda[i] for e, i in ((together, index), (alone, 0)))
            assert left == pytest.approx(right, rel=1e-9)


REAL = {
    # campaign: naive, fixed, fitted, adaptive (value, standard error), ratio mean
    "all": ((1.4206, None), (1.4317, 0.0495), (1.4218, 0.0129), (1.4105315825616056, 0.01417769539444686), 1.0111),
    "men": ((1.2208, None), None, None, (1.2101090004925947, 0.01207512242735908), None),
}


@pytest.mark.parametrize("campaign", REAL)
def test_the_real_log_has_its_known_figures(real_log, campaign):
    log_p, log_q = real_log[campaign]
    zero = np.zeros(log_p.size, np.int64)
    index = np.arange(log_p.size)
    state = absorb(Blocks.empty(1), log_p - log_q, None, index, zero, index, 0)
    estimates = estimate_blocks(state, sampled_from="q", resolution=1e-13, min_messages=30)
    *figures, ratio_mean = REAL[campaign]
    for estimator, figure in zip(ESTIMATORS, figures, strict=True):
        if figure is None:
            continue
        columns = estimates.reverse.of(estimator)
        value, error = figure
        tolerance = 1e-11 if estimator == "adaptive" else 6e-5
        assert columns.value[0] == pytest.approx(value, abs=tolerance)
        if error:
            assert columns.standard_error[0] == pytest.approx(error, abs=tolerance)
    if ratio_mean:
        assert estimates.ratio_mean[0] == pytest.approx(ratio_mean, abs=6e-5)
    assert math.isnan(estimates.comparable[0])
    assert estimates.blocks[0] == 79

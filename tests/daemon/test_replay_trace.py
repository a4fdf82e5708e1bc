"""The slices behind the picture: what they hold, however the input is cut and ordered, and what each one estimates."""

import math

import numpy as np
import pytest

from daemon.replay.points import points_of
from daemon.replay.trace import SLICES_MAX, Trace
from estimators.arrays import summarize
from estimators.intervals import student_quantile
from estimators.moments import SUM
from tests.e2e.recomputation import adaptive

Q = np.log([0.5, 0.3, 0.2])
P = np.log([0.4, 0.35, 0.25])


def drawn(count, seed=1):
    """Outcomes of q: their log ratios."""
    x = np.random.default_rng(seed).choice(3, count, p=np.exp(Q))
    return (P - Q)[x], P[x], Q[x]


def traced(u, at, *, cuts=(), order=None, series=None, axis="time"):
    """A trace of single pairs, in batches."""
    order = np.arange(u.size) if order is None else order
    u, at = u[order], at[order]
    series = np.zeros(u.size, np.int64) if series is None else series[order]
    trace = Trace.empty(axis)
    for part in np.split(np.arange(u.size), list(cuts)):
        trace = trace.absorb(u[part], None, np.arange(part.size), series[part], at[part])
    return trace


def test_slices_hold_what_lies_in_them_and_their_length_doubles_until_they_are_few_enough():
    u, _, _ = drawn(3000)
    at = np.sort(np.random.default_rng(2).integers(-5_000, 90_000, 3000))
    trace = traced(u, at)
    width = 2**trace.level
    slices = trace.moments.shape[1]
    assert SLICES_MAX / 2 < slices <= SLICES_MAX
    assert (at[-1] // width) - (at[0] // width) + 1 == slices
    for index in range(slices):
        inside = at // width == trace.first + index
        assert trace.moments.count_of("messages")[0, index] == inside.sum()
        assert trace.moments.sums[0, index, SUM["U"]] == pytest.approx(u[inside].sum(), rel=1e-9, abs=1e-12)
        assert trace.middles[index] == (trace.first + index + 0.5) * width


def test_neither_batches_nor_the_order_of_the_input_change_the_slices():
    u, _, _ = drawn(2000)
    random = np.random.default_rng(3)
    at, series = random.integers(0, 10**12, 2000), random.integers(0, 3, 2000)
    once = traced(u, at, series=series)
    again = traced(u, at, series=series, cuts=(1, 17, 900, 901), order=random.permutation(2000))
    assert (once.level, once.first) == (again.level, again.first)
    # Series are numbered as they come, which the order does change; here the numbers are given.
    np.testing.assert_array_equal(once.moments.counts[..., :2], again.moments.counts[..., :2])
    np.testing.assert_allclose(once.moments.sums, again.moments.sums, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(once.moments.max_u, again.moments.max_u)


def test_naive_and_fixed_of_a_slice_are_those_of_its_messages_alone():
    u, log_p, log_q = drawn(6000)
    at = np.arange(6000) * 1000
    trace = traced(u, at)
    for estimator in ("naive", "fixed"):
        points = points_of(trace, 0, "q", 1e-13, estimator)
        own = np.floor(at / points.width) * points.width + points.width / 2
        for middle in points.at:
            inside = own == middle
            alone = summarize(log_p[inside], log_q[inside])
            index = int(np.flatnonzero(points.at == middle)[0])
            estimate = alone.reverse.of(estimator)
            assert points.value[index] == pytest.approx(estimate.value, rel=1e-9)
            assert points.lower[index] == pytest.approx(estimate.lower, rel=1e-9)
            assert points.upper[index] == pytest.approx(estimate.upper, rel=1e-9)
            assert points.ratio_mean[index] == pytest.approx(alone.ratio_mean, rel=1e-12)
            reach = (points.ratio_upper[index] - points.ratio_lower[index]) / 2
            assert reach == pytest.approx(1.96 * (alone.ratio_mean - 1) / alone.ratio_zscore, rel=1e-4)


def test_adaptive_of_a_slice_knows_the_slices_before_it_and_nothing_of_those_after():
    u, _, _ = drawn(6000)
    at = np.arange(6000) * 1000
    later = u.copy()
    later[4500:] *= -3
    before, after = (points_of(traced(each, at), 0, "q", 1e-13, "adaptive") for each in (u, later))
    same = before.at < 4_400_000
    np.testing.assert_allclose(before.value[same], after.value[same], rtol=1e-12)
    assert not np.isclose(before.value[~same][1:], after.value[~same][1:]).any()
    fixed = points_of(traced(u, at), 0, "q", 1e-13, "fixed")
    assert before.value[0] == pytest.approx(fixed.value[0])
    assert not np.isclose(before.value[3:], fixed.value[3:]).any()


def test_adaptive_of_a_slice_is_that_of_a_plain_program_over_the_slices_so_far():
    u, _, _ = drawn(4000)
    at = np.arange(4000) * 1000
    points = points_of(traced(u, at), 0, "q", 1e-13, "adaptive")
    slices = np.searchsorted(points.at + points.width / 2, at, side="right")
    rows = [[(1.0, math.expm1(x), math.expm1(x) - x, x) for x in u[slices == index]] for index in range(slices[-1] + 1)]
    for index in (1, 2, len(rows) // 2, len(rows) - 1):
        value, error = adaptive(rows[: index + 1], index, len(rows))
        assert points.value[index] == pytest.approx(value, rel=1e-9)
        reach = math.log(points.upper[index] / points.value[index]) * value
        count = len(rows[index])
        assert reach == pytest.approx(float(student_quantile(np.array([count - 1.0]))[0]) * error, rel=1e-9)


def test_adaptive_slices_scatter_around_the_truth_as_their_intervals_say():
    truth = float((np.exp(Q) * (Q - P)).sum())
    inside, points = 0, 0
    for seed in range(6):
        u, _, _ = drawn(20_000, seed)
        found = points_of(traced(u, np.arange(20_000)), 0, "q", 1e-13, "adaptive")
        inside += int(((found.lower <= truth) & (truth <= found.upper)).sum())
        points += found.value.size
    assert points > 300
    assert 0.90 < inside / points < 0.99


def test_thin_slices_merge_and_a_few_messages_give_no_point():
    u, _, _ = drawn(400)
    points = points_of(traced(u, np.arange(400)), 0, "q", 1e-13, "adaptive")
    assert points.value.size < 8
    few = points_of(traced(u[:4], np.arange(4)), 0, "q", 1e-13, "adaptive")
    assert np.isnan(few.value).all()


def test_a_series_is_drawn_from_its_own_first_slice_to_its_last():
    u, _, _ = drawn(2000)
    at = np.arange(2000) * 1000
    series = (at >= 1_500_000).astype(np.int64)
    trace = traced(u, at, series=series)
    own = trace.of(1)
    assert own.moments.count_of("messages").sum() == 500
    assert own.first << own.level >= 1_500_000 - 2**own.level
    assert own.moments.count_of("messages")[0, 0] > 0

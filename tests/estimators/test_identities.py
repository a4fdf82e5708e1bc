"""What must hold of every estimate, whatever the data."""

import math

import numpy as np
import pytest

from estimators.estimates import DIRECTIONS, ESTIMATORS

PANES = 12


def traffic(seed=11, messages=240):
    """Weighted messages of uneven length with a drift of their own."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 30, messages)
    sigma = np.repeat(rng.lognormal(-1.5, 0.7, messages), lengths)
    u = rng.normal(-(sigma**2) / 2, sigma)
    return u, lengths, rng.exponential(1, u.size)


def columns_of(estimates):
    return {
        (direction, estimator, name): getattr(estimates.of(direction).of(estimator), name)[0]
        for direction in DIRECTIONS
        for estimator in ESTIMATORS
        for name in ("value", "standard_error", "lower", "upper")
    }


def test_sampling_from_p_is_sampling_from_q_with_the_names_exchanged(oracle):
    u, lengths, weight = traffic()
    same = {"lengths": lengths, "weight": weight, "panes": PANES, "first": 4}
    from_q, from_p = (oracle.estimate_of(u, sampled_from=sampler, **same) for sampler in "qp")
    for one, other in (("reverse", "forward"), ("forward", "reverse")):
        for estimator in ESTIMATORS:
            for name in ("value", "standard_error", "lower", "upper"):
                left, right = (
                    getattr(estimates.of(direction).of(estimator), name)[0]
                    for estimates, direction in ((from_q, one), (from_p, other))
                )
                assert left == right
        assert from_q.of(one).control_variate_lambda == from_p.of(other).control_variate_lambda
        assert np.array_equal(from_q.of(one).k2, from_p.of(other).k2, equal_nan=True)
    assert from_q.ratio_mean == from_p.ratio_mean


def test_scaling_all_weights_changes_nothing(oracle):
    u, lengths, weight = traffic()
    one, scaled = (
        oracle.estimate_of(u, lengths=lengths, weight=w, panes=PANES, first=4) for w in (weight, weight * 1024.0)
    )
    assert columns_of(one) == pytest.approx(columns_of(scaled), rel=1e-12)
    for name in ("ratio_mean", "ratio_zscore", "effective_sample_ratio"):
        assert getattr(one, name)[0] == pytest.approx(getattr(scaled, name)[0], rel=1e-12)
    assert scaled.total.sum_of("W")[0] == pytest.approx(1024 * one.total.sum_of("W")[0])


def test_a_weight_of_two_is_a_pair_that_occurs_twice_in_its_message(oracle):
    u, lengths, _ = traffic(messages=40)
    double = oracle.estimate_of(u, lengths=lengths, weight=np.full(u.size, 2.0))
    twice = oracle.estimate_of(np.repeat(u, 2), lengths=2 * lengths)
    assert columns_of(double) == pytest.approx(columns_of(twice), rel=1e-11)


def test_fixed_minus_naive_is_the_deviation_of_the_ratio_mean_with_the_sign_of_its_side(oracle):
    u, lengths, weight = traffic()
    for sampler, sampler_side, other_side in (("q", "reverse", "forward"), ("p", "forward", "reverse")):
        estimates = oracle.estimate_of(u + 0.02, lengths=lengths, weight=weight, sampled_from=sampler)
        deviation = estimates.ratio_mean[0] - 1
        assert abs(deviation) > 1e-3
        for direction, sign in ((sampler_side, 1), (other_side, -1)):
            columns = estimates.of(direction)
            assert columns.fixed.value[0] - columns.naive.value[0] == pytest.approx(sign * deviation, abs=1e-13)
        assert estimates.support_gap[0] == pytest.approx(-deviation, abs=1e-15)


def test_fixed_is_never_negative_and_naive_may_be(oracle):
    for seed in range(20):
        u = np.random.default_rng(seed).normal(0, 0.3, 5)
        estimates = oracle.estimate_of(u)
        assert estimates.reverse.fixed.value[0] >= 0
        assert estimates.forward.fixed.value[0] >= 0
    assert oracle.estimate_of(np.full(3, 0.1)).reverse.naive.value[0] == pytest.approx(-0.1)


def test_the_same_model_twice_is_zero_with_no_error_and_no_zscore(oracle):
    estimates = oracle.estimate_of(np.zeros(50), panes=10)
    for direction in DIRECTIONS:
        for estimator in ESTIMATORS:
            columns = estimates.of(direction).of(estimator)
            assert (columns.value[0], columns.standard_error[0]) == (0, 0)
    assert math.isnan(estimates.ratio_zscore[0])
    assert estimates.comparable[0] == 1
    assert estimates.effective_sample_ratio[0] == 1


def test_messages_that_are_all_alike_have_no_error_and_no_zscore(oracle):
    u = np.tile([0.3, -0.1, 0.2], 40)
    estimates = oracle.estimate_of(u, lengths=[3] * 40, weight=np.tile([0.7, 0.1, 0.3], 40), panes=10)
    for direction in DIRECTIONS:
        for estimator in ESTIMATORS:
            assert estimates.of(direction).of(estimator).standard_error[0] == 0
    assert math.isnan(estimates.ratio_zscore[0])
    assert estimates.comparable[0] == 0


def test_one_pair_a_message_gives_the_textbook_standard_error(oracle):
    u = np.random.default_rng(3).normal(-0.02, 0.2, 500)
    estimates = oracle.estimate_of(u)
    r = np.exp(u)
    assert estimates.reverse.naive.standard_error[0] == pytest.approx(np.std(-u, ddof=1) / math.sqrt(500), rel=1e-9)
    fixed = np.std(r - 1 - u, ddof=1) / math.sqrt(500)
    assert estimates.reverse.fixed.standard_error[0] == pytest.approx(fixed, rel=1e-9)
    assert estimates.ratio_zscore[0] == pytest.approx((r.mean() - 1) / (np.std(r, ddof=1) / math.sqrt(500)), rel=1e-9)
    assert estimates.effective_sample_ratio[0] == pytest.approx(r.sum() ** 2 / (r**2).sum() / 500, rel=1e-9)
    assert estimates.reverse.k2[0] == pytest.approx((u**2).mean() / 2, rel=1e-9)

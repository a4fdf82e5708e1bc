"""Whatever finite numbers come in, numbers or a stated absence come out, and no warning."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimators.estimates import DIRECTIONS, ESTIMATORS
from estimators.evaluation import estimate
from estimators.moments import Moments
from estimators.values import U_MAX

ratios = st.one_of(
    st.floats(-1, 1),
    st.floats(-20_000, 20_000),
    st.sampled_from([0.0, 1e-300, -1e-300, 1e-160, 299.0, 301.0, -1e60, 37.0, 5e-324, -math.inf]),
)
weights = st.one_of(st.just(1.0), st.floats(1e-60, 1e12), st.sampled_from([1e-60, 1e12]))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    st.lists(
        st.lists(st.lists(st.tuples(ratios, weights), min_size=1, max_size=3), max_size=4), min_size=1, max_size=14
    ),
    st.integers(0, 3),
    st.booleans(),
)
def test_no_value_error_or_interval_of_three_messages_is_nan(oracle, panes, first, weighted):
    panes = [[], *panes, [[(0.1, 1.0)], [(-0.2, 1.0)], [(0.3, 1.0)]]]
    first = min(first, len(panes) - 1)
    messages = [(index, pairs) for index, pane in enumerate(panes) for pairs in pane]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimates = oracle.estimate_of(
            [u for _, pairs in messages for u, _ in pairs],
            weight=np.array([w for _, pairs in messages for _, w in pairs]) if weighted else None,
            lengths=[len(pairs) for _, pairs in messages],
            pane=[index for index, _ in messages],
            panes=len(panes),
            first=first,
        )
    infinite = any(u == -math.inf for index, pairs in messages if index >= first for u, _ in pairs)
    assert estimates.infinite[0] == infinite
    assert np.isfinite([estimates.ratio_mean[0], estimates.support_gap[0]]).all()
    for direction in DIRECTIONS:
        of_direction = estimates.of(direction)
        assert np.isfinite(of_direction.control_variate_lambda[0])
        for estimator in ESTIMATORS:
            columns = of_direction.of(estimator)
            shown = [columns.standard_error[0], columns.lower[0], columns.upper[0]]
            if infinite and direction == "reverse":
                assert columns.value[0] == math.inf
                assert np.isnan(shown).all()
            else:
                assert np.isfinite([columns.value[0], *shown]).all()
                assert columns.lower[0] <= columns.value[0] <= columns.upper[0]


def test_one_message_has_a_value_and_no_error_and_two_have_no_fitted_error(oracle):
    one, two = oracle.estimate_of([0.3]), oracle.estimate_of([0.3, -0.1])
    for direction in DIRECTIONS:
        for estimator in ESTIMATORS:
            assert np.isfinite(one.of(direction).of(estimator).value[0])
            assert np.isnan(one.of(direction).of(estimator).standard_error[0])
            assert np.isnan(two.of(direction).of(estimator).standard_error[0]) == (estimator == "fitted")
    assert np.isnan(one.ratio_zscore[0])
    assert np.isnan(one.comparable[0])


def test_no_message_has_no_value(oracle):
    estimates = estimate(
        Moments.zero(4, 3), first=1, panes_per_window=3, sampled_from="q", resolution=1e-13, min_messages=0
    )
    assert np.isnan(estimates.reverse.adaptive.value).all()
    assert np.isnan(estimates.ratio_mean).all()
    assert estimates.infinite.tolist() == [0, 0, 0]


def test_below_min_messages_the_counts_are_shown_and_nothing_else(oracle):
    u = [*np.random.default_rng(1).normal(0, 0.2, 28), -math.inf]
    withheld, shown = (oracle.estimate_of(u, panes=10, min_messages=least) for least in (30, 29))
    for name in ("ratio_mean", "ratio_zscore", "support_gap", "comparable", "effective_sample_ratio"):
        assert np.isnan(getattr(withheld, name)[0]), name
        if name != "comparable":
            assert np.isfinite(getattr(shown, name)[0]), name
    for direction in DIRECTIONS:
        part = withheld.of(direction)
        for estimator in ESTIMATORS:
            columns = part.of(estimator)
            assert np.isnan([columns.value, columns.standard_error, columns.lower, columns.upper]).all()
        for name in ("k2", "control_variate_lambda", "pane_standard_error", "variance_ratio_naive"):
            assert np.isnan(getattr(part, name)[0]), name
    assert np.isfinite(shown.forward.adaptive.value[0])
    assert withheld.total.count_of("messages")[0] == 29
    assert (withheld.blocks[0], withheld.infinite[0]) == (10, 1)


def test_a_zero_on_the_other_side_leaves_the_other_direction_finite(oracle):
    u = np.array([0.1, -0.2, 0.05, -math.inf, 0.3])
    estimates = oracle.estimate_of(u)
    r = np.exp(u)
    finite = np.where(np.isneginf(u), 0, u)
    assert estimates.reverse.k2[0] == math.inf
    assert np.isnan(estimates.reverse.pane_standard_error[0])
    assert estimates.forward.fixed.value[0] == pytest.approx(np.mean(r * finite - (r - 1)))
    assert estimates.ratio_mean[0] == pytest.approx(r.mean())
    mapped = oracle.estimate_of(u, sampled_from="p")
    assert mapped.forward.fixed.value[0] == math.inf
    assert mapped.reverse.fixed.value[0] == estimates.forward.fixed.value[0]


def test_a_history_pane_with_a_zero_does_not_make_the_window_infinite(oracle):
    estimates = oracle.estimate_of([-math.inf, 0.1, 0.2, -0.1], panes=4, first=1)
    assert estimates.infinite[0] == 0
    assert np.isfinite(estimates.reverse.adaptive.value[0])


@pytest.mark.parametrize("huge", [30.0, 60.0, 250.0, 400.0])
def test_naive_survives_one_huge_ratio(oracle, huge):
    """F - C would have lost it: at u = 60 both are 1e26, and the difference should be 60."""
    u = np.random.default_rng(2).normal(0, 0.3, 200)
    u[77] = huge
    for weight in (None, np.ones(200)):
        estimates = oracle.estimate_of(u, panes=20, weight=weight)
        naive, bounded = estimates.reverse.naive, np.minimum(u, U_MAX)
        assert naive.value[0] == pytest.approx(-bounded.mean(), rel=1e-12)
        assert naive.standard_error[0] == pytest.approx(bounded.std(ddof=1) / math.sqrt(200), rel=1e-9)
        assert estimates.reverse.fitted.value[0] == pytest.approx(naive.value[0], abs=0.3)
        if huge > 40:  # what is left of the other side's fit is rounding: it is not shown
            assert estimates.forward.fitted.value[0] == estimates.forward.fixed.value[0]
        assert estimates.total.count_of("clamped")[0] == (huge > U_MAX)


def test_panes_with_different_series_do_not_mix(oracle):
    rng = np.random.default_rng(14)
    samples = [rng.normal(-0.02, sd, 120) for sd in (0.1, 0.5, 2.0)]
    alone = [oracle.panes_of(u, panes=12) for u in samples]
    together = Moments(
        *(np.concatenate([getattr(one, name) for one in alone], axis=1) for name in ("sums", "counts", "max_u"))
    )
    options = {"first": 4, "panes_per_window": 8, "sampled_from": "q", "resolution": 1e-13, "min_messages": 1}
    for index, one in enumerate(alone):
        single, many = estimate(one, **options), estimate(together, **options)
        for direction in DIRECTIONS:
            for estimator in ESTIMATORS:
                left, right = single.of(direction).of(estimator), many.of(direction).of(estimator)
                assert left.value[0] == pytest.approx(right.value[index], rel=1e-13)
                assert left.standard_error[0] == pytest.approx(right.standard_error[index], rel=1e-11)
        assert single.ratio_mean[0] == pytest.approx(many.ratio_mean[index], rel=1e-13)

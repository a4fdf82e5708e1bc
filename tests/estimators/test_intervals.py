"""Quantiles against arbitrary precision, and how often an interval holds the truth."""

import mpmath
import numpy as np
import pytest

from estimators.estimates import ESTIMATORS
from estimators.evaluation import estimate
from estimators.intervals import log_interval, plain_interval, student_quantile
from estimators.kernel import cell_rows

DEGREES = [*range(1, 42), 60, 100, 1000, 10**6, 10**12]


@pytest.mark.parametrize("degrees", DEGREES)
def test_the_t_quantile_is_exact_to_a_millionth(degrees):
    quantile = mpmath.mpf(float(student_quantile(np.array([float(degrees)]))[0]))
    if degrees > 10**6:
        assert quantile == pytest.approx(1.959963984540054, abs=1e-9)
        return
    with mpmath.workdps(30):
        x = degrees / (degrees + quantile**2)
        beyond = mpmath.betainc(mpmath.mpf(degrees) / 2, mpmath.mpf(1) / 2, 0, x, regularized=True) / 2
        density = mpmath.gamma((degrees + 1) / mpmath.mpf(2)) / mpmath.gamma(degrees / mpmath.mpf(2))
        density *= (1 + quantile**2 / degrees) ** (-(degrees + 1) / mpmath.mpf(2)) / mpmath.sqrt(degrees * mpmath.pi)
        assert abs((beyond - mpmath.mpf("0.025")) / density) < 1e-6


def test_no_degree_of_freedom_has_no_quantile():
    assert np.isnan(student_quantile(np.array([0.0, -1.0, np.nan]))).all()


def test_an_interval_far_wider_than_its_value_stays_finite():
    for interval in (log_interval, plain_interval):
        lower, upper = interval(np.array([1e-9, 1e200]), np.array([1e3, 1e205]), np.array([2.0, 2.0]))
        assert np.isfinite([lower, upper]).all()
        assert (lower <= upper).all()


def test_a_value_that_is_not_positive_gets_the_plain_interval():
    value, error, messages = np.array([-0.5, 0.0]), np.array([0.1, 0.2]), np.array([10.0, 10.0])
    assert np.array_equal(log_interval(value, error, messages), plain_interval(value, error, messages))


RUNS, MESSAGES, TOKENS, KL = 1000, 200, 100, 0.02


@pytest.fixture(scope="module")
def coverage():
    """Share of runs whose interval holds the truth: messages of 100 tokens, whose KL varies by a log-sd of 0.6."""
    rng = np.random.default_rng(77)
    held = dict.fromkeys((*ESTIMATORS, "tokens"), 0)
    chunk = RUNS // 20
    for _ in range(20):
        variance = 2 * KL * rng.lognormal(-(0.6**2) / 2, 0.6, (chunk * MESSAGES, 1))
        u = np.sqrt(variance) * rng.standard_normal((chunk * MESSAGES, TOKENS)) - variance / 2
        series = np.repeat(np.arange(chunk), MESSAGES)
        index = np.arange(series.size)
        clusters = cell_rows(u.ravel(), None, index * TOKENS, series, index, 0)
        tokens = cell_rows(u.ravel(), None, np.arange(u.size), series.repeat(TOKENS), np.arange(u.size), 0)
        of_clusters, of_tokens = (
            estimate(
                rows.moments[None],
                first=0,
                panes_per_window=1,
                sampled_from="q",
                resolution=1e-13,
                min_messages=1,
            ).reverse
            for rows in (clusters, tokens)
        )
        for name in ESTIMATORS:
            columns = of_clusters.of(name)
            held[name] += np.count_nonzero((columns.lower <= KL) & (columns.upper >= KL))
        columns = of_tokens.fixed
        held["tokens"] += np.count_nonzero(np.abs(columns.value - KL) <= 1.96 * columns.standard_error)
    return {name: count / RUNS for name, count in held.items()}


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_interval_holds_the_truth_about_95_times_in_100(coverage, estimator):
    assert 0.91 <= coverage[estimator] <= 0.97


def test_an_interval_that_takes_tokens_for_independent_would_not(coverage):
    assert coverage["tokens"] < 0.65

"""A million draws of each of twelve pairs of normal distributions, whose divergences and variances are known."""

from functools import cache

import numpy as np
import pytest

from estimators.control_variates import FIXED_LAMBDA, optimal_delta
from estimators.estimates import DIRECTIONS, ESTIMATORS

DRAWS = 1_000_000
NAMES = [
    *("schulman_a", "schulman_b", "tiny_shift", "shift_half", "shift_2", "narrow_p"),
    *("wide_p", "wide_p_infvar", "both", "general", "tiny_scale", "tiny_both"),
]
#: Where the variance of what a variance rests on is finite and small enough for a million draws.
LIGHT = ["schulman_a", "shift_half", "narrow_p", "both", "tiny_shift", "tiny_scale", "tiny_both"]
VARIANCES = {
    ("reverse", "naive"): "rev_k1_var",
    ("reverse", "fixed"): "rev_k3_var",
    ("reverse", "fitted"): "rev_opt_var",
    ("forward", "naive"): "fwd_naive_var",
    ("forward", "fixed"): "fwd_lm1_var",
    ("forward", "fitted"): "fwd_opt_var",
}


def log_ratios(case, rng):
    """U = log p(x) - log q(x) of x drawn from q; expanded, so that tiny differences keep their digits."""
    (mp, sp), (mq, sq) = ((float(case[side]["mean"]), float(case[side]["sd"])) for side in "pq")
    z = rng.standard_normal(DRAWS)
    y = (mq - mp + sq * z) / sp
    return -np.log(sp / sq) + (z - y) * (z + y) / 2


@pytest.fixture(scope="module")
def sample(gaussian_cases, oracle):
    """Name -> the case, its moments in 40 panes, and its estimates."""

    @cache
    def draw(name):
        case = gaussian_cases[name]
        u = log_ratios(case, np.random.default_rng(1000 + NAMES.index(name)))
        return case, oracle.panes_of(u, panes=40), oracle.estimate_of(u, panes=40)

    return draw


def test_no_case_is_left_out(gaussian_cases):
    assert set(NAMES) == set(gaussian_cases)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", NAMES)
def test_every_estimate_is_within_four_standard_errors_of_the_closed_form(sample, name, direction):
    case, _, estimates = sample(name)
    truth = float(case["divergences"]["kl_q_p" if direction == "reverse" else "kl_p_q"])
    for estimator in ESTIMATORS:
        columns = estimates.of(direction).of(estimator)
        assert abs(columns.value[0] - truth) <= 4 * columns.standard_error[0], estimator


@pytest.mark.parametrize("name", [*LIGHT, "schulman_b"])
def test_variances_and_coefficients_are_those_of_the_closed_form(sample, name):
    case, panes, estimates = sample(name)
    stats = {key: float(value) for key, value in case["per_sample_stats"].items()}
    for (direction, estimator), key in VARIANCES.items():
        tolerance = 0.05 if name in LIGHT or direction == "reverse" else 0.2
        variance = DRAWS * estimates.of(direction).of(estimator).standard_error[0] ** 2
        assert variance == pytest.approx(stats[key], rel=tolerance), key
    for side, key in (("S", "rev_opt_lambda"), ("O", "fwd_opt_lambda")):
        optimal = FIXED_LAMBDA[side] + optimal_delta(panes.merged().sums[0], side)
        assert optimal == pytest.approx(stats[key], rel=0.05), key
    c_square = DRAWS * (estimates.support_gap[0] / estimates.ratio_zscore[0]) ** 2
    assert c_square == pytest.approx(stats["var_c"], rel=0.05 if name in LIGHT else 0.2)


@pytest.mark.parametrize("name", LIGHT)
def test_adaptive_is_as_good_as_the_best_of_naive_and_fixed_where_tails_are_light(sample, name):
    _, _, estimates = sample(name)
    for direction in DIRECTIONS:
        columns = estimates.of(direction)
        best = min(columns.naive.standard_error[0], columns.fixed.standard_error[0])
        assert columns.adaptive.standard_error[0] <= 1.02 * best
        assert columns.variance_ratio_fixed[0] == pytest.approx(
            (columns.fixed.standard_error[0] / columns.adaptive.standard_error[0]) ** 2
        )

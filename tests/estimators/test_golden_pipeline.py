"""The twelve messages of the golden file through kernel, corrections and errors: 20 digits are known, 12 are asked."""

import numpy as np
import pytest

from estimators.control_variates import FIXED_LAMBDA, corrected, optimal_delta
from estimators.evaluation import estimate
from estimators.moments import SUM
from estimators.ratios import centred_square, standard_error

SIDES = {"kl_so": "S", "kl_os": "O"}


@pytest.fixture(scope="module")
def panes(pipeline_golden, oracle):
    messages = pipeline_golden["messages"]
    u = [p - q for m in messages for p, q in zip(m["logp"], m["logq"], strict=True)]
    return oracle.panes_of(
        u,
        panes=3,
        weight=np.array([w for m in messages for w in m["w"]]),
        lengths=[len(m["w"]) for m in messages],
        pane=[m["pane"] for m in messages],
    )


@pytest.fixture(scope="module")
def estimates(panes):
    return estimate(panes, first=0, panes_per_window=3, sampled_from="q", resolution=1e-13, min_messages=1)


@pytest.mark.parametrize("name", SIDES)
def test_fixed_fitted_and_self_check_equal_the_golden_values(estimates, pipeline_golden, panes, name):
    expected = {key: float(value) for key, value in pipeline_golden["expected"][name].items()}
    direction = estimates.reverse if name == "kl_so" else estimates.forward
    actual = {
        "fixed": direction.fixed.value[0],
        "fixed_se": direction.fixed.standard_error[0],
        "opt": direction.fitted.value[0],
        "opt_se": direction.fitted.standard_error[0],
        "cbar": -estimates.support_gap[0],
        "cbar_se": -estimates.support_gap[0] / estimates.ratio_zscore[0],
        "z_self": estimates.ratio_zscore[0],
        "ess": estimates.effective_sample_ratio[0] * panes.merged().count_of("pairs")[0],
        "delta_opt": optimal_delta(panes.merged().sums[0], SIDES[name]),
    }
    actual["lambda_opt"] = FIXED_LAMBDA[SIDES[name]] + actual["delta_opt"]
    if name == "kl_so":
        actual["k1"] = direction.naive.value[0]
    for key, value in actual.items():
        assert value == pytest.approx(expected[key], rel=1e-12), key
    assert set(expected) - set(actual) == {"adaptive", "adaptive_se"}


@pytest.mark.parametrize("name", SIDES)
def test_panes_corrected_by_given_deltas_merge_to_the_golden_adaptive(panes, pipeline_golden, name):
    parts = [
        corrected(panes.sums[pane, 0], np.float64(deltas[name]), SIDES[name])
        for pane, deltas in enumerate(pipeline_golden["deltas"])
    ]
    y, yy, yw = (sum(getattr(part, column) for part in parts) for column in ("y", "yy", "yw"))
    total = panes.merged()[0]
    weight, ww = total.sums[SUM["W"]], total.sums[SUM["WW"]]
    error = standard_error(centred_square(yy, yw, ww, y / weight), weight, 12.0)
    expected = pipeline_golden["expected"][name]
    assert y / weight == pytest.approx(float(expected["adaptive"]), rel=1e-12)
    assert error == pytest.approx(float(expected["adaptive_se"]), rel=1e-12)

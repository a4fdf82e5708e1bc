"""What learning from earlier panes only is for: thousands of windows of known divergence, averaged."""

import numpy as np
import pytest

from estimators.evaluation import estimate
from estimators.kernel import cell_rows
from estimators.moments import Moments

BURN_IN, PANES, SHIFT = 5, 20, 1.0
TRUTH = SHIFT**2 / 2


def simulated(windows, messages):
    """Estimates of many windows, `messages` a pane, of N(0, 1) against N(SHIFT, 1)."""
    shape = (BURN_IN + PANES, windows)
    u = SHIFT * np.random.default_rng(4).standard_normal((*shape, messages)) - TRUTH
    index = np.arange(u.size)
    rows = cell_rows(u.ravel(), None, index, index // messages, index, 0)
    panes = Moments(
        rows.moments.sums.reshape(*shape, -1),
        rows.moments.counts.reshape(*shape, -1),
        rows.moments.max_u.reshape(shape),
    )
    return estimate(panes, first=BURN_IN, panes_per_window=PANES, sampled_from="q", resolution=1e-13, min_messages=1)


@pytest.fixture(scope="module")
def small():
    """Windows of 60 messages, where a coefficient from the same window costs most."""
    return simulated(3000, 3)


@pytest.fixture(scope="module")
def large():
    """Windows of 800 messages."""
    return simulated(1000, 40)


@pytest.mark.parametrize("direction", ["reverse", "forward"])
def test_the_mean_of_adaptive_over_many_small_windows_is_the_divergence(small, direction):
    value = small.of(direction).adaptive.value
    assert abs(value.mean() - TRUTH) < 4 * value.std() / np.sqrt(value.size)


def test_fitted_in_the_same_windows_is_low(small):
    value = small.reverse.fitted.value
    assert value.mean() < TRUTH - 4 * value.std() / np.sqrt(value.size)


@pytest.mark.parametrize("direction", ["reverse", "forward"])
def test_adaptive_scatters_less_than_fixed_and_as_much_as_its_standard_error_says(large, direction):
    columns = large.of(direction)
    assert columns.adaptive.value.std() < 0.95 * columns.fixed.value.std()
    claimed = np.sqrt(np.mean(columns.adaptive.standard_error**2))
    assert claimed == pytest.approx(columns.adaptive.value.std(), rel=0.1)

"""The demo's truth: summed over the distributions here once more, by plain loops."""

import math

import numpy as np
import pytest

from daemon.demo.models import ModelFamily, truncated


@pytest.fixture(scope="module", params=[1, 2, 3])
def family(request):
    return ModelFamily(np.random.default_rng(request.param))


def brute_force(log_a, log_b):
    """KL(a||b) over every context and outcome."""
    total = 0.0
    for one, two in zip(log_a.tolist(), log_b.tolist(), strict=True):
        for a, b in zip(one, two, strict=True):
            if a > -math.inf:
                total += math.inf if b == -math.inf else math.exp(a) * (a - b)
    return total / len(log_a)


@pytest.mark.parametrize("nats", [0.05, 0.12, 0.25])
def test_models_are_as_far_apart_as_was_asked(family, nats):
    assert family.apart(nats).truth.kl_nats["reverse"] == pytest.approx(nats, rel=1e-12)


def test_the_truth_of_both_directions_is_the_sum_over_contexts_and_outcomes(family):
    calm = family.apart(0.05)
    for regime in (calm, truncated(calm, 0.9)):
        log_p, log_q = regime.log_p, regime.log_q
        assert regime.truth.kl_nats["reverse"] == pytest.approx(brute_force(log_q, log_p), rel=1e-12)
        assert regime.truth.kl_nats["forward"] == pytest.approx(brute_force(log_p, log_q), rel=1e-12)
        ratio_mean = sum(
            math.exp(q) * math.exp(p - q) for p, q in zip(log_p.flat, log_q.flat, strict=True) if q > -math.inf
        ) / len(log_q)
        assert regime.truth.ratio_mean == pytest.approx(ratio_mean, rel=1e-12)
    assert calm.truth.ratio_mean == pytest.approx(1, abs=1e-12)


def test_a_nucleus_is_the_smallest_set_of_the_most_probable_outcomes_with_the_mass_that_is_kept(family):
    calm = family.apart(0.05)
    cut = truncated(calm, 0.9)
    for before, after in zip(np.exp(calm.log_q), np.exp(cut.log_q), strict=True):
        kept = after > 0
        assert before[kept].sum() >= 0.9
        assert before[kept].sum() - before[kept].min() < 0.9
        assert before[kept].min() >= before[~kept].max()
        assert after.sum() == pytest.approx(1, abs=1e-12)
        assert after[kept] / before[kept] == pytest.approx(1 / before[kept].sum(), rel=1e-12)
    assert cut.log_p is calm.log_p


def test_truncation_leaves_nine_tenths_of_the_other_models_mass_and_an_infinite_forward_divergence(family):
    cut = truncated(family.apart(0.05), 0.9).truth
    assert cut.ratio_mean == pytest.approx(0.9, abs=0.01)
    assert cut.kl_nats["forward"] == math.inf
    assert cut.kl_nats["reverse"] > 0.1, "above the threshold: a rule without a self-check would call it drift"

"""Which side is the sampler, and of which base the logarithms are: simulated models whose truth is known."""

import math

import numpy as np
import pytest

from daemon.inspection.log_base import NATS_PER_UNIT, log_base_evidence
from daemon.inspection.ratios import Ratios
from daemon.inspection.sampler import LOG_ODDS_MIN, pairs_needed, sampler_evidence

FLOAT32, BF16 = 1e-13, 4e-4
PATHS = ("q_field", "p_field")


def models(seed, scale, outcomes=500):
    """Probabilities of two models, `scale` apart in their logits."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, 2, outcomes)
    both = np.exp([logits, logits + draw.normal(0, scale, outcomes)])
    return both / both.sum(1, keepdims=True)


def log_ratios(sampler, other, count, seed):
    """log sampler - log other of outcomes that were drawn from the sampler."""
    x = np.random.default_rng(seed).choice(sampler.size, count, p=sampler)
    return (np.log(sampler) - np.log(other))[x]


def weighed(d, *, resolution=FLOAT32, named=None, per_message=1):
    ratios = Ratios(d, None, np.arange(0, d.size, per_message))
    return sampler_evidence(ratios, 1.0, resolution, named, PATHS)


def divergence(sampler, other):
    return float((sampler * np.log(sampler / other)).sum())


def test_means_and_errors_are_those_of_the_ratio_of_sums():
    values, weight, first = (
        np.array([1.0, 4.0, 2.0, 7.0, 3.0]),
        np.array([1.0, 2.0, 1.0, 1.0, 3.0]),
        np.array([0, 2, 3]),
    )
    mean = Ratios(values, weight, first).mean(values, 1.0)
    sums = [(1 + 8, 3.0), (2, 1.0), (7 + 9, 4.0)]
    expected = sum(x for x, _ in sums) / sum(w for _, w in sums)
    error = math.sqrt(3 / 2 * sum((x - expected * w) ** 2 for x, w in sums)) / sum(w for _, w in sums)
    assert mean == pytest.approx((expected, error, (expected - 1) / error), rel=1e-12)


@pytest.mark.parametrize("side", ["q", "p"])
def test_enough_pairs_name_the_sampler_which_fits_while_the_other_does_not(side):
    sampler, other = models(1, 0.3)
    d = log_ratios(sampler, other, 5000, 2)
    evidence = weighed(d if side == "q" else -d, named="q")
    assert evidence.evident == evidence.sampled_from == side
    assert evidence.decided_by == "evidence"
    assert evidence.chosen.fit == "fits"
    assert evidence.other.fit == "above"
    assert evidence.contradicts_names == (side == "p")
    assert abs(evidence.log_odds) == pytest.approx(d.sum())


def test_the_mean_ratio_of_the_swapped_side_is_one_plus_chi_square():
    sampler, other = models(1, 0.3)
    evidence = weighed(log_ratios(sampler, other, 20_000, 3))
    assert abs(evidence.p.ratio_mean - (sampler**2 / other).sum()) < 4 * evidence.p.error
    assert abs(evidence.q.ratio_mean - 1) < 4 * evidence.q.error


def test_the_wrong_side_is_never_named_however_few_or_many_the_pairs():
    wrong = named = 0
    for seed, scale in enumerate(np.repeat([0.05, 0.3, 1.0, 3.0], 25)):
        sampler, other = models(seed, scale)
        d = log_ratios(sampler, other, 6000, 1000 + seed)
        for count in (10, 100, 1000, 6000):
            evident = weighed(d[:count]).evident
            wrong += evident == "p"
            named += evident == "q"
    assert wrong == 0
    assert named > 150


def test_rounding_to_bf16_names_no_side_where_there_is_no_divergence():
    """The same numbers with noise of mean zero: their sum passes the bound on the likelihood all the same."""
    passed = 0
    for seed in range(20):
        d = np.random.default_rng(seed).normal(0, math.sqrt(2 * BF16), 200_000)
        evidence = weighed(d, resolution=BF16)
        passed += abs(evidence.log_odds) >= LOG_ODDS_MIN
        assert evidence.evident is None
    assert passed > 2  # the guard is what holds them back


def test_dependent_pairs_of_a_message_count_as_one():
    """One message of many equal pairs is no more evidence than one pair."""
    d = np.repeat(log_ratios(*models(1, 0.3), 12, 4), 500)
    assert weighed(d, resolution=BF16, per_message=500).evident is None
    assert weighed(d, resolution=BF16).evident is not None


@pytest.mark.parametrize(("resolution", "scale"), [(FLOAT32, 0.1), (FLOAT32, 0.3), (BF16, 0.1)])
@pytest.mark.parametrize("per_message", [1, 8])
def test_as_many_pairs_as_are_asked_for_tell_nearly_always_and_a_quarter_rarely(resolution, scale, per_message):
    sampler, other = models(7, scale)
    pilot = Ratios(log_ratios(sampler, other, 96, 8), None, np.arange(0, 96, per_message))
    needed = pairs_needed(pilot, pilot.d, resolution)
    told = {
        share: sum(
            weighed(
                log_ratios(sampler, other, max(int(needed * share) // per_message, 1) * per_message, 100 + seed),
                resolution=resolution,
                per_message=per_message,
            ).evident
            == "q"
            for seed in range(60)
        )
        / 60
        for share in (1.0, 0.2)
    }
    assert told[1.0] >= 0.7
    assert told[0.2] <= 0.3


def test_a_truncated_sampler_is_named_and_its_gap_is_the_mass_that_it_never_draws():
    whole, _ = models(5, 0.0)
    order = np.argsort(-whole)
    kept = order[: int(np.searchsorted(np.cumsum(whole[order]), 0.9)) + 1]
    mass = whole[kept].sum()
    x = np.random.default_rng(6).choice(kept, 3000, p=whole[kept] / mass)
    other = models(5, 0.05)[1]  # not the same model, so that something varies
    evidence = weighed(np.log(whole / mass)[x] - np.log(other)[x])
    assert evidence.evident == "q"
    assert evidence.chosen.fit == "below"
    assert evidence.comparable is False
    assert evidence.support_gap == pytest.approx(1 - other[kept].sum(), abs=4 * evidence.q.error)


def test_a_truncated_sampler_of_the_same_model_has_one_ratio_in_every_pair():
    evidence = weighed(np.full(2000, -math.log(0.9)))
    assert (evidence.evident, evidence.chosen.fit, evidence.comparable) == ("q", "below", False)
    assert evidence.support_gap == pytest.approx(0.1)


def test_a_lead_without_any_variation_is_no_evidence_while_luck_explains_it():
    """Drawn from p, but its one outcome in a hundred that q rules out did not come yet: 37 % of samples of 100."""
    evidence = weighed(np.full(100, -math.log(0.99)))
    assert evidence.zscore == math.inf
    assert evidence.evident is None


def test_a_heavy_tail_is_not_taken_for_a_truncated_sampler():
    """Two normal distributions 3.5 apart: nearly all of the mean ratio is in outcomes that hardly ever come."""
    x = np.random.default_rng(7).normal(0, 1, 1000)
    evidence = weighed(-(x**2) / 2 + (x - 3.5) ** 2 / 2)
    assert evidence.evident == "q"
    assert evidence.q.zscore < -5
    assert evidence.heavy_tailed
    assert evidence.q.fit == "unclear"


def test_two_scores_of_a_class_that_neither_drew_fit_neither():
    draw = np.random.default_rng(9)
    evidence = weighed(draw.normal(0.3, 1.0, 5000))
    assert evidence.q.fit == evidence.p.fit == "above"
    assert evidence.evident is None
    assert evidence.decided_by == "default"


def test_equal_sides_tell_nothing_and_need_no_more_pairs():
    evidence = weighed(np.zeros(1000), named="q")
    assert evidence.identical
    assert evidence.decided_by == "name"
    assert evidence.pairs_needed is None


@pytest.mark.parametrize("base", ["e", 2, 10])
@pytest.mark.parametrize("side", ["q", "p"])
def test_the_base_of_the_logarithms_is_found_on_either_side(base, side):
    sampler, other = models(1, 0.8)
    d = log_ratios(sampler, other, int(1500 / divergence(sampler, other)), 2) / NATS_PER_UNIT[base]
    ratios = Ratios(d if side == "q" else -d, None, np.arange(d.size))
    assert log_base_evidence(ratios, side, FLOAT32).base == base


def test_another_base_is_never_named_of_natural_logarithms():
    named = set()
    for seed, scale in enumerate(np.repeat([0.1, 0.5, 1.0, 2.0, 4.0], 20)):
        sampler, other = models(seed, scale)
        for count in (100, 1000, 8000):
            d = log_ratios(sampler, other, count, seed)
            named.add(log_base_evidence(Ratios(d, None, np.arange(count)), "q", FLOAT32).base)
    assert named == {"e"}


def test_pairs_of_weight_two_are_worth_two_in_the_means():
    sampler, other = models(1, 0.3)
    d = log_ratios(sampler, other, 400, 2)
    weight = np.tile([1.0, 2.0], 200)
    twice = np.repeat(d, weight.astype(int))
    weighted = Ratios(d, weight, np.arange(400)).mean(np.exp(-d), 1.0)
    assert weighted.value == pytest.approx(np.exp(-twice).mean(), rel=1e-12)

"""What a log says of outcomes, against closed forms of two distributions and plain loops over messages."""

import math

import numpy as np
import pytest

from estimators.certain import Certain
from estimators.outcomes import Outcomes

Q = np.array([0.4, 0.3, 0.2, 0.1])
P = np.array([0.25, 0.25, 0.25, 0.25])


def drawn(sampler, other, count, seed=1):
    """Log ratios of outcomes drawn from the sampler, one a message."""
    x = np.random.default_rng(seed).choice(sampler.size, count, p=sampler)
    with np.errstate(divide="ignore"):
        return np.log(other[x]) - np.log(sampler[x])


def singles(u):
    return Outcomes.empty().absorb(u, None, np.arange(u.size), np.zeros(u.size, np.int64))


def test_every_outcome_weighed_by_its_probability_gives_the_total_variation_exactly():
    u = np.log(P / Q)
    found = Outcomes.empty().absorb(u, Q, np.arange(4), np.zeros(4, np.int64)).total_variation()
    assert found.value[0] == pytest.approx(np.abs(P - Q).sum() / 2, rel=1e-15)


@pytest.mark.parametrize(
    ("sampler", "other"),
    [
        (Q, P),
        (P, Q),
        (np.array([0.5, 0.5, 0, 0]), np.array([0.4, 0.3, 0.2, 0.1])),  # a truncated sampler
        (np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.5, 0.5, 0, 0])),  # the other side rules outcomes out
    ],
    ids=["q", "p", "truncated", "ruled_out"],
)
def test_drawn_outcomes_give_it_within_their_own_error_whatever_the_supports_are(sampler, other):
    truth = np.abs(sampler - other).sum() / 2
    scores = []
    for seed in range(40):
        found = singles(drawn(sampler, other, 2000, seed)).total_variation()
        scores.append((found.value[0] - truth) / found.standard_error[0])
    assert abs(np.mean(scores)) < 4 / math.sqrt(40)
    assert 0.6 < np.std(scores) < 1.4


def test_tokens_of_one_message_are_one_cluster_as_a_plain_loop_has_it():
    random = np.random.default_rng(2)
    lengths = random.integers(1, 9, 50)
    series = random.integers(0, 3, 50)
    first = np.cumsum(lengths) - lengths
    u, weight = random.normal(0, 0.5, lengths.sum()), random.uniform(0.1, 3, lengths.sum())
    found = Outcomes.empty().absorb(u, weight, first, series)
    variation, (inverse, inverse_error) = found.total_variation(), found.inverse_ratio_mean()
    for index in range(3):
        rows = [slice(first[m], first[m] + lengths[m]) for m in range(50) if series[m] == index]
        for term, value, error in (
            (np.maximum(1 - np.exp(u), 0), variation.value, variation.standard_error),
            (np.exp(-u), inverse, inverse_error),
        ):
            x, w = (np.array([(weight[row] * each[row]).sum() for row in rows]) for each in (term, np.ones(u.size)))
            mean = x.sum() / w.sum()
            residuals = x - mean * w
            assert value[index] == pytest.approx(mean, rel=1e-12)
            plain = math.sqrt(len(rows) / (len(rows) - 1) * (residuals**2).sum()) / w.sum()
            assert error[index] == pytest.approx(plain, rel=1e-9)


def test_batches_add_up_and_new_series_may_come_later():
    u = drawn(Q, P, 300)
    series = np.r_[np.zeros(100, np.int64), np.full(200, 2)]
    once = Outcomes.empty().absorb(u, None, np.arange(300), series)
    parts = Outcomes.empty()
    for part in (slice(0, 70), slice(70, 110), slice(110, 300)):
        parts = parts.absorb(u[part], None, np.arange(u[part].size), series[part])
    np.testing.assert_allclose(parts.sums, once.sums, rtol=1e-12)
    assert np.isnan(once.total_variation().value[1])


def test_the_mean_of_the_inverse_is_one_only_where_the_sides_are_swapped():
    mean, error = singles(-drawn(Q, P, 20_000)).inverse_ratio_mean()  # u as if the other side had been the sampler
    assert abs(mean[0] - 1) < 4 * error[0]
    mean, error = singles(drawn(Q, P, 20_000)).inverse_ratio_mean()
    truth = (Q**2 / P).sum()
    assert abs(mean[0] - truth) < 4 * error[0] < truth - 1


def test_an_outcome_that_the_other_side_excludes_is_moved_for_sure_and_was_not_drawn_from_it():
    found = singles(np.array([-np.inf, 0.0, 0.0, 0.0]))
    assert found.total_variation().value[0] == 0.25
    assert found.inverse_ratio_mean()[0][0] > 1e100


def certain(log_p, log_q, lengths, weight=None):
    first = np.cumsum(lengths) - lengths
    log_p, log_q = np.array(log_p, float), np.array(log_q, float)
    return Certain.empty().absorb(log_p, log_q, weight, first, np.zeros(len(lengths), np.int64))


def test_zeros_on_both_sides_count_with_their_weights_and_null_and_masked_weights_do_not():
    weight = np.array([2.0, 3.0, 0.0, 1.0, 1.0])
    found = certain([0, -1, 0, 0, -0.0], [0, 0, 0, math.nan, 0], [5], weight)
    assert (found.pairs(0), found.weight(0)) == (2, 3.0)


def test_placeholders_are_told_from_outcomes_that_were_certain():
    tokens = [-1.0] * 12
    assert certain([0] * 12 + tokens, [0] * 12 + tokens, [12, 12]).placeholders(0)
    nearly = [-1e-6] * 4
    assert not certain([0] * 12 + nearly + tokens, [0] * 12 + nearly + tokens, [14, 14]).placeholders(0)
    assert not certain([0] * 12, [0] * 12, [1] * 12).placeholders(0)
    assert not certain(tokens, tokens, [12]).placeholders(0)

"""The README's table "Is my log usable?", row by row: logs simulated from two models whose divergence is exact."""

import numpy as np
import pytest

from estimators import summarize

OUTCOMES, CONTEXTS, PAIRS = 8, 50, 400_000


def softmax(logits):
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def divergence(sampler, other):
    """KL(sampler||other) over contexts that are equally likely."""
    kept = sampler > 0
    ratio = np.log(np.where(kept, sampler, 1) / np.where(kept, other, 1))
    return float(np.mean(np.sum(sampler * ratio, axis=1)))


def draw(generator, rows, context):
    """One outcome of each row of probabilities."""
    below = rows.cumsum(axis=1)[context] < generator.random(len(context))[:, None]
    return np.minimum(below.sum(axis=1), rows.shape[1] - 1)


@pytest.fixture
def world():
    """Generator, logits of both models, the contexts of all pairs."""
    generator = np.random.default_rng(11)
    logits_q = generator.normal(size=(CONTEXTS, OUTCOMES))
    logits_p = logits_q + generator.normal(scale=0.4, size=logits_q.shape)
    return generator, logits_q, logits_p, generator.integers(CONTEXTS, size=PAIRS)


def near(estimate, truth):
    return abs(estimate.value - truth) < 5 * estimate.standard_error < 0.2 * truth


def cut(rows, keep):
    """Keep the likeliest outcomes of each row, as top-k does."""
    kept = np.where(rows >= np.sort(rows, axis=1)[:, [-keep]], rows, 0)
    return kept / kept.sum(axis=1, keepdims=True)


def test_an_outcome_drawn_from_q_or_from_p_with_both_probabilities_is_usable(world):
    generator, logits_q, logits_p, context = world
    q, p = softmax(logits_q), softmax(logits_p)
    x = draw(generator, q, context)
    found = summarize(np.log(p[context, x]), np.log(q[context, x]))
    assert found.comparable
    assert near(found.reverse.adaptive, divergence(q, p))
    assert near(found.forward.adaptive, divergence(p, q))
    x = draw(generator, p, context)
    found = summarize(np.log(p[context, x]), np.log(q[context, x]), sampled_from="p")
    assert found.comparable
    assert near(found.forward.adaptive, divergence(p, q))


def test_scores_of_a_fixed_class_are_no_pairs_and_drawing_a_class_makes_them_pairs(world):
    generator, logits_q, logits_p, context = world
    q, p = softmax(logits_q[:, :2]), softmax(logits_p[:, :2])
    assert summarize(np.log(p[context, 0]), np.log(q[context, 0])).comparable is False
    x = (generator.random(PAIRS) >= q[context, 0]).astype(int)
    drawn = summarize(
        np.log(np.where(x == 0, p[context, 0], 1 - p[context, 0])),
        np.log(np.where(x == 0, q[context, 0], 1 - q[context, 0])),
    )
    assert drawn.comparable
    assert near(drawn.reverse.adaptive, divergence(q, p))


def test_scores_of_the_winner_and_two_different_outcomes_are_no_pairs(world):
    generator, logits_q, logits_p, context = world
    q, p = softmax(logits_q), softmax(logits_p)
    winner = q.argmax(axis=1)[context]
    assert summarize(np.log(p[context, winner]), np.log(q[context, winner])).comparable is False
    mine, yours = draw(generator, q, context), draw(generator, p, context)
    assert summarize(np.log(p[context, yours]), np.log(q[context, mine])).comparable is False


def test_at_another_temperature_both_sides_are_logged_after_it(world):
    generator, logits_q, logits_p, context = world
    warm_q, warm_p = softmax(logits_q / 1.5), softmax(logits_p / 1.5)
    x = draw(generator, warm_q, context)
    after = summarize(np.log(warm_p[context, x]), np.log(warm_q[context, x]))
    assert after.comparable
    assert near(after.reverse.adaptive, divergence(warm_q, warm_p))
    # p at temperature 1: usable, and the temperature is in the value.
    mixed = summarize(np.log(softmax(logits_p)[context, x]), np.log(warm_q[context, x]))
    assert near(mixed.reverse.adaptive, divergence(warm_q, softmax(logits_p)))
    assert mixed.reverse.adaptive.value > 1.3 * after.reverse.adaptive.value
    # Before it, both sides: the self-check need not see it, and the value is of neither temperature.
    before = summarize(np.log(softmax(logits_p)[context, x]), np.log(softmax(logits_q)[context, x]))
    assert before.comparable
    for truth in (divergence(warm_q, warm_p), divergence(softmax(logits_q), softmax(logits_p))):
        assert not near(before.reverse.adaptive, truth)


def test_a_cut_sampler_is_right_in_naive_only_and_not_comparable(world):
    generator, logits_q, logits_p, context = world
    q, p = cut(softmax(logits_q), 4), softmax(logits_p)
    x = draw(generator, q, context)
    found = summarize(np.log(p[context, x]), np.log(q[context, x]))
    assert found.comparable is False
    assert near(found.reverse.naive, divergence(q, p))
    assert not near(found.reverse.fixed, divergence(q, p))
    # Logged before the cut nothing shows: the same model twice is no distance away, whatever was cut.
    x = draw(generator, cut(softmax(logits_q), 2), context)
    blind = summarize(np.log(softmax(logits_q)[context, x]), np.log(softmax(logits_q)[context, x]))
    assert blind.comparable
    assert blind.reverse.adaptive.value == 0


def test_placeholders_of_zero_make_the_divergence_smaller(world):
    generator, logits_q, logits_p, context = world
    q, p = softmax(logits_q), softmax(logits_p)
    x = draw(generator, q, context)
    places = generator.random(PAIRS) < 0.3
    found = summarize(
        np.where(places, 0.0, np.log(p[context, x])),
        np.where(places, 0.0, np.log(q[context, x])),
    )
    assert near(found.reverse.adaptive, 0.7 * divergence(q, p))


def test_what_passed_a_filter_is_no_longer_drawn_from_q(world):
    generator, logits_q, logits_p, context = world
    q, p = softmax(logits_q), softmax(logits_p)
    x = draw(generator, q, context)
    accepted = generator.random(PAIRS) < 0.05 + 0.9 * q[context, x]
    found = summarize(np.log(p[context, x])[accepted], np.log(q[context, x])[accepted])
    assert found.comparable is False


def test_a_part_of_the_traffic_is_weighted_by_one_over_its_rate(world):
    generator, logits_q, logits_p, context = world
    q, p = softmax(logits_q), softmax(logits_p)
    x = draw(generator, q, context)
    rate = np.where(context < CONTEXTS // 2, 0.9, 0.3)
    kept = generator.random(PAIRS) < rate
    found = summarize(np.log(p[context, x])[kept], np.log(q[context, x])[kept], weights=1 / rate[kept])
    assert found.comparable
    assert near(found.reverse.adaptive, divergence(q, p))

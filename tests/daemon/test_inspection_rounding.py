"""Logs of few decimals: rounding is the same wherever a pair stands again, and makes zeros that no producer wrote."""

import numpy as np
import pytest

from tests.daemon.inspection_worlds import World, inspected


@pytest.mark.parametrize("decimals", [1, 2, 3])
def test_rounding_of_few_distinct_pairs_names_no_side_and_refutes_none(decimals):
    named_wrongly = refuted = 0
    for seed in range(60):
        draw = np.random.default_rng(seed)
        logits = draw.normal(0, 1, (2, 3))
        logits[1] = logits[0] + draw.normal(0, 0.01, 3)
        log_q, log_p = logits - np.logaddexp.reduce(logits, 1, keepdims=True)
        x = draw.choice(3, (300, 10), p=np.exp(log_q))
        sides = (log[x].round(decimals).tolist() for log in (log_p, log_q))
        records = [{"logp": p, "logq": q} for p, q in zip(*sides, strict=True)]
        evidence = inspected(records).sampler
        named_wrongly += evidence.evident == "p"
        refuted += evidence.q.fit in {"above", "below"}
    assert (named_wrongly, refuted) == (0, 0)


def test_rounding_of_many_distinct_pairs_hides_no_side():
    world = World(3)
    records = [{"logp": np.round(p, 2).tolist(), "logq": np.round(q, 2).tolist()} for p, q in world.sequences(300)]
    assert inspected(records).sampler.evident == "q"


def test_probabilities_that_are_rounded_to_zero_on_either_side_name_and_refute_no_side():
    world = World(4, scale=0.3)
    x = np.random.default_rng(1).choice(200, 4000, p=world.q)
    records = [{"p": round(float(world.p[each]), 2), "q": round(float(world.q[each]), 2)} for each in x]
    assert any(each["p"] == 0 < each["q"] for each in records)
    assert any(each["q"] == 0 < each["p"] for each in records)
    evidence = inspected(records).sampler
    assert (evidence.evident, evidence.q.fit, evidence.p.fit) == (None, "unclear", "unclear")


def test_one_outcome_that_its_sampler_is_nearly_certain_of_refutes_nothing():
    finding = inspected([{"logp": -1e-6, "logq": -2.2e-6}] * 400)
    assert "above" not in {finding.sampler.q.fit, finding.sampler.p.fit}


@pytest.mark.parametrize("decimals", [1, 2, 3, 4])
def test_zeros_of_rounded_logs_are_not_called_placeholders(decimals):
    world = World(scale=0.1)
    world.q[:] = world.p[:] = 3e-5 / 199
    world.q[0] = world.p[0] = 1 - 3e-5
    rounded = [[round(each, decimals) + 0.0 for each in side] for side in world.sequence(40)]
    more = World().sequences(300)
    records = [
        {"logp": rounded[0] + np.round(p, decimals).tolist(), "logq": rounded[1] + np.round(q, decimals).tolist()}
        for p, q in more
    ]
    finding = inspected(records)
    assert finding.mask.placeholders > 0.3
    assert not finding.mask.missing

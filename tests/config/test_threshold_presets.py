"""streams[].thresholds[].preset: limits that projects publish, expanded to nats and to the sampler's side."""

import math
import re
from typing import get_args

import numpy as np
import pytest

from config.reference import markdown
from config.thresholds import PUBLISHED, ThresholdPreset, typical_factor

#: As the projects write them: NeMo-RL's guide, prime-rl's pull request 2672, Spinning Up's ppo.py
#: (`kl > 1.5 * target_kl`, target_kl=0.01), verl's rollout correction, prime-rl's CI.
WRITTEN = {"nemo-rl": 1e-3, "prime-rl": 0.015, "spinning-up": 1.5 * 0.01, "verl": 0.1, "prime-rl-ci": 0.15}


def test_each_published_limit_has_the_value_that_its_source_gives():
    assert {name: rule.nats for name, rule in PUBLISHED.items()} == pytest.approx(WRITTEN)
    assert set(get_args(ThresholdPreset)) == set(WRITTEN)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_preset_stands_for_its_nats(stream, name):
    (threshold,) = stream(f"thresholds: [{{preset: {name}}}]").thresholds
    assert (threshold.severity, threshold.preset, threshold.nats) == ("warning", name, pytest.approx(WRITTEN[name]))


@pytest.mark.parametrize(
    ("keys", "direction"),
    [
        ("thresholds: [{preset: verl}]", "reverse"),
        ("sampled_from: p, thresholds: [{preset: verl}]", "forward"),
        ("sampled_from: p, thresholds: [{preset: verl, direction: reverse}]", "reverse"),
        ("thresholds: [{preset: verl, direction: forward}]", "forward"),
        ("sampled_from: p, thresholds: [{nats: 0.1}]", "reverse"),
    ],
)
def test_a_preset_means_the_samplers_side_unless_a_direction_is_written(stream, keys, direction):
    assert [each.direction for each in stream(keys).thresholds] == [direction]


def test_presets_and_nats_stand_beside_each_other_by_severity(stream, stream_problems):
    taken = stream("thresholds: [{preset: prime-rl}, {preset: verl, severity: critical}, {nats: 1, severity: page}]")
    assert [(each.severity, each.nats) for each in taken.thresholds] == [
        ("warning", 0.015),
        ("critical", 0.1),
        ("page", 1),
    ]
    told = stream_problems("sampled_from: p, thresholds: [{preset: verl}, {nats: 1, direction: forward}]")
    assert told == {"thresholds": "severity `warning` and direction `forward` are there twice"}


@pytest.mark.parametrize(
    ("threshold", "place", "words"),
    [
        ("preset: primerl", "preset", [*WRITTEN, "did you mean `prime-rl`?"]),
        ("preset: primerl, nats: 1", "preset", ["did you mean `prime-rl`?"]),
        ("severity: page", "nats", ["is missing", "0.05", *WRITTEN]),
        ("nats: null", "nats", ["is missing"]),
        ("preset: verl, nats: 0.2", "nats", ["not both", "preset verl is 0.1 nats"]),
    ],
)
def test_a_wrong_preset_is_told_with_the_list(stream_problems, threshold, place, words):
    ((path, told),) = stream_problems(f"thresholds: [{{{threshold}}}]").items()
    assert path == f"thresholds[0].{place}"
    assert [word for word in words if word not in told] == []


def test_the_typical_factor_is_that_of_normal_log_ratios():
    # Sampler N(0, 1), other N(mu, 1): u = mu x - mu^2 / 2 and KL(sampler||other) = mu^2 / 2.
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    for nats in (1e-3, 0.015):
        mu = math.sqrt(2 * nats)
        log_ratios = mu * nodes - mu * mu / 2
        rms = math.sqrt(float(weights @ log_ratios**2) / math.sqrt(2 * math.pi))
        assert typical_factor(nats) == pytest.approx(math.exp(rms), rel=0.01)


def test_the_reference_lists_every_preset_with_its_value_and_factor():
    rows = re.findall(
        r"^\| `([^`]+)` \| ([\d.]+) \| ([\d.]+) \| (.+) \|$", markdown().split("## Threshold presets")[1], re.MULTILINE
    )
    assert [(name, float(nats)) for name, nats, _, _ in rows] == list(WRITTEN.items())
    assert [factor for _, _, factor, _ in rows] == ["1.05", "1.19", "1.19", "1.56", "1.73"]

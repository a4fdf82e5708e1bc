"""The scenarios as values: each has a name, and what it expects can happen."""

from itertools import pairwise
from typing import get_args

import pytest

from config.durations import parse_duration
from daemon.demo.scenarios import SCENARIOS, THRESHOLD_NATS, WINDOWS, ScenarioName
from daemon.demo.writer import CALM_NATS, SHIFTED_NATS

SHORT, LONG = 5.0, 15.0


def test_every_name_has_its_scenario():
    assert set(SCENARIOS) == set(get_args(ScenarioName))
    assert all(name == scenario.name for name, scenario in SCENARIOS.items())


def test_the_story_is_calm_then_the_log_breaks_and_heals_then_the_model_drifts_and_is_rolled_back():
    assert [(step.traffic, step.expects) for step in SCENARIOS["story"].steps] == [
        ("calm", "quiet"),
        ("truncated", "not_comparable"),
        ("calm", "quiet"),
        ("shifted", "drift"),
        ("calm", "quiet"),
    ]


def test_in_null_no_alarm_is_due():
    assert {step.expects for step in SCENARIOS["null"].steps} == {"quiet"}
    assert {step.traffic for step in SCENARIOS["null"].steps} == {"calm"}


@pytest.mark.parametrize("name", get_args(ScenarioName))
def test_the_answer_has_the_time_that_windows_take(name):
    """A window remembers what it holds as long as it is wide, and what comes in waits for 2 s of expected delay."""
    steps = SCENARIOS[name].steps
    for before, step in pairwise(steps):
        remembers = SHORT if before.expects in ("quiet", "drift", "no_data") else LONG
        assert step.within_seconds > remembers + 5
    assert all(step.sentence.endswith(".") for step in steps)
    assert len({step.name for step in steps}) == len(steps)


def test_the_threshold_lies_where_calm_is_quiet_and_a_drift_is_sure():
    assert 2 * CALM_NATS <= THRESHOLD_NATS <= SHIFTED_NATS / 2
    assert [parse_duration(window).total_seconds() for window in WINDOWS[:2]] == [SHORT, LONG]

"""The whole loop: records in a real Kafka, klaxond, Prometheus with our rules, Alertmanager, a webhook that listens.

Each scenario of the demo raises exactly its alert and resolves it. Calm traffic and a version that retires raise none,
and a deploy neither raises nor ends one.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.alert_plays import PLAYS, ROLLED, ROLLED_JOB
from tests.e2e.alert_stage import staged, until
from tests.e2e.alert_texts import faults_of
from tests.e2e.webhooks import Heard, heard

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.prometheus,
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.timeout(600),
]


@pytest.fixture
def stage(kafka_broker, klaxond, prometheus, tmp_path):
    """Everything, running and calm."""
    with staged(kafka_broker, klaxond, prometheus, tmp_path) as made:
        yield made


def test_each_scenario_raises_exactly_its_alerts_and_resolves_them(stage):
    """One run of two minutes, so that all of it is told to one Alertmanager at once."""
    with ThreadPoolExecutor(len(PLAYS) + 1) as stages:
        under_way = [stages.submit(perform, stage, play) for play in PLAYS]
        under_way.append(stages.submit(roll, stage))
        failed = [str(each.exception()) for each in under_way if each.exception()]
    expected = {play.stream: play.expected for play in (*PLAYS, *ROLLED) if play.expected != Heard()}
    found = heard(stage.webhook.told)
    assert (failed, found) == ([], expected)
    assert {told.receiver for told in stage.webhook.told} == {"chat"}
    assert [rule for rule in stage.prometheus.rules() if rule["health"] != "ok"] == []
    assert [fault for told in stage.webhook.told for fault in faults_of(told)] == []


def perform(stage, play, turns=None):
    """Play one stream turn by turn; each lasts its time, and until what it raises was told and all else is over."""
    for turn in play.turns if turns is None else turns:
        stage.send(play.stream, turn.traffic)
        time.sleep(turn.lasts_seconds)
        until(
            lambda turn=turn: stage.webhook.of(play.stream).open == frozenset(turn.firing),
            f"{turn.firing or 'silence'} of {play.stream} while {turn.traffic}",
            instead=lambda: stage.webhook.of(play.stream),
        )


def roll(stage):
    """Replace all replicas while one stream is calm, one drifts and one has no data; then all is calm."""
    for play in ROLLED:
        perform(stage, play, play.turns[:-1])
    serving = list(stage.rolled)
    for name, old in zip("ef", stage.rolled, strict=True):
        replace(stage, serving, old, name)
    for play in reversed(ROLLED):
        perform(stage, play, play.turns[-1:])


def replace(stage, serving, old, name):
    """Do as a Deployment does: the new replica is ready before the old one is asked to go."""
    new = stage.start_replica(name)
    serving.append(new)
    stage.scrape(ROLLED_JOB, serving)
    until(lambda: new.get("/readyz")[0] == 200, f"readiness of {name}")
    assert old.stop()[0] == 0
    serving.remove(old)
    stage.scrape(ROLLED_JOB, serving)
    until(lambda: all(stage.covered(play.stream) for play in ROLLED), f"owners after {name} came")

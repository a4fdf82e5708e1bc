"""What each alert says, word for word: tests/golden/alerts.md is meant to be read.

KLAXON_UPDATE_GOLDEN=1 writes it anew from what promtool shows; read the difference before a commit.
"""

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from tests.deploy.rule_worlds import DRIFTS, RULES, name, replica, rising, unit_test

pytestmark = pytest.mark.prometheus

GOLDEN = Path(__file__).parents[1] / "golden" / "alerts.md"
#: Past what most alerts wait, and past an hour for those that do.
MINUTES, LONG_MINUTES = 20, 66
SLOW = {
    ("KlaxonEstimateUnreliable", "as a rule"),
    ("KlaxonAbsent", "of one job"),
    ("KlaxonSnapshotsFailing", "as a rule"),
}
NAIVE = name(
    "kl_nats", job="klaxon", instance="one:9752", stream="pairs", model="a", window="1h", direction="reverse",
    estimator="naive",
)  # fmt: skip
ZEROS = name("zero_probability_total", job="klaxon", instance="one:9752", stream="pairs", model="a")
SNAPSHOT = name("snapshot_timestamp_seconds", job="klaxon", instance="one:9752", topic="log", partition="0")
BROKEN = {**DRIFTS, "comparable": 0, "ratio": 0.9}
INFINITE = {"infinite": 1, "value": "Inf", "error": None, "pane": None}
#: Alert, what is special, and the world in which it fires.
WORLDS = {
    ("KlaxonDrift", "as a rule"): replica(models=[{**DRIFTS, "error": 0.001, "short": {"value": 0.04}}]),
    ("KlaxonDrift", "of a window that is not complete, from few messages"): replica(
        models=[{**DRIFTS, "comparable": None, "ratio": 1.02}], complete=0
    ),
    ("KlaxonPairsNotComparable", "below 1"): replica(models=[BROKEN]) | {NAIVE: 0.105},
    ("KlaxonPairsNotComparable", "above 1"): replica(models=[{**BROKEN, "ratio": 1.5}]),
    ("KlaxonInfinite", "as a rule"): replica(models=[INFINITE]) | {ZEROS: rising(2)},
    ("KlaxonValueAbsent", "as a rule"): replica(models=[{"value": None, "error": None, "pane": None}]),
    ("KlaxonEstimateUnreliable", "as a rule"): replica(models=[{"error": 0.008}]),
    ("KlaxonAbsent", "of all"): {},
    ("KlaxonAbsent", "of one job"): replica() | replica(job="other", alive=lambda minute: minute < 20),
    ("KlaxonNotReady", "as a rule"): replica(owned={0: 1, 1: 0}),
    ("KlaxonNotReady", "of brokers that never answered"): replica(owned={}, partitions=None),
    ("KlaxonNoData", "as a rule"): replica(models=[{"messages": 0}]),
    ("KlaxonWindowIncomplete", "as a rule"): replica(complete=0),
    ("KlaxonLag", "as a rule"): replica(lag=36000),
    ("KlaxonLag", "of nothing read"): replica(lag=5, consumed=7),
    ("KlaxonRecordsRejected", "as a rule"): replica(rejected=rising(30)),
    ("KlaxonPairsRejected", "as a rule"): replica(pairs_rejected=rising(60)),
    ("KlaxonGap", "as a rule"): replica(gap=lambda minute: 1234 if minute > 10 else 0),
    ("KlaxonClockJump", "as a rule"): replica(jumps=lambda minute: int(minute > 10)),
    ("KlaxonSnapshotsFailing", "as a rule"): replica() | {SNAPSHOT: 0},
    ("KlaxonThresholdMissing", "as a rule"): replica(models=[{"thresholds": {}}]),
}


def texts_of(promtool, path, key, world):
    """Take an alert's annotations from promtool, by expecting none."""
    minutes = LONG_MINUTES if key in SLOW else MINUTES
    check = {"eval_time": f"{minutes}m", "alertname": key[0], "exp_alerts": []}
    path.write_text(unit_test(world, minutes, [check]))
    _, said = promtool("test", "rules", path)
    (found,) = re.findall(r"Annotations:\{(.*)\}", said)
    return {key: json.loads(text) for key, text in re.findall(r'(\w+)=("(?:[^"\\]|\\.)*")', found)}


def page_of(texts):
    """Write all of them as a page."""
    parts = [
        f"## {alert}, {special}\n\n{said['summary']}\n\n{said['description']}\n"
        for (alert, special), said in texts.items()
    ]
    return "# What the alerts say\n\n" + "\n".join(parts)


def test_every_alert_says_what_the_page_says(promtool, tmp_path):
    texts = {key: texts_of(promtool, tmp_path / "test.yaml", key, world) for key, world in WORLDS.items()}
    if os.environ.get("KLAXON_UPDATE_GOLDEN"):
        GOLDEN.write_text(page_of(texts))
    assert page_of(texts) == GOLDEN.read_text()
    for said in texts.values():
        assert not re.search(r"%!|<no value>|<error|<nil>|NaN|\s\s| \.|\.\.", said["summary"] + said["description"])
        assert said["summary"].endswith(".")
        assert len(said["summary"]) < 120


def test_the_page_shows_every_alert():
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    assert {rule["alert"] for rule in group["rules"] if "alert" in rule} == {alert for alert, _ in WORLDS}

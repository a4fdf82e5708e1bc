"""The real log through a real broker and the running daemon, against a recomputation from its own text."""

import csv
import gzip
import json
import math
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.conftest import value
from tests.e2e.recomputation import Message, Ring, window
from tests.e2e.traffic import close

LOG = Path(__file__).parents[2] / "daemon" / "data" / "open_bandit_bts.csv.gz"
DAY_US = 86_400_000_000

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def shifted_log():
    """Rows of the real log with their times moved so that the last one is now: [(event_us, row)]."""
    with gzip.open(LOG, "rt") as lines:
        rows = list(csv.DictReader(lines))
    times = [round(datetime.fromisoformat(row["timestamp"]).timestamp() * 1e6) for row in rows]
    shift = int(time.time() * 1e6) - max(times)
    return [(at + shift, row) for at, row in zip(times, rows, strict=True)]


def test_the_exposition_of_the_real_log_equals_its_recomputation(kafka_broker, klaxond, shifted_log):
    topic = f"bandit-{time.time_ns()}"
    kafka_broker.create_topic(topic, 1, {"retention.ms": "-1"})
    records = [
        json.dumps(
            {"timestamp": at, "campaign": row["campaign"], "position": row["position"]}
            | {name: float(row[name]) for name in ("propensity_score", "uniform_probability")}
        ).encode()
        for at, row in shifted_log
    ]
    kafka_broker.produce(topic, records, timestamps_ms=[at // 1000 for at, _ in shifted_log])
    daemon = klaxond(
        {
            "kafka": {"bootstrap_servers": [kafka_broker.bootstrap_servers], "group_id": topic},
            "streams": [{"topic": topic, "name": "bandit", "preset": "open-bandit"}],
            "windows": ["8d"],
            "publish_interval": "1s",
            "export": {"estimators": ["adaptive", "fixed", "fitted"]},
        }
    )
    samples = daemon.wait_until(
        lambda found: sum(v for (name, _), v in found.items() if name == "klaxon_window_pairs") == len(records),
        "window that holds the whole log",
    )
    messages = [
        Message(0, offset, (row["campaign"],), at, ((_log_ratio(row), 1.0),))
        for offset, (at, row) in enumerate(shifted_log)
    ]
    end = value(samples, "klaxon_window_end_timestamp_seconds", stream="bandit", window="8d")
    expected = window(messages, Ring(8 * DAY_US), end)
    assert set(expected) == {("all",), ("men",)}
    for (campaign,), truth in expected.items():
        labels = {"campaign": campaign, "window": "8d"}
        for estimator in ("naive", "fixed", "fitted", "adaptive"):
            found = value(samples, "klaxon_kl_nats", direction="reverse", estimator=estimator, **labels)
            assert close(found, truth[estimator]), (campaign, estimator, found, truth[estimator])
        assert close(value(samples, "klaxon_ratio_mean", **labels), truth["ratio_mean"])
        error = value(samples, "klaxon_kl_standard_error_nats", direction="reverse", estimator="adaptive", **labels)
        assert close(error, truth["adaptive_se"])
        assert value(samples, "klaxon_window_complete", **labels) == 1
        assert not [key for name, key in samples if name == "klaxon_comparable" and ("campaign", campaign) in key]
    published = expected["all",]
    rounded = {name: round(published[name], 4) for name in ("naive", "fixed", "fitted", "ratio_mean")}
    assert rounded == {"naive": 1.4206, "fixed": 1.4317, "fitted": 1.4218, "ratio_mean": 1.0111}


def _log_ratio(row):
    return math.log(float(row["uniform_probability"])) - math.log(float(row["propensity_score"]))

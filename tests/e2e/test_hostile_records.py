"""Bad input never stops the loop and never vanishes: each record is counted for what it is, the good ones are exact."""

import json
import math
import time

import psutil
import pytest

from tests.e2e.conftest import value, values
from tests.e2e.hostile import hostile
from tests.e2e.recomputation import Ring, window
from tests.e2e.traffic import Traffic, close

pytestmark = pytest.mark.kafka

RING = Ring(300_000_000)


def test_hostile_records_are_counted_by_reason_and_the_good_ones_stay_exact(kafka_broker, klaxond):
    topic = f"hostile-{time.time_ns()}"
    kafka_broker.create_topic(topic, 1, {"max.message.bytes": "4000000"})
    now = time.time()
    bad = hostile(int(now * 1e6))
    traffic = Traffic(seed=3)
    good = traffic.records(600, now - 200, now - 2)
    # The first good records move the partition clock, without which nothing is late.
    mixed = [payload for _, _, payload in good[:50]]
    stamps = [stamp for _, stamp, _ in good[:50]]
    for payloads in bad.values():
        mixed += payloads
        stamps += [int(now * 1000)] * len(payloads)
    mixed += [payload for _, _, payload in good[50:]]
    stamps += [stamp for _, stamp, _ in good[50:]]
    kafka_broker.produce(topic, mixed, timestamps_ms=stamps)
    daemon = klaxond(
        {
            "kafka": {"bootstrap_servers": [kafka_broker.bootstrap_servers], "group_id": topic},
            "streams": [{"topic": topic, "name": "pairs", "series_labels": ["model", "version"]}],
            "windows": ["5m"],
            "publish_interval": "1s",
            "min_messages": 3,
            "max_record_bytes": "512KiB",
        }
    )
    samples = daemon.wait_until(
        lambda found: sum(values(found, "klaxon_records_consumed_total").values()) == len(mixed), "all records"
    )
    rejected = {
        dict(key)["reason"]: int(count) for key, count in values(samples, "klaxon_records_rejected_total").items()
    }
    assert rejected == {reason: len(payloads) for reason, payloads in bad.items()}
    pairs = {dict(key)["reason"]: int(count) for key, count in values(samples, "klaxon_pairs_rejected_total").items()}
    assert (pairs["positive"], pairs["sentinel"]) == (1, 1)
    end = value(samples, "klaxon_window_end_timestamp_seconds", stream="pairs")
    expected = window(traffic.messages, RING, end)
    for (model, version), truth in expected.items():
        assert value(samples, "klaxon_window_messages", model=model, version=version) == truth["messages"]
        found = value(samples, "klaxon_kl_nats", direction="reverse", estimator="fixed", model=model, version=version)
        assert close(found, truth["fixed"])
    assert psutil.Process(daemon.process.pid).memory_info().rss < 400 << 20
    assert daemon.get("/readyz")[0] == 200


def test_a_probability_of_0_shows_as_infinite_and_nothing_of_the_other_side_is_lost(kafka_broker, klaxond):
    topic = f"infinite-{time.time_ns()}"
    kafka_broker.create_topic(topic)
    now = time.time()
    traffic = Traffic(seed=4, models=("ranker",))
    good = traffic.records(300, now - 100, now - 2)
    zero = json.dumps({"model": "ranker", "version": "1", "p": 0.0, "q": 0.25, "ts": int((now - 1) * 1e6)}).encode()
    kafka_broker.produce(
        topic,
        [payload for *_, payload in good] + [zero],
        timestamps_ms=[stamp for _, stamp, _ in good] + [int(now * 1e3)],
    )
    daemon = klaxond(
        {
            "kafka": {"bootstrap_servers": [kafka_broker.bootstrap_servers], "group_id": topic},
            "streams": [{"topic": topic, "name": "pairs", "series_labels": ["model", "version"]}],
            "windows": ["5m"],
            "publish_interval": "1s",
            "min_messages": 3,
        }
    )
    samples = daemon.wait_until(
        lambda found: sum(values(found, "klaxon_records_consumed_total").values()) == 301, "all records"
    )
    series = {"model": "ranker", "version": "1"}
    assert value(samples, "klaxon_infinite", **series) == 1
    assert value(samples, "klaxon_infinite", model="ranker", version="2") == 0
    assert value(samples, "klaxon_zero_probability_total", **series) == 1
    for estimator in ("naive", "fixed", "adaptive"):
        assert value(samples, "klaxon_kl_nats", direction="reverse", estimator=estimator, **series) == math.inf
    assert not values(samples, "klaxon_kl_standard_error_nats", direction="reverse", **series)
    assert not values(samples, "klaxon_kl_upper_nats", direction="reverse", **series)
    assert values(samples, "klaxon_kl_standard_error_nats", direction="forward", **series)
    forward = value(samples, "klaxon_kl_nats", direction="forward", estimator="fixed", **series)
    rows = [m for m in traffic.messages if m.key == ("ranker", "1")]
    weight = sum(m.sums[0] for m in rows) + 1
    assert close(forward, (math.fsum(m.sums[3] for m in rows) + 1.0) / weight)  # r = 0 adds u r - (r - 1) = 1
    assert sum(values(samples, "klaxon_pairs_rejected_total").values()) == 0

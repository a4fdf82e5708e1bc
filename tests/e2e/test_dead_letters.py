"""A real daemon tells of each record that it cannot use: exactly once, and without its content unless asked."""

import base64
import json
import subprocess
import sys
import time
from collections import Counter

import pytest
from kafka import KafkaConsumer, TopicPartition

from tests.e2e.conftest import ROOT, value, values
from tests.e2e.hostile import hostile, record

pytestmark = pytest.mark.kafka

CANARY = "canary-7f3a"


def settings(broker, topic, **dead_letter):
    """A configuration that reads `topic` and tells of what it cannot use in `topic`-dead."""
    return {
        "kafka": {"bootstrap_servers": [broker.bootstrap_servers], "group_id": topic, "session_timeout": "6s"},
        "streams": [{"topic": topic, "name": "pairs", "series_labels": ["model", "version"]}],
        "windows": ["5m"],
        "publish_interval": "500ms",
        "commit_interval": "1s",
        "max_record_bytes": "512KiB",
        "dead_letter": {"topic": f"{topic}-dead", **dead_letter},
    }


def letters(broker, topic):
    """Everything that is in a topic of one partition: key and parsed value of each record."""
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap_servers, group_id=None, auto_offset_reset="earliest")
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    end = consumer.end_offsets([partition])[partition]
    found = []
    while consumer.position(partition) < end:
        for records in consumer.poll(500).values():
            found += [(each.key.decode(), json.loads(each.value), each.value) for each in records]
    consumer.close()
    return found


def poisoned(now):
    """Hostile payloads with a canary in each that can hold one: (reason, payload), a good record first."""
    good = [("", record(ts=int(now * 1e6)))] * 20
    bad = [(reason, payload) for reason, payloads in hostile(int(now * 1e6)).items() for payload in payloads]
    marked = [
        ("schema", record(logp=CANARY)),
        ("syntax", f'{{"logp": {CANARY}'.encode()),
        ("timestamp", record(ts=CANARY)),
        ("label", record(model=f"{CANARY}<")),
        ("sampler_mismatch", record(sampled_from=CANARY)),
        ("token_mismatch", record(token_ids_p=[CANARY], token_ids_q=[1])),
        ("length_mismatch", record(logp=[-1.0, -2.0], logq=[-1.0], pad=CANARY)),
    ]
    return good + bad + marked


@pytest.mark.parametrize("payload", [False, True])
def test_each_reason_has_its_letters_once_and_content_only_where_asked(kafka_broker, klaxond, payload):
    topic = f"letters-{time.time_ns()}"
    kafka_broker.create_topic(topic, 1, {"max.message.bytes": "4000000"})
    kafka_broker.create_topic(f"{topic}-dead")
    now = time.time()
    sent = poisoned(now)
    kafka_broker.produce(topic, [each for _, each in sent], timestamps_ms=[int(now * 1000)] * len(sent))
    daemon = klaxond(settings(kafka_broker, topic, payload=payload))
    rejected = sum(bool(reason) for reason, _ in sent)
    samples = daemon.wait_until(
        lambda found: sum(values(found, "klaxon_dead_letters_total").values()) == rejected, "all dead letters"
    )
    assert value(samples, "klaxon_dead_letters_dropped_total", stream="pairs") == 0
    assert sum(values(samples, "klaxon_records_rejected_total").values()) == rejected
    found = letters(kafka_broker, f"{topic}-dead")
    places = [(letter["offset"], letter["reason"]) for _, letter, _ in found]
    assert sorted(places) == [(offset, reason) for offset, (reason, _) in enumerate(sent) if reason]
    for key, letter, raw in found:
        assert key == f"pairs/{topic}/0/{letter['offset']}"
        assert (letter["stream"], letter["topic"], letter["partition"]) == ("pairs", topic, 0)
        assert letter["timestamp_ms"] == int(now * 1000)
        assert letter["detail"]
        assert CANARY.encode() not in raw
        original = sent[letter["offset"]][1]
        if payload and letter["reason"] != "size":
            encoded = letter["value_base64"]
            assert (None if encoded is None else base64.b64decode(encoded)) == original
            assert (letter["key_base64"] is None) == (original is not None)
        else:
            assert "value_base64" not in letter
            assert ("payload_omitted" in letter) == payload
    empty = [letter["detail"] for _, letter, _ in found if letter["reason"] == "empty"]
    assert [detail.rpartition(": ")[2] for detail in empty if ": " in detail] == ["positive", "sentinel"]
    assert CANARY not in daemon.log.read_text()


def spoilt(broker, topic, count):
    """Append records that cannot be read."""
    now_ms = int(time.time() * 1000)
    return broker.produce(topic, [b"{"] * count, timestamps_ms=[now_ms] * count)


def delivered(daemon, count):
    """Wait until the daemon knows that so many letters have arrived."""
    return daemon.wait_until(
        lambda found: sum(values(found, "klaxon_dead_letters_total").values()) >= count, f"{count} dead letters"
    )


def test_a_kill_loses_no_letter_and_repeats_those_since_the_last_commit_only(kafka_broker, klaxond):
    topic = f"killed-{time.time_ns()}"
    for name in (topic, f"{topic}-dead"):
        kafka_broker.create_topic(name)
    spoilt(kafka_broker, topic, 100)
    daemon = klaxond(settings(kafka_broker, topic))
    delivered(daemon, 100)
    time.sleep(2.5)  # two commits
    spoilt(kafka_broker, topic, 100)
    delivered(daemon, 101)
    daemon.kill()
    daemon.start()
    spoilt(kafka_broker, topic, 10)
    daemon.wait_until(lambda _: daemon.get("/readyz")[0] == 200, "readiness")
    daemon.wait_until(
        lambda found: (
            sum(values(found, "klaxon_records_consumed_total").values()) >= 10
            and all(lag == 0 for lag in values(found, "klaxon_consumer_lag_records").values())
        ),
        "the end of the log",
    )
    status, seconds = daemon.stop()
    assert (status, seconds < 10) == (0, True)
    times = Counter(letter["offset"] for _, letter, _ in letters(kafka_broker, f"{topic}-dead"))
    assert set(times) == set(range(210))
    assert {times[offset] for offset in (*range(100), *range(200, 210))} == {1}
    assert max(times.values()) <= 2


def test_a_stop_sends_every_letter_once(kafka_broker, klaxond):
    topic = f"stopped-{time.time_ns()}"
    for name in (topic, f"{topic}-dead"):
        kafka_broker.create_topic(name)
    spoilt(kafka_broker, topic, 3000)
    daemon = klaxond(settings(kafka_broker, topic))
    daemon.wait_until(
        lambda found: sum(values(found, "klaxon_records_consumed_total").values()) > 0, "the first records"
    )
    status, seconds = daemon.stop()
    assert (status, seconds < 10) == (0, True)
    spoilt(kafka_broker, topic, 5)
    daemon.start()
    daemon.wait_until(lambda _: daemon.get("/readyz")[0] == 200, "readiness")
    delivered(daemon, 5)
    daemon.stop()
    times = Counter(letter["offset"] for _, letter, _ in letters(kafka_broker, f"{topic}-dead"))
    assert times == dict.fromkeys(range(3005), 1)


def test_a_missing_topic_is_told_at_start_and_by_check_and_stops_nothing(kafka_broker, klaxond):
    topic = f"lacking-{time.time_ns()}"
    kafka_broker.create_topic(topic)
    spoilt(kafka_broker, topic, 20)
    daemon = klaxond(settings(kafka_broker, topic))
    daemon.wait_until(
        lambda found: sum(values(found, "klaxon_records_rejected_total").values()) == 20, "rejected records"
    )
    assert daemon.get("/readyz")[0] == 200
    command = f"--create --topic {topic}-dead"
    deadline = time.monotonic() + 10
    while command not in daemon.log.read_text():
        assert time.monotonic() < deadline, daemon.tail()
        time.sleep(0.2)
    check = [sys.executable, "-m", "daemon", "check", "--config.file", str(daemon.config), "--connect"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert f"is told in topic {topic}-dead, without its content" in done.stdout
    assert f"fault: the dead-letter topic {topic}-dead does not exist" in done.stderr
    assert f"{topic}-dead" not in kafka_broker.admin.list_topics()
    kafka_broker.create_topic(f"{topic}-dead")
    delivered(daemon, 20)
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert f"ok: topic {topic}-dead has 1 partition, for dead letters" in done.stdout

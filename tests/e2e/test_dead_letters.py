"""A real daemon tells of each record that it cannot use: exactly once, and without its content unless asked."""

import base64
import json
import time

import pytest
from kafka import KafkaConsumer, TopicPartition

from tests.e2e.conftest import value, values
from tests.e2e.hostile import hostile, record

pytestmark = pytest.mark.kafka

CANARY = "canary-7f3a"


def settings(broker, topic, **dead_letter):
    """A configuration that reads `topic` and tells of what it cannot use in `topic`-dead."""
    return {
        "kafka": {"bootstrap_servers": [broker.bootstrap_servers], "group_id": topic},
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
    assert CANARY not in daemon.log.read_text()

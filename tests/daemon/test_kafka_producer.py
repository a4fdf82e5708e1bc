"""The producer outlives a refused record, and makes and removes topics."""

import socket
import time

import pytest
from kafka import KafkaProducer

from daemon import kafka_producer
from daemon.errors import OperatingError
from daemon.kafka_producer import Producer, create_topics, delete_topics


def accepted_after_a_refusal(bootstrap_servers, topic):
    """Refused records of one too-large record followed, once that is settled, by a good one."""
    producer = Producer(bootstrap_servers, "test")
    try:
        for value in (b"x" * 5000, b"good"):
            producer.send(topic, value, int(time.time() * 1000))
            producer.flush(10)
        return producer.refused
    finally:
        producer.close()


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("idempotent", "refused"), [(False, 1), (True, 2)], ids=["as_it_is", "idempotent_as_the_client_would_have_it"]
)
def test_a_record_that_the_broker_refuses_does_not_harm_the_next(kafka_broker, monkeypatch, idempotent, refused):
    """The second case is the control: it shows that the client's default does have the defect."""

    def client(**options):
        return KafkaProducer(**{**options, "enable_idempotence": idempotent})

    monkeypatch.setattr(kafka_producer, "KafkaProducer", client)
    topic = f"refusing-{time.time_ns()}"
    kafka_broker.create_topic(topic, 1, {"max.message.bytes": "1000"})
    assert accepted_after_a_refusal(kafka_broker.bootstrap_servers, topic) == refused


@pytest.mark.kafka
def test_topics_are_made_with_their_partitions_and_removed(kafka_broker):
    topic = f"made-{time.time_ns()}"
    create_topics(kafka_broker.bootstrap_servers, {topic: 3})
    create_topics(kafka_broker.bootstrap_servers, {topic: 3})  # a second time is no fault
    assert len(kafka_broker.admin.describe_topics([topic])[0]["partitions"]) == 3
    delete_topics(kafka_broker.bootstrap_servers, {topic: 3})
    deadline = time.monotonic() + 10
    while topic in kafka_broker.admin.list_topics():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_records_arrive_with_their_times(embedded_broker):
    from kafka import KafkaConsumer, TopicPartition

    topic = f"times-{time.time_ns()}"
    create_topics(embedded_broker.bootstrap_servers, {topic: 1})
    producer = Producer(embedded_broker.bootstrap_servers, "test")
    stamps = [1_700_000_000_123, 1_700_000_000_456]
    for stamp in stamps:
        producer.send(topic, str(stamp).encode(), stamp)
    producer.flush(5)
    producer.close()
    consumer = KafkaConsumer(bootstrap_servers=embedded_broker.bootstrap_servers, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(topic, 0)])
    found, deadline = [], time.monotonic() + 10
    while len(found) < len(stamps) and time.monotonic() < deadline:
        found += [record for records in consumer.poll(500).values() for record in records]
    consumer.close()
    assert [(record.timestamp, record.value) for record in found] == [(stamp, str(stamp).encode()) for stamp in stamps]
    assert producer.refused == 0


def test_brokers_that_are_not_there_are_named_with_what_to_check():
    with pytest.raises(OperatingError, match=r"127\.0\.0\.1:1 refuses connections"):
        create_topics("127.0.0.1:1", {"t": 1})


def test_a_port_that_speaks_no_kafka_is_named_with_what_to_check(monkeypatch):
    monkeypatch.setattr(kafka_producer, "_QUESTION_MS", 500)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(OperatingError, match=rf"{address} did not make the topics t .*plaintext"):
            create_topics(address, {"t": 1})

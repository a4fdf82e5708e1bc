"""The demo's records leave at their pace, stamped with the present; a pause of the machine is no flood afterwards."""

import json
import time

import pytest
from kafka import KafkaConsumer, TopicPartition

from daemon.clock import SystemClock
from daemon.demo.pairs import RealLog
from daemon.demo.traffic import Channel, Traffic
from daemon.kafka_producer import create_topics

SECONDS = 1.5


class JumpingClock(SystemClock):
    """The machine's clock, until the machine was asleep for a while."""

    def __init__(self):
        self.slept = 0.0

    def monotonic(self):
        return super().monotonic() + self.slept


@pytest.fixture
def sent(embedded_broker):
    """Run traffic, doing something in the middle, and return the records that arrived."""

    def run(clock, meanwhile=lambda: None):
        topic = f"traffic-{time.time_ns()}"
        create_topics(embedded_broker.bootstrap_servers, {topic: 1})
        traffic = Traffic([Channel(topic, RealLog())], embedded_broker.bootstrap_servers, clock)
        traffic.start()
        time.sleep(SECONDS / 2)
        meanwhile()
        time.sleep(SECONDS / 2)
        assert traffic.alive()
        traffic.stop()
        assert (traffic.alive(), traffic.refused) == (False, 0)
        return records_of(embedded_broker.bootstrap_servers, topic)

    return run


def records_of(bootstrap_servers, topic):
    """Everything in a topic that is written no more."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(topic, 0)])
    found, deadline = [], time.monotonic() + 10
    while time.monotonic() < deadline:
        got = [record for records in consumer.poll(300).values() for record in records]
        found += got
        if found and not got:
            break
    consumer.close()
    return found


def test_records_leave_at_the_rate_of_their_source_stamped_with_the_present(sent):
    began = time.time()
    records = sent(SystemClock())
    assert 0.8 * RealLog.rate * SECONDS <= len(records) <= 1.2 * RealLog.rate * SECONDS
    times = [json.loads(record.value)["timestamp"] for record in records]
    assert times == sorted(times)
    assert began <= times[0] <= times[-1] <= time.time()
    assert [record.timestamp for record in records] == [int(at * 1000) for at in times]


def test_a_pause_is_not_made_up_for_by_more_than_a_second_of_records(sent):
    clock = JumpingClock()
    records = sent(clock, meanwhile=lambda: setattr(clock, "slept", 1000.0))
    assert len(records) <= 1.2 * RealLog.rate * (SECONDS + 1)
    assert len(records) > 1.2 * RealLog.rate * SECONDS

"""The demo's records leave at their pace, stamped with the present; a pause of the machine is no flood afterwards."""

import json
import time

import pytest
from kafka import KafkaConsumer, TopicPartition

from daemon.clock import SystemClock
from daemon.demo.ledger import Ledger
from daemon.demo.real_log import CAMPAIGNS, STREAM, RealLog
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
        ledger = Ledger()
        traffic = Traffic([Channel(topic, RealLog())], embedded_broker.bootstrap_servers, clock, ledger)
        traffic.start()
        time.sleep(SECONDS / 2)
        meanwhile()
        time.sleep(SECONDS / 2)
        assert traffic.alive()
        traffic.stop()
        assert (traffic.alive(), traffic.refused) == (False, 0)
        return records_of(embedded_broker.bootstrap_servers, topic), ledger

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
    records, _ = sent(SystemClock())
    assert 0.8 * RealLog.rate * SECONDS <= len(records) <= 1.2 * RealLog.rate * SECONDS
    times = [json.loads(record.value)["timestamp"] for record in records]
    assert times == sorted(times)
    assert began * 1e6 - 1 <= times[0] <= times[-1] <= time.time() * 1e6
    assert [record.timestamp for record in records] == [at // 1000 for at in times]


def test_a_pause_is_not_made_up_for_by_more_than_a_second_of_records(sent):
    clock = JumpingClock()
    records, _ = sent(clock, meanwhile=lambda: setattr(clock, "slept", 1000.0))
    assert len(records) <= 1.2 * RealLog.rate * (SECONDS + 1)
    assert len(records) > 1.2 * RealLog.rate * SECONDS


def test_the_ledger_has_every_record_that_arrived_and_no_other(sent):
    records, ledger = sent(SystemClock())
    rows = [json.loads(record.value) for record in records]
    for campaign in CAMPAIGNS:
        times = [row["timestamp"] for row in rows if row["campaign"] == campaign]
        found = ledger.between((STREAM, (campaign,)), 0, 1 << 62)
        assert found.messages == found.pairs == len(times)
        middle = times[len(times) // 2]
        assert ledger.between((STREAM, (campaign,)), middle, 1 << 62).messages == sum(at >= middle for at in times)


def test_a_clock_that_is_set_back_makes_no_time_go_backwards(sent):
    class SetBack(SystemClock):
        behind = 0.0

        def now(self):
            return super().now() - self.behind

    clock = SetBack()
    records, _ = sent(clock, meanwhile=lambda: setattr(clock, "behind", 3600.0))
    times = [json.loads(record.value)["timestamp"] for record in records]
    assert times == sorted(times)
    assert times[-1] > times[0]

"""Dead letters on their way to a real broker: a topic that is missing, too small, forbidden, or on no broker at all."""

import base64
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daemon import kafka_dead_letters, kafka_logs
from daemon.clock import SystemClock
from daemon.dead_letters import Parcel
from daemon.dead_letters.outbox import HOLD_SECONDS
from daemon.kafka_dead_letters import KafkaCarrier
from daemon.kafka_options import KafkaOptions
from daemon.kafka_security import Sasl, Security
from tests.e2e.test_dead_letters import letters
from tests.kafka_server import PASSWORD, USER
from tests.ports import free_ports

ROOT = Path(__file__).parents[2]


@pytest.fixture
def carrier():
    """Make carriers: carrier(address, topic)."""
    made = []

    def make(address, topic, security=None):
        security = security or Security()
        options = KafkaOptions(bootstrap_servers=(address,), group_id="g", topics=("t",), security=security)
        made.append(KafkaCarrier(options, topic, SystemClock()))
        return made[-1]

    yield make
    for each in made:
        each.close()


def parcel(ticket, size=0, *, bare=True):
    """A letter, with so many bytes of payload."""
    small = json.dumps({"offset": ticket}).encode()
    whole = json.dumps({"offset": ticket, "value_base64": base64.b64encode(b"x" * size).decode()}).encode()
    return Parcel(ticket, f"s/t/0/{ticket}".encode(), whole if size else small, small if size and bare else None)


def outcomes(carrier, count, within=10):
    """So many outcomes, by ticket."""
    found, deadline = {}, time.monotonic() + within
    while len(found) < count:
        assert time.monotonic() < deadline, found
        found |= {outcome.ticket: outcome.failure for outcome in carrier.outcomes(0.2)}
    return found


@pytest.mark.kafka
def test_a_letter_too_large_with_its_payload_arrives_without_and_harms_no_other(kafka_broker, carrier):
    topic = f"small-{time.time_ns()}"
    kafka_broker.create_topic(topic, 1, {"max.message.bytes": "2000"})
    ours = carrier(kafka_broker.bootstrap_servers, topic)
    sizes = {1: 100, 2: 5000, 3: 100, 4: 20_000, 5: 100}
    for ticket, size in sizes.items():
        ours.carry(parcel(ticket, size))
    assert outcomes(ours, 5) == dict.fromkeys(sizes, "")
    found = letters(kafka_broker, topic)
    assert sorted((letter["offset"], "value_base64" in letter) for _, letter, _ in found) == [
        (ticket, size < 1000) for ticket, size in sizes.items()
    ]


@pytest.mark.kafka
def test_a_letter_that_the_topic_refuses_even_bare_is_given_up_and_the_next_arrives(kafka_broker, carrier):
    topic = f"tiny-{time.time_ns()}"
    kafka_broker.create_topic(topic, 1, {"max.message.bytes": "300"})
    ours = carrier(kafka_broker.bootstrap_servers, topic)
    ours.carry(parcel(1, 3000, bare=False))
    ours.carry(parcel(2))
    found = outcomes(ours, 2)
    assert "TooLarge" in found[1]
    assert found[2] == ""
    assert [letter["offset"] for _, letter, _ in letters(kafka_broker, topic)] == [2]


@pytest.fixture
def answers(monkeypatch):
    """What the client says of metadata, before our filters drop any of it."""
    lines, passes = [], kafka_logs._MissingTopic.filter
    monkeypatch.setattr(kafka_logs._MissingTopic, "filter", lambda self, line: lines.append(line) or passes(self, line))
    return lines


@pytest.mark.kafka
def test_a_missing_topic_is_never_made_and_floods_neither_brokers_nor_log(
    kafka_broker, carrier, monkeypatch, caplog, answers
):
    monkeypatch.setattr(kafka_dead_letters, "_LOOK_SECONDS", 1.0)
    topic = f"missing-{time.time_ns()}"
    ours = carrier(kafka_broker.bootstrap_servers, topic)
    started = time.monotonic()
    for ticket in range(100):
        ours.carry(parcel(ticket))
    found = outcomes(ours, 100)
    assert time.monotonic() - started < 5
    command = f"kafka-topics.sh --bootstrap-server {kafka_broker.bootstrap_servers} --create --topic {topic}"
    assert all(command in failure for failure in found.values())
    assert topic not in kafka_broker.admin.list_topics()
    told = {line.created for line in answers if topic in line.getMessage()}  # other carriers' filters saw them too
    assert 1 <= len(told) <= 6  # over 2 s; the client's own way is 20
    assert not [line for line in caplog.records if topic in line.getMessage()]
    kafka_broker.create_topic(topic)
    ours.carry(parcel(100))
    assert outcomes(ours, 1) == {100: ""}


@pytest.mark.kafka
def test_letters_that_wait_for_a_topic_arrive_once_it_is_made(kafka_broker, carrier):
    topic = f"late-{time.time_ns()}"
    ours = carrier(kafka_broker.bootstrap_servers, topic)
    for ticket in range(50):
        ours.carry(parcel(ticket))
    time.sleep(1)
    kafka_broker.create_topic(topic)
    assert outcomes(ours, 50) == dict.fromkeys(range(50), "")
    assert sorted(letter["offset"] for _, letter, _ in letters(kafka_broker, topic)) == list(range(50))


@pytest.mark.kafka
@pytest.mark.parametrize(("password", "arrives"), [(PASSWORD, True), ("wrong-password", False)])
def test_letters_are_sent_with_the_daemon_s_own_credentials(kafka_broker, carrier, monkeypatch, password, arrives):
    monkeypatch.setattr(kafka_dead_letters, "_LOOK_SECONDS", 5.0 if arrives else 1.0)
    topic = f"secured-{time.time_ns()}"
    kafka_broker.create_topic(topic)
    sasl = Sasl(mechanism="PLAIN", username=USER, password=password)
    security = Security(protocol="SASL_SSL", ca_file=str(kafka_broker.certificates.ca_file), sasl=sasl)
    ours = carrier(kafka_broker.address("sasl"), topic, security)
    ours.carry(parcel(1))
    failure = outcomes(ours, 1)[1]
    assert (failure == "") == arrives
    assert password not in failure
    assert len(letters(kafka_broker, topic)) == arrives


def test_without_a_broker_nothing_blocks_and_each_letter_has_its_outcome(carrier, monkeypatch):
    monkeypatch.setattr(kafka_dead_letters, "_LOOK_SECONDS", 1.0)
    monkeypatch.setattr(kafka_dead_letters, "_METADATA_MS", 500)
    started = time.monotonic()
    ours = carrier(f"127.0.0.1:{free_ports(1)[0]}", "dead")
    for ticket in range(1000):
        ours.carry(parcel(ticket, 100))
    assert time.monotonic() - started < 0.5
    assert all("does not exist, or may not be seen" in failure for failure in outcomes(ours, 1000).values())


ENDING = """
import sys, time
from daemon.clock import SystemClock
from daemon.dead_letters import Parcel
from daemon.dead_letters.outbox import HOLD_SECONDS
from daemon.kafka_dead_letters import KafkaCarrier
from daemon.kafka_options import KafkaOptions
from daemon.kafka_security import Sasl, Security

address, topic = sys.argv[1:]
carrier = KafkaCarrier(KafkaOptions(bootstrap_servers=(address,), group_id="g", topics=("t",)), topic, SystemClock())
carrier.carry(Parcel(0, b"k", b"{}", None))
print(carrier.outcomes(10), flush=True)
sys.stdin.readline()
for ticket in range(1, 100):
    carrier.carry(Parcel(ticket, b"k", b"{}", None))
time.sleep(0.5)
started = time.monotonic()
carrier.close()
print(time.monotonic() - started)
"""


@pytest.mark.kafka
def test_a_process_that_ends_while_letters_are_under_way_ends_in_time_and_without_a_traceback(kafka_broker):
    topic = f"ending-{time.time_ns()}"
    kafka_broker.create_topic(topic)
    with kafka_broker.proxy() as proxy:
        child = subprocess.Popen(
            [sys.executable, "-c", ENDING, proxy.address, topic],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert child.stdout.readline() == "[Outcome(ticket=0, failure='')]\n"
            proxy.mode = "hole"
            said, complaints = child.communicate("go\n", timeout=20)
        finally:
            child.kill()
    assert float(said) < kafka_dead_letters.CLOSE_SECONDS * 2 + 1
    assert "Traceback" not in complaints
    assert "Exception ignored" not in complaints


def test_the_client_tries_nearly_as_long_as_the_outbox_waits_and_more_than_once():
    options = KafkaOptions(bootstrap_servers=("127.0.0.1:1",), group_id="g", topics=("t",), security=Security())
    arguments = kafka_dead_letters.producer_arguments(options, {})
    assert HOLD_SECONDS - 5 < arguments["delivery_timeout_ms"] / 1000 < HOLD_SECONDS
    assert 2 * arguments["request_timeout_ms"] < arguments["delivery_timeout_ms"]

"""Warnings at start about the topics, asked from a real broker."""

import threading
import time
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from daemon.kafka_admin import Admin
from daemon.kafka_options import KafkaOptions
from daemon.kafka_security import Sasl, Security
from daemon.kafka_warnings import warn_of_topics
from tests.kafka_server import USER
from tests.ports import free_ports

NEEDED_RETENTION_MS = 1  # what no topic lacks


def options(address, *topics):
    """Options of a daemon that reads these topics."""
    return KafkaOptions(bootstrap_servers=(address,), group_id="warned", topics=topics)


@pytest.fixture
def topics(kafka_broker):
    """Two topics of each kind, by their timestamp type."""
    kinds = {"CreateTime": [], "LogAppendTime": []}
    for number in range(2):
        for kind, names in kinds.items():
            names.append(f"{kind}-{number}-{time.time_ns()}")
            kafka_broker.create_topic(names[-1], config={"message.timestamp.type": kind})
    return kinds


@pytest.mark.kafka
def test_each_topic_under_create_time_is_warned_of_once_with_the_command_that_mends_it(kafka_broker, topics):
    address = kafka_broker.bootstrap_servers
    asked = [*topics["LogAppendTime"], "no-such-topic", *topics["CreateTime"]]
    with capture_logs() as logged:
        warn_of_topics(options(address, *asked))
    warnings = [line for line in logged if line["log_level"] == "warning"]
    assert [line["topic"] for line in warnings] == topics["CreateTime"]
    for line in warnings:
        command = (
            f"kafka-configs.sh --bootstrap-server {address} --alter --entity-type topics "
            f"--entity-name {line['topic']} --add-config message.timestamp.type=LogAppendTime"
        )
        assert command in line["problem"]
    assert logged == warnings


@pytest.mark.kafka
def test_the_warning_is_the_sentence_of_check(kafka_broker, topics):
    (topic, _) = topics["CreateTime"]
    address = kafka_broker.bootstrap_servers
    with capture_logs() as logged:
        warn_of_topics(options(address, topic))
    with Admin([address], Security()) as admin:
        assert list(admin.topic(topic).problems(NEEDED_RETENTION_MS, [address])) == [logged[0]["problem"]]


@pytest.mark.kafka
def test_the_command_that_is_named_ends_the_warning(kafka_broker, topics):
    from kafka.admin import ConfigResource, ConfigResourceType

    (topic, _) = topics["CreateTime"]
    name, value = _named_setting(kafka_broker, topic)
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs={name: value})
    kafka_broker.admin.alter_configs([resource])
    with capture_logs() as logged:
        warn_of_topics(options(kafka_broker.bootstrap_servers, topic))
    assert logged == []


def _named_setting(broker, topic):
    with capture_logs() as logged:
        warn_of_topics(options(broker.bootstrap_servers, topic))
    return logged[0]["problem"].rsplit(" ", 1)[1].split("=")


def test_brokers_that_cannot_be_reached_are_no_error_and_leave_no_thread_behind():
    before = threading.active_count()
    with capture_logs() as logged:
        warn_of_topics(options(f"127.0.0.1:{free_ports(1)[0]}", "pairs"))
    assert [(line["log_level"], line["reason"]) for line in logged] == [("info", "no broker can be reached")]
    assert threading.active_count() == before


@pytest.mark.kafka
def test_brokers_that_refuse_are_no_error(kafka_broker, monkeypatch):
    make = Admin.__init__
    # As ever, but patient for a second instead of ten.
    monkeypatch.setattr(Admin, "__init__", lambda self, servers, security: make(self, servers, security, timeout_s=1.0))
    wrong = Sasl(mechanism="PLAIN", username=USER, password="wrong-password")
    refused = Security(protocol="SASL_SSL", ca_file=str(kafka_broker.certificates.ca_file), sasl=wrong)
    with capture_logs() as logged:
        warn_of_topics(replace(options(kafka_broker.address("sasl"), "pairs"), security=refused))
    (line,) = logged
    assert line["log_level"] == "info"
    assert "wrong-password" not in str(line)

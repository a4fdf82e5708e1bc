"""What check asks of real brokers, while they have no answer yet."""

import socket
import threading

import pytest
from kafka import KafkaAdminClient
from kafka.errors import CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError

from daemon.kafka_admin import Admin
from daemon.kafka_security import Security
from daemon.source import SourceUnavailableError

NOT_YET = [CoordinatorNotAvailableError, CoordinatorLoadInProgressError, NotCoordinatorError]


def answering(monkeypatch, answers):
    """Let the client have these answers before the brokers' own."""
    ask, left = KafkaAdminClient.describe_groups, list(answers)

    def describe(self, groups):
        if not left:
            return ask(self, groups)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {groups[0]: answer}

    monkeypatch.setattr(KafkaAdminClient, "describe_groups", describe)
    return left


@pytest.mark.kafka
def test_a_coordinator_that_starts_is_asked_again(kafka_broker, monkeypatch):
    loading = {"error": str(CoordinatorLoadInProgressError()), "members": []}
    left = answering(monkeypatch, [*(error() for error in NOT_YET), loading])
    with Admin([kafka_broker.bootstrap_servers], Security()) as admin:
        assert admin.group_problem("nobody-s") == ""
    assert left == []


@pytest.mark.kafka
def test_a_coordinator_that_never_starts_is_named_in_time(kafka_broker, monkeypatch):
    answering(monkeypatch, [CoordinatorNotAvailableError() for _ in range(100)])
    with Admin([kafka_broker.bootstrap_servers], Security(), timeout_s=1.0) as admin:
        assert "__consumer_offsets" in admin.group_problem("nobody-s")


def test_a_port_that_never_answers_leaves_no_thread_behind():
    threads = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for _ in range(2):
            with pytest.raises(SourceUnavailableError, match="answers no Kafka request"):
                Admin((f"127.0.0.1:{silent.getsockname()[1]}",), Security(), timeout_s=0.5)
    assert threading.active_count() <= threads

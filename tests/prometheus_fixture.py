"""A real Prometheus server and promtool for tests.

Fixtures (loaded by tests/conftest.py as a plugin):

- `prometheus`: start a server, `prometheus(["127.0.0.1:9752"])`, which scrapes the targets' /metrics every second and,
  with `rules=path`, evaluates a file of rules as often; `labels` are added to the targets,
  `scrape` (scheme, tls_config, basic_auth) to how they are asked; `alertmanagers` are the addresses that it tells its
  alerts to. It answers `query(promql, time=None)` and ends with the test.
- `prometheus_of`: start a server by a whole configuration, `prometheus_of(tree)`.
- `promtool_check_metrics`: lint an exposition, `promtool_check_metrics(text)` returns the complaints as lines.
- `promtool`: run it, `promtool("check", "rules", path)` returns (exit status, complaints).

Both programs are looked for in the folder $KLAXON_PROMETHEUS, then in PATH. Where they cannot be had the test is
skipped with the reason; in CI (`CI=true`) that is a failure.
"""

import json
import os
import shutil
import signal
import subprocess
import time as wall
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.kafka_broker import skip_unless_ci
from tests.ports import free_port
from tests.web_servers import WebServer

SCRAPE_INTERVAL_SECONDS = 1


class Sample(NamedTuple):
    """One element of an instant vector."""

    labels: dict[str, str]  # without __name__
    value: float


class PrometheusServer(WebServer):
    """One Prometheus process on a free port, with its own data folder."""

    def __init__(self, program, folder, configuration):
        address = f"127.0.0.1:{free_port()}"
        config = folder / "prometheus.json"  # JSON is YAML
        config.write_text(json.dumps(configuration))
        command = [
            program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}", "--log.level=warn",
        ]  # fmt: skip
        super().__init__("Prometheus", command, address, folder)

    def query(self, promql, time=None):
        """Evaluate PromQL now, or at Unix `time` in seconds, into a list of Sample; a scalar is one without labels."""
        arguments = {"query": promql} if time is None else {"query": promql, "time": repr(float(time))}
        data = self._api("query", arguments)
        if data["resultType"] == "scalar":
            return [Sample({}, float(data["result"][1]))]
        assert data["resultType"] == "vector", f"not an instant query: {promql}"
        return [
            Sample({name: text for name, text in item["metric"].items() if name != "__name__"}, float(item["value"][1]))
            for item in data["result"]
        ]

    def wait_for(self, promql, count=1, timeout_seconds=30):
        """Return the samples of a query as soon as there are at least `count` of them."""
        deadline = wall.monotonic() + timeout_seconds
        while True:
            samples = self.query(promql)
            if len(samples) >= count:
                return samples
            if wall.monotonic() > deadline:
                targets = [(target["scrapeUrl"], target["lastError"]) for target in self.targets()]
                pytest.fail(f"{promql!r} gave {len(samples)} of {count} samples in {timeout_seconds} s; {targets}")
            wall.sleep(0.2)

    def targets(self):
        """Return what the server knows of its targets: scrapeUrl, health, lastError and so on."""
        return self._api("targets", {"state": "active"})["activeTargets"]

    def rules(self):
        """Return what the server knows of its rules: type, name, health, lastError and so on."""
        return [rule for group in self._api("rules", {})["groups"] for rule in group["rules"]]

    def reload(self):
        """Let it read its configuration and the files of rules again."""
        self.process.send_signal(signal.SIGHUP)

    def alertmanagers(self):
        """Return the addresses (URLs) that it tells alerts to."""
        return [found["url"] for found in self._api("alertmanagers", {})["activeAlertmanagers"]]

    def _api(self, path, arguments):
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            pytest.fail(f"Prometheus refused {arguments}: {error.read().decode()}")


@pytest.fixture
def prometheus_of(tmp_path_factory):
    """Start servers: prometheus_of(configuration) -> a ready server; the configuration is a tree."""
    program = _program("prometheus")
    servers = []

    def start(configuration):
        server = PrometheusServer(program, tmp_path_factory.mktemp("prometheus"), configuration)
        servers.append(server)
        server.wait_until_ready()
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def prometheus(prometheus_of):
    """Start servers: prometheus(targets, rules=None, labels=None, scrape=None, alertmanagers=()) -> a ready server."""

    def start(targets, rules=None, labels=None, scrape=None, alertmanagers=()):
        return prometheus_of(_configuration(list(targets), rules, labels, scrape, list(alertmanagers)))

    return start


@pytest.fixture(scope="session")
def promtool():
    """Run promtool: promtool(*arguments, input=b"") -> (exit status, what it said if that is not 0)."""
    program = _program("promtool")

    def run(*arguments, input=b""):  # noqa: A002 - as subprocess calls it
        command = [program, *map(str, arguments)]
        done = subprocess.run(command, input=input, capture_output=True, timeout=60, check=False)
        return done.returncode, (done.stdout + done.stderr).decode() if done.returncode else ""

    return run


@pytest.fixture(scope="session")
def promtool_check_metrics(promtool):
    """Lint an exposition: promtool_check_metrics(text) -> complaints, empty when it is clean."""

    def check(text):
        status, said = promtool("check", "metrics", input=text if isinstance(text, bytes) else text.encode())
        return said.splitlines() or ([f"promtool ended with {status}"] if status else [])

    return check


def _program(name):
    """Path of the program; skips, or in CI fails, where it cannot be had."""
    folder = os.environ.get("KLAXON_PROMETHEUS")
    found = (shutil.which(name, path=folder) if folder else None) or shutil.which(name)
    if found is None:
        skip_unless_ci(f"no {name} in $KLAXON_PROMETHEUS or PATH (Debian: apt-get install prometheus)")
    return str(Path(found).resolve())


def _configuration(targets, rules, labels, scrape, alertmanagers):
    interval = f"{SCRAPE_INTERVAL_SECONDS}s"
    return {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": [] if rules is None else [str(rules)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": alertmanagers}]}]},
        "scrape_configs": [
            {"job_name": "klaxon", "static_configs": [{"targets": targets, "labels": labels or {}}], **(scrape or {})}
        ],
    }

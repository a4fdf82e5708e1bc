"""The stage of the live loop: traffic, two fleets, Prometheus, Alertmanager and a webhook, running and calm."""

import json
import os
import time
from contextlib import contextmanager

from daemon.clock import SystemClock
from daemon.demo.ledger import Ledger
from daemon.demo.scenarios import WINDOWS
from daemon.demo.session import SEED
from daemon.demo.traffic import Channel, Traffic
from daemon.demo.writer import DECIMALS, TokenWriter
from daemon.rules import yaml_text
from tests.e2e import alertmanagers
from tests.e2e.alert_plays import JOB, NAMESPACE, PLAYS, ROLLED, ROLLED_JOB, TERMS
from tests.e2e.conftest import values
from tests.e2e.webhooks import listening

PARTITIONS = 2  # of each topic, one for each replica
COMING_SECONDS = 120.0  # what has to come may take so long, on a machine that has other things to do
SCRAPE = {"scrape_interval": "2s", "scrape_timeout": "2s"}


def until(condition, what, seconds=COMING_SECONDS, instead=lambda: "nothing"):
    """Return what the condition gives as soon as that is true; else the error tells `what`, and what is `instead`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.25)
    load = f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"
    raise AssertionError(f"no {what} within {seconds:.0f} s, but {instead()}; {load}")


def settings(broker, group, topics, plays, **more):
    """A daemon's configuration, as the demo's and the chart's are."""
    return {
        "kafka": {"bootstrap_servers": [broker.bootstrap_servers], "group_id": group},
        "streams": [
            {
                "topic": topics[play.stream],
                "name": play.stream,
                "series_labels": ["model", "version"],
                "resolution": f"decimals:{DECIMALS}",
                "expected_delay": "2s",
                "thresholds": [{"severity": "warning", "direction": "reverse", "nats": play.nats}],
            }
            for play in plays
        ],
        "windows": list(WINDOWS),
        "panes_per_window": 60,
        "max_skew": "10s",
        "publish_interval": "1s",
        "commit_interval": "1s",
        "export": {"moments": True},
        **more,
    }


class Stage:
    """What a play needs.

    Attributes
    ----------
    webhook : what Alertmanager tells
    prometheus : the server that evaluates the rules
    rolled : the replicas that are to be replaced
    """

    def __init__(self, writers, webhook, prometheus, targets_file, start_replica):
        self.webhook = webhook
        self.prometheus = prometheus
        self.start_replica = start_replica
        self.rolled = [start_replica(name) for name in ("c", "d")]
        self._writers = writers
        self._targets_file = targets_file
        self._targets = {}

    def send(self, stream, traffic):
        """Let versions of a stream send something else from now on."""
        for version, kind in traffic.items():
            self._writers[stream, version].change(kind, int(time.time() * 1e6))

    def scrape(self, job, daemons):
        """Let Prometheus scrape these daemons under a job's name, as where it discovers pods."""
        self._targets[job] = [daemon.address for daemon in daemons]
        groups = [
            {"targets": addresses, "labels": {"job": name, "namespace": NAMESPACE}}
            for name, addresses in self._targets.items()
        ]
        written = self._targets_file.with_suffix(".new")
        written.write_text(json.dumps(groups))
        written.rename(self._targets_file)

    def covered(self, stream):
        """Whether each partition of a stream has exactly one owner, as Prometheus sees it."""
        return self.prometheus.query(f'stream:klaxon_partition_owned:exactly_once{{stream="{stream}"}}')


def owns(daemon, partitions):
    """Whether a daemon owns and has restored so many partitions."""
    owned = values(daemon.samples(), "klaxon_partition_owned")
    return len(owned) == sum(owned.values()) == partitions


@contextmanager
def staged(broker, klaxond, prometheus, folder):
    """Start everything and yield the Stage; the arguments are the fixtures of these names.

    The rules come when the fleets are there: in production an alert waits longer than a start takes, here it waits
    sixty times less, and a start takes as long as ever.
    """
    run, plays = time.time_ns(), (*PLAYS, *ROLLED)
    topics = {play.stream: f"alerts-{play.stream}-{run}" for play in plays}
    for topic in topics.values():
        broker.create_topic(topic, PARTITIONS)
    writers = _writers(plays)
    channels = [Channel(topics[stream], writer) for (stream, _), writer in writers.items()]
    traffic = Traffic(channels, broker.bootstrap_servers, SystemClock(), Ledger())
    targets, rules = folder / "targets.json", folder / "klaxon.rules.yaml"
    targets.write_text("[]")
    rules.write_text("groups: []")
    scrape = {"static_configs": [], "file_sd_configs": [{"files": [str(targets)]}]} | SCRAPE
    changelog = {"kind": "changelog", "topic": f"alerts-changelog-{run}", "interval": "5s"}
    rolled = settings(broker, f"rolled-{run}", topics, ROLLED, snapshot=changelog)
    with listening() as webhook, alertmanagers.running(folder, webhook.address) as alertmanager:
        traffic.start()
        try:
            server = prometheus([], rules=rules, scrape=scrape, alertmanagers=[alertmanager])
            fleet = [klaxond(settings(broker, f"loop-{run}", topics, PLAYS), name) for name in ("a", "b")]
            stage = Stage(writers, webhook, server, targets, lambda name: klaxond(rolled, name))
            stage.scrape(JOB, fleet)
            stage.scrape(ROLLED_JOB, stage.rolled)
            _wait_until_all_is_read(stage, fleet)
            rules.write_text(yaml_text(TERMS))
            server.reload()
            until(lambda: all(stage.covered(play.stream) for play in plays), "value of every stream")
            yield stage
        finally:
            traffic.stop()


def _writers(plays):
    """Make a writer for each version of each stream, which does what the first turn says."""
    writers = {}
    for number, play in enumerate(plays):
        for version, rate in play.rates.items():
            writer = writers[play.stream, version] = TokenWriter(version, SEED + number)
            writer.rate = rate
            writer.change(play.turns[0].traffic.get(version, "calm"), int(time.time() * 1e6))
    return writers


def _wait_until_all_is_read(stage, fleet):
    """Each replica owns its share, Prometheus scrapes all of them and knows whom to tell."""
    for daemons, plays in ((fleet, PLAYS), (stage.rolled, ROLLED)):
        until(lambda daemons=daemons, plays=plays: all(owns(each, len(plays)) for each in daemons), "share for each")
    replicas = len(fleet) + len(stage.rolled)
    until(lambda: len(stage.prometheus.query("klaxon_build_info")) == replicas, "scrape of every replica")
    until(stage.prometheus.alertmanagers, "Alertmanager that Prometheus knows")

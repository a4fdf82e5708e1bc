"""The whole loop: records in a real Kafka, klaxond, Prometheus with our rules, Alertmanager, a webhook that listens.

Each scenario of the demo raises exactly its alert and resolves it. Calm traffic, a version that retires, and a deploy
raise none.
"""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest

from daemon.clock import SystemClock
from daemon.demo.ledger import Ledger
from daemon.demo.scenarios import THRESHOLD_NATS, WINDOWS
from daemon.demo.session import SEED
from daemon.demo.traffic import Channel, Traffic
from daemon.demo.writer import DECIMALS, SHIFTED_NATS, TokenWriter
from daemon.rules import yaml_text
from tests.deploy.dashboards import UIDS
from tests.e2e.alert_plays import JOB, NAMESPACE, PLAYS, QUIET_SECONDS, ROLLED, ROLLED_JOB, TERMS
from tests.e2e.alertmanagers import running
from tests.e2e.conftest import ROOT, values
from tests.e2e.webhooks import Heard, heard, listening

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.prometheus,
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.timeout(600),
]

PARTITIONS = 2  # of each topic, one for each replica
COMING_SECONDS = 120.0  # what has to come may take so long, on a machine that has other things to do


def until(condition, what, seconds=COMING_SECONDS):
    """Return what the condition gives as soon as that is true; else what it was waited for is the error."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.25)
    raise AssertionError(f"no {what} within {seconds:.0f} s")


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
    """Traffic, two fleets, Prometheus, Alertmanager and the webhook, put together by `stage`."""

    def __init__(self, writers, webhook, targets_file):
        self.webhook = webhook
        self.prometheus = None
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


@pytest.fixture
def stage(kafka_broker, klaxond, prometheus, tmp_path):
    """Everything, running and calm; the rules come when the fleets are there, since they start no quicker than in life.

    In production an alert waits longer than a start takes; here it waits sixty times less.
    """
    run = f"{time.time_ns()}"
    plays = (*PLAYS, ROLLED)
    topics = {play.stream: f"alerts-{play.stream}-{run}" for play in plays}
    for topic in topics.values():
        kafka_broker.create_topic(topic, PARTITIONS)
    writers, channels = _writers(plays, topics)
    targets, rules = tmp_path / "targets.json", tmp_path / "klaxon.rules.yaml"
    targets.write_text("[]")
    rules.write_text("groups: []")
    discovery = {"static_configs": [], "file_sd_configs": [{"files": [str(targets)]}]}
    scrape = {"scrape_interval": "2s", "scrape_timeout": "2s", **discovery}
    traffic = Traffic(channels, kafka_broker.bootstrap_servers, SystemClock(), Ledger())
    with listening() as webhook, running(tmp_path, webhook.address) as alertmanager:
        made = Stage(writers, webhook, targets)
        for play in plays:
            made.send(play.stream, play.turns[0].traffic)
        traffic.start()
        try:
            made.prometheus = prometheus([], rules=rules, scrape=scrape, alertmanagers=[alertmanager])
            made.fleet = [klaxond(settings(kafka_broker, f"loop-{run}", topics, PLAYS), name) for name in "ab"]
            rolled = settings(
                kafka_broker, f"rolled-{run}", topics, [ROLLED],
                snapshot={"kind": "changelog", "topic": f"alerts-changelog-{run}", "interval": "5s"},
            )  # fmt: skip
            made.replica = lambda name: klaxond(rolled, name)
            made.rolled = [made.replica(name) for name in "cd"]
            made.scrape(JOB, made.fleet)
            made.scrape(ROLLED_JOB, made.rolled)
            until(lambda: all(owns(daemon, len(PLAYS)) for daemon in made.fleet), "shared topics")
            until(lambda: all(owns(daemon, 1) for daemon in made.rolled), "shared topic")
            rules.write_text(yaml_text(TERMS))
            until(lambda: len(made.prometheus.query("klaxon_build_info")) == 4, "scrape of all replicas")
            until(made.prometheus.alertmanagers, "Alertmanager known to Prometheus")
            made.prometheus.reload()
            until(lambda: all(made.covered(play.stream) for play in plays), "fleet that is covered")
            yield made
        finally:
            traffic.stop()


def _writers(plays, topics):
    writers, channels = {}, []
    for number, play in enumerate(plays):
        for version, rate in play.rates.items():
            writer = TokenWriter(version, SEED + number)
            writer.rate = rate
            writers[play.stream, version] = writer
            channels.append(Channel(topics[play.stream], writer))
    return writers, channels


def test_each_scenario_raises_exactly_its_alerts_and_resolves_them(stage):
    """One run of two minutes, so that all of it is told to one Alertmanager at once."""
    with ThreadPoolExecutor(len(PLAYS) + 1) as stages:
        under_way = [stages.submit(perform, stage, play) for play in PLAYS]
        under_way.append(stages.submit(roll, stage))
        failed = [str(each.exception()) for each in under_way if each.exception()]
    expected = {play.stream: play.expected for play in PLAYS if play.expected != Heard()}
    found = heard(stage.webhook.told)
    assert (failed, found) == ([], expected)
    assert {told.receiver for told in stage.webhook.told} == {"chat"}
    assert [rule for rule in stage.prometheus.rules() if rule["health"] != "ok"] == []
    assert [fault for told in stage.webhook.told for fault in faults_of(told)] == []


def perform(stage, play):
    """Play one stream turn by turn; each lasts its time, and until what it raises was told and all else is over."""
    for number, turn in enumerate(play.turns):
        stage.send(play.stream, turn.traffic)
        time.sleep(turn.lasts_seconds)
        until(
            lambda turn=turn: stage.webhook.of(play.stream).open == frozenset(turn.firing),
            f"{turn.firing or 'silence'} in turn {number} of {play.stream}, but {stage.webhook.of(play.stream)}",
        )


def roll(stage):
    """Replace the replicas as a Deployment does: a new one is ready before an old one is asked to go."""
    serving = list(stage.rolled)
    for name, old in zip("ef", stage.rolled, strict=True):
        new = stage.replica(name)
        serving.append(new)
        stage.scrape(ROLLED_JOB, serving)
        until(lambda new=new: new.get("/readyz")[0] == 200, f"readiness of {name}")
        assert old.stop()[0] == 0
        serving.remove(old)
        stage.scrape(ROLLED_JOB, serving)
        until(lambda: stage.covered(ROLLED.stream), f"owners after {name} came")
    assert owns(serving[0], 1)
    time.sleep(QUIET_SECONDS)


def faults_of(told):
    """Everything that is wrong with what an alert says."""
    said = told.annotations
    wrong = [f"{key}: {text}" for key, text in said.items() if re.search(r"%!|<no value>|<error|<nil>|NaN|Inf\b", text)]
    if not (ROOT / said["runbook_url"]).is_file():
        wrong.append(f"runbook_url: {said['runbook_url']}")
    page = urlsplit(said["dashboard_url"])
    chosen = parse_qs(page.query)
    if page.path.rpartition("/")[2] not in UIDS or chosen.get("var-stream") != [told.labels["stream"]]:
        wrong.append(f"dashboard_url: {said['dashboard_url']}")
    if told.name.startswith("KlaxonDrift") and told.labels["stream"] != "low-threshold":
        wrong += _wrong_drift(said["description"])
    return [f"{told.name}: {text}" for text in wrong]


def _wrong_drift(text):
    """The numbers of a drift: above the threshold, at most what the model drifted by, within their interval."""
    found = re.match(r"KL\(q\|\|p\) over 15s is (\S+) nats \(95 % interval (\S+) to (\S+)\), (\S+) times the", text)
    if found is None:
        return [text]
    value, lower, upper, times = map(float, found.groups())
    right = THRESHOLD_NATS < value < 1.1 * SHIFTED_NATS and lower <= value <= upper
    return [] if right and abs(times - value / THRESHOLD_NATS) < 0.2 * times else [text]

"""Fixtures: the command in this process, a file whose numbers can be recomputed, media of snapshots in a topic."""

import json
import random
from dataclasses import replace

import pytest

from daemon import kafka_changelog_reader, kafka_changelog_topic, kafka_changelog_writer
from daemon.kafka_changelog import Changelog
from daemon.kafka_security import Security
from tests.daemon.changelog_world import KAFKA
from tests.e2e.recomputation import Message

MINUTE_US = 60_000_000


@pytest.fixture
def replayed(klaxond):
    """The JSON of a replay that went well."""

    def run(*arguments, stdin=None):
        status, out, err = klaxond("replay", *arguments, "--output", "json", stdin=stdin)
        assert status == 0, err
        return json.loads(out)

    return run


def traffic(count=3000, minutes=120):
    """Canonical records of two models over two hours, out of order by up to 40 s, and the same as messages."""
    draw = random.Random(3)
    records, messages = [], []
    for offset in range(count):
        event_us = 1_700_000_000_000_000 + minutes * MINUTE_US * offset // count - draw.randrange(40_000_000)
        model = draw.choice(("ranker", "reader"))
        pairs = []
        for _ in range(draw.choice((1, 1, 4))):
            log_q = -draw.expovariate(0.5) - 0.01
            pairs.append((min(-1e-6, log_q + draw.gauss(-0.02, 0.2)), log_q))
        record = {"model": model, "version": "1", "ts": event_us}
        records.append(record | {"logp": [p for p, _ in pairs], "logq": [q for _, q in pairs]})
        messages.append(Message(0, offset, (model, "1"), event_us, tuple((p - q, 1.0) for p, q in pairs)))
    return records, messages


@pytest.fixture(scope="session", name="traffic")
def traffic_maker():
    """Make traffic: traffic(count=..., minutes=...) -> (records, messages)."""
    return traffic


@pytest.fixture(scope="session")
def windows_file(tmp_path_factory):
    """A file of traffic with its messages, and a configuration of three windows."""
    folder = tmp_path_factory.mktemp("replay")
    records, messages = traffic()
    path, config = folder / "traffic.jsonl", folder / "klaxond.yaml"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    config.write_text(
        "kafka: {bootstrap_servers: ['127.0.0.1:9092'], group_id: klaxond}\n"
        "streams: [{topic: pairs, series_labels: [model, version]}]\n"
        "windows: [10m, 30m, 1h]\n"
    )
    return path, config, messages


@pytest.fixture
def changelog():
    """Make media: changelog(address, topic, security=None)."""
    made = []

    def make(address, topic, security=None):
        options = replace(KAFKA, bootstrap_servers=(address,), security=security or Security())
        made.append(Changelog(options, topic))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def impatient(monkeypatch):
    """Give up within seconds what is given up within half a minute."""
    monkeypatch.setattr(kafka_changelog_writer, "_METADATA_MS", 1500)
    monkeypatch.setattr(kafka_changelog_writer, "_REQUEST_MS", 1000)
    monkeypatch.setattr(kafka_changelog_writer, "_DELIVERY_MS", 2000)
    monkeypatch.setattr(kafka_changelog_writer, "_ACKNOWLEDGED_SECONDS", 3.0)
    monkeypatch.setattr(kafka_changelog_reader, "READ_SECONDS", 1.5)
    monkeypatch.setattr(kafka_changelog_reader, "_QUESTION_MS", 1000)
    monkeypatch.setattr(kafka_changelog_topic, "ASK_SECONDS", 1.0)

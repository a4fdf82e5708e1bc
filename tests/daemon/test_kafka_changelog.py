"""A compacted topic as a medium of snapshots, on a real broker."""

import random
import time

import pytest

from daemon.errors import UsageError
from daemon.kafka_changelog import Changelog
from daemon.kafka_options import KafkaOptions
from daemon.kafka_security import Security
from daemon.snapshots.medium import EntriesGoneError, MediumError, Place
from daemon.source import Partition

ONE, OTHER = Partition("pairs", 0), Partition("pairs", 1)


@pytest.fixture
def changelog():
    """Make media: changelog(address, topic, security=None)."""
    made = []

    def make(address, topic, security=None):
        options = KafkaOptions(
            bootstrap_servers=(address,), group_id="g", topics=("pairs",), security=security or Security()
        )
        made.append(Changelog(options, topic))
        return made[-1]

    yield make
    for each in made:
        each.close()


def named(what="changelog"):
    return f"{what}-{time.time_ns()}"


def written(medium, partition, values):
    """Put and flush; where the chunks are."""
    for name, value in values.items():
        medium.put(partition, name, value)
    return medium.flush()


@pytest.mark.kafka
def test_what_was_flushed_is_read_back_to_the_byte_by_another_process_s_medium(kafka_broker, changelog):
    topic, draw = named(), random.Random(5)
    writer = changelog(kafka_broker.bootstrap_servers, topic)
    chunks = {
        partition: {f"c/g/{number}": draw.randbytes(draw.choice((1, 900, 90_000, 900_000))) for number in range(100)}
        for partition in (ONE, OTHER)
    }
    places = {partition: written(writer, partition, values) for partition, values in chunks.items()}
    writer.put_manifest(ONE, "m/g/w/0", b"first")
    writer.put_manifest(ONE, "m/g/w/0", b"second")
    writer.put_manifest(ONE, "m/g/w/1", b"third")
    writer.put_manifest(OTHER, "m/g/w/0", b"other")
    reader = changelog(kafka_broker.bootstrap_servers, topic)
    found = reader.manifests([ONE, OTHER, Partition("pairs", 11)])
    assert {p: sorted((e.name, e.value) for e in entries) for p, entries in found.items()} == {
        ONE: [("m/g/w/0", b"second"), ("m/g/w/1", b"third")],
        OTHER: [("m/g/w/0", b"other")],
        Partition("pairs", 11): [],
    }
    for partition, values in chunks.items():
        assert set(places[partition]) == set(values)
        assert reader.fetch(partition, places[partition]) == values
        some = {name: places[partition][name] for name in draw.sample(sorted(values), 7)}
        assert reader.fetch(partition, some) == {name: values[name] for name in some}

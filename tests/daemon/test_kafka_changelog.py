"""A compacted topic as a medium of snapshots, on a real broker: what was written is read, and nothing else."""

import itertools
import random

import pytest
from kafka import KafkaProducer, TopicPartition

from daemon import kafka_changelog_reader, kafka_changelog_writer
from daemon.kafka_changelog import Changelog
from daemon.kafka_changelog_reader import ChangelogReader
from daemon.snapshots.medium import Entry, MediumError, Place
from daemon.source import Partition
from tests.daemon.changelog_world import KAFKA, ONE, OTHER, named, written


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


@pytest.mark.kafka
def test_a_topic_with_one_partition_holds_manifests_and_chunks_together(kafka_broker, changelog):
    topic = named()
    kafka_broker.create_topic(topic, 1, {"cleanup.policy": "compact"})
    ours = changelog(kafka_broker.bootstrap_servers, topic)
    places = written(ours, ONE, {"c/1": b"one", "c/2": b"two"})
    ours.put_manifest(ONE, "m/1", b"manifest")
    names = {entry.name for entry in ours.manifests([ONE])[ONE]}
    assert "m/1" in names
    assert ours.fetch(ONE, places) == {"c/1": b"one", "c/2": b"two"}


@pytest.mark.kafka
def test_what_was_deleted_is_gone_and_the_rest_stays(kafka_broker, changelog):
    ours = changelog(kafka_broker.bootstrap_servers, named())
    places = written(ours, ONE, {"c/1": b"one", "c/2": b"two"})
    for name in ("m/1", "m/2"):
        ours.put_manifest(ONE, name, b"manifest")
    ours.delete(ONE, ["c/1", "c/never"], ["m/1", "m/never"])
    assert [entry.name for entry in ours.manifests([ONE])[ONE]] == ["m/2"]
    assert ours.fetch(ONE, places)["c/2"] == b"two"  # that the first is gone shows after compaction only


@pytest.mark.kafka
def test_only_the_record_of_that_name_at_that_place_is_returned(kafka_broker, changelog):
    ours = changelog(kafka_broker.bootstrap_servers, named())
    places = written(ours, ONE, {"c/1": b"one", "c/2": b"two"})
    first, second = places["c/1"], places["c/2"]
    wrong = {
        "c/1": second,  # another name's place
        "c/2": second,
        "c/3": Place(first.part, 10**15),
        "c/4": Place(first.part, -7),
        "c/5": Place(10**6, 0),
        "c/6": Place(-1, 0),
    }
    assert ours.fetch(ONE, wrong) == {"c/2": b"two"}
    assert ours.fetch(OTHER, places) == {}
    assert ours.fetch(ONE, {}) == {}


@pytest.mark.kafka
def test_chunks_far_apart_in_several_parts_come_by_one_call(kafka_broker, changelog, monkeypatch):
    ours, turn, draw = (
        changelog(kafka_broker.bootstrap_servers, named()),
        itertools.cycle(range(1, 9)),
        random.Random(1),
    )
    monkeypatch.setattr(Changelog, "_part_of", lambda *_: next(turn))
    values = {f"c/{number}": draw.randbytes(5000) for number in range(800)}
    places = written(ours, ONE, values)
    assert {place.part for place in places.values()} == set(range(1, 9))
    few = {name: places[name] for name in (*draw.sample(sorted(values), 40), "c/799")}
    assert ours.fetch(ONE, few) == {name: values[name] for name in few}
    assert ours.fetch(ONE, places) == values


@pytest.mark.kafka
def test_a_chunk_that_the_topic_refuses_harms_no_later_one(kafka_broker, changelog):
    topic = named()
    kafka_broker.create_topic(topic, 3, {"cleanup.policy": "compact", "max.message.bytes": "2000"})
    ours = changelog(kafka_broker.bootstrap_servers, topic)
    for attempt in range(3):
        with pytest.raises(MediumError, match=r"max\.message\.bytes"):
            written(ours, ONE, {"c/1": b"x" * 5000, "c/2": b"x"})
        places = written(ours, ONE, {"c/3": b"%d" % attempt})
        assert ours.fetch(ONE, places) == {"c/3": b"%d" % attempt}
    with pytest.raises(MediumError, match=r"max\.message\.bytes"):
        written(ours, ONE, {"c/1": b"x" * (5 << 20)})  # more than the client itself takes


@pytest.mark.kafka
def test_garbage_among_the_manifests_is_handed_over_or_passed_by_but_breaks_nothing(kafka_broker, changelog):
    topic, draw = named(), random.Random(9)
    ours = changelog(kafka_broker.bootstrap_servers, topic)
    ours.put_manifest(ONE, "m/1", b"manifest")
    keys = [draw.randbytes(draw.randrange(1, 60)) for _ in range(300)]
    keys += [b"", b"/", b"pairs", b"pairs/0", b"pairs/0/\xff\xfe", b"pairs/x/m/1", b"pairs/0/m/2", b"\x00"]
    values = [draw.choice((None, b"", draw.randbytes(1000))) for _ in keys]
    values[-2] = b"nonsense"
    kafka_broker.produce(topic, values, 0, keys=keys)
    ours.put_manifest(ONE, "m/3", b"later")
    found = {entry.name: entry.value for entry in ours.manifests([ONE])[ONE]}
    assert found == {"m/1": b"manifest", "m/2": b"nonsense", "m/3": b"later"}


@pytest.mark.kafka
def test_a_manifest_that_is_replaced_while_the_old_ones_are_read_is_read_too(kafka_broker, changelog, monkeypatch):
    topic, ask, asked = named(), ChangelogReader._ends, []
    writer, reader = (changelog(kafka_broker.bootstrap_servers, topic) for _ in range(2))
    writer.put_manifest(ONE, "m/1", b"old")

    def ends(self, partitions):
        asked.append(partitions)
        if len(asked) == 2:  # what was the end has been reached
            writer.put_manifest(ONE, "m/1", b"new")
        return ask(self, partitions)

    monkeypatch.setattr(ChangelogReader, "_ends", ends)
    assert reader.manifests([ONE]) == {ONE: [Entry("m/1", b"new")]}


@pytest.mark.kafka
def test_records_that_are_deleted_under_a_reader_are_left_out(kafka_broker, changelog, monkeypatch):
    topic = named()
    kafka_broker.create_topic(topic, 1, {"cleanup.policy": "compact,delete"})  # others cannot be cut
    ours = changelog(kafka_broker.bootstrap_servers, topic)
    places = {}
    for number in range(6):
        places |= written(ours, ONE, {f"c/{number}": b"%d" % number})
    kafka_broker.admin.delete_records({TopicPartition(topic, 0): 4})
    monkeypatch.setattr(ChangelogReader, "_begins", once(ChangelogReader._begins, 0))
    assert ours.fetch(ONE, places) == {"c/4": b"4", "c/5": b"5"}
    monkeypatch.setattr(ChangelogReader, "_begins", once(ChangelogReader._begins, 0))
    assert {entry.name for entry in ours.manifests([ONE])[ONE]} == {"c/4", "c/5"}


def once(ask, offset):
    """The first answer is from before the records went."""
    answers = []

    def begins(self, partitions):
        answers.append(dict.fromkeys(partitions, offset) if not answers else ask(self, partitions))
        return answers[-1]

    return begins


@pytest.mark.kafka
def test_an_open_transaction_of_somebody_else_hides_nothing_of_ours(kafka_broker, changelog):
    topic = named()
    ours = changelog(kafka_broker.bootstrap_servers, topic)
    ours.put_manifest(ONE, "m/1", b"before")
    stranger = KafkaProducer(bootstrap_servers=kafka_broker.bootstrap_servers, transactional_id=named("stranger"))
    try:
        stranger.init_transactions()
        stranger.begin_transaction()
        stranger.send(topic, key=b"k", value=b"v", partition=0).get(10)
        ours.put_manifest(ONE, "m/2", b"after")
        assert {entry.name for entry in ours.manifests([ONE])[ONE]} == {"m/1", "m/2"}
    finally:
        stranger.abort_transaction()
        stranger.close()


@pytest.mark.kafka
def test_manifests_are_held_within_a_limit_the_newest_first(kafka_broker, changelog, monkeypatch):
    monkeypatch.setattr(kafka_changelog_reader, "HELD_BYTES_MAX", 4000)
    ours = changelog(kafka_broker.bootstrap_servers, named())
    for number in (*range(10), 4, 4):
        ours.put_manifest(ONE, f"m/{number}", b"x" * 1000)
    assert [entry.name for entry in ours.manifests([ONE])[ONE]] == ["m/8", "m/9", "m/4"]


def test_one_request_at_a_time_so_that_nothing_sent_again_overtakes_and_none_that_a_refusal_ends():
    arguments = kafka_changelog_writer.writer_arguments(KAFKA, {})
    assert arguments["max_in_flight_requests_per_connection"] == 1
    assert not arguments["enable_idempotence"]
    assert arguments["delivery_timeout_ms"] == 15_000

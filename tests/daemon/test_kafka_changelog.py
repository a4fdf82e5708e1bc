"""A compacted topic as a medium of snapshots, on a real broker."""

import itertools
import random
import threading
import time
from dataclasses import replace

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import (
    GroupAuthorizationFailedError,
    NotEnoughReplicasError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
)

from daemon import kafka_changelog_reader, kafka_changelog_topic, kafka_changelog_writer
from daemon.broker_check import Grade, check_brokers
from daemon.errors import UsageError
from daemon.kafka_admin import Admin
from daemon.kafka_changelog import Changelog
from daemon.kafka_changelog_reader import ChangelogReader
from daemon.kafka_changelog_topic import failure_in_words, problems
from daemon.kafka_options import KafkaOptions
from daemon.kafka_security import Sasl, Security
from daemon.snapshots.medium import EntriesGoneError, Entry, MediumError, Place
from daemon.source import Partition, SourceUnavailableError
from tests.kafka_server import PASSWORD, USER, free_ports

KAFKA = KafkaOptions(bootstrap_servers=("127.0.0.1:1",), group_id="g", topics=("pairs",))
ONE, OTHER = Partition("pairs", 0), Partition("pairs", 1)


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


@pytest.mark.kafka
def test_the_topic_is_made_compacted_with_short_segments_and_nothing_that_forgets(kafka_broker, changelog):
    topic = named()
    ours = changelog(kafka_broker.bootstrap_servers, topic)
    assert topic not in kafka_broker.admin.list_topics()
    assert ours.manifests([ONE]) == {ONE: []}
    with Admin((kafka_broker.bootstrap_servers,), Security()) as admin:
        facts = admin.topic(topic)
    assert (facts.partitions, facts.cleanup_policy) == (9, "compact")
    assert list(problems(facts, KAFKA)) == []
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    found = kafka_broker.admin.describe_configs([resource], config_filter="all")["topic"][topic]
    assert (found["segment.ms"]["value"], found["delete.retention.ms"]["value"]) == ("600000", "3600000")


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
@pytest.mark.parametrize("larger", [False, True], ids=["shorter", "longer"])
def test_a_topic_made_anew_under_a_running_medium_is_told_once_and_then_used(
    kafka_broker, changelog, larger, monkeypatch
):
    topic = named()
    options = replace(KAFKA, bootstrap_servers=(kafka_broker.bootstrap_servers,), metadata_max_age_s=0.5)
    ours = Changelog(options, topic)
    try:
        kept = written(ours, ONE, {f"c/{number}": b"old" for number in range(5)})
        kafka_broker.admin.delete_topics([topic])
        made_anew(kafka_broker, topic)
        if larger:
            for part in range(9):
                kafka_broker.produce(topic, [b"x"] * 20, part, keys=[b"stranger"] * 20)
        with pytest.raises(EntriesGoneError, match="written whole again"):
            written_until_told(ours, 100 if larger else 1)  # by its id, when the metadata is asked for again
        assert written(ours, ONE, {"c/1": b"newer"}).keys() == {"c/1"}
        assert b"old" not in ours.fetch(ONE, kept).values()
        assert ours.manifests([ONE]) == {ONE: []}
    finally:
        ours.close()


def written_until_told(ours, tries):
    for _ in range(tries):
        written(ours, ONE, {"c/0": b"new"})
        time.sleep(0.1)


def made_anew(kafka_broker, topic):
    deadline = time.monotonic() + 10
    while True:
        try:
            kafka_broker.create_topic(topic, 9, {"cleanup.policy": "compact"})
        except TopicAlreadyExistsError:  # the deletion takes a moment
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


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


@pytest.mark.kafka
def test_a_topic_that_was_deleted_fails_one_save_and_is_made_by_the_next(kafka_broker, changelog, impatient):
    topic = named()
    ours = changelog(kafka_broker.bootstrap_servers, topic)
    written(ours, ONE, {"c/1": b"old"})
    kafka_broker.admin.delete_topics([topic])
    with pytest.raises(MediumError):
        written(ours, ONE, {"c/2": b"x"})
    with pytest.raises(EntriesGoneError):
        written(ours, ONE, {"c/2": b"x"})
    places = written(ours, ONE, {"c/2": b"new"})
    assert ours.fetch(ONE, places) == {"c/2": b"new"}


@pytest.mark.kafka
@pytest.mark.parametrize("tls", [False, True], ids=["plaintext", "tls"])
def test_brokers_that_fall_silent_are_an_error_in_time_and_are_used_again_after(
    kafka_broker, changelog, impatient, tls
):
    security = Security(protocol="SSL", ca_file=str(kafka_broker.certificates.ca_file)) if tls else Security()
    with kafka_broker.proxy(tls=tls) as proxy:
        ours = changelog(proxy.address, named(), security)
        places = written(ours, ONE, {"c/1": b"one"})
        ours.put_manifest(ONE, "m/1", b"manifest")
        threads = threading.active_count()
        proxy.mode = "hole"
        for ask in (
            lambda: written(ours, ONE, {"c/2": b"two"}),
            lambda: ours.manifests([ONE]),
            lambda: ours.fetch(ONE, places),
        ):
            began = time.monotonic()
            with pytest.raises(MediumError, match=r"answer"):
                ask()
            assert time.monotonic() - began < 8
        proxy.mode = "pass"
        proxy.cut()
        deadline = time.monotonic() + 10
        while True:
            try:
                assert ours.manifests([ONE]) == {ONE: [Entry("m/1", b"manifest")]}
                assert ours.fetch(ONE, places) == {"c/1": b"one"}
                places = written(ours, ONE, {"c/3": b"three"})
            except MediumError:
                assert time.monotonic() < deadline
            else:
                break
        assert ours.fetch(ONE, places) == {"c/3": b"three"}
        assert threading.active_count() <= threads + 1, threading.enumerate()  # a consumer more


@pytest.mark.kafka
def test_it_closes_in_time_while_chunks_are_under_way_to_brokers_that_are_silent(kafka_broker, changelog):
    with kafka_broker.proxy() as proxy:
        ours = changelog(proxy.address, named())
        ours.fetch(ONE, written(ours, ONE, {"c/1": b"one"}))
        proxy.mode = "hole"
        ours.put(ONE, "c/2", b"two")
        time.sleep(0.2)
        began = time.monotonic()
        ours.close()
        assert time.monotonic() - began < 4


@pytest.mark.kafka
@pytest.mark.parametrize(("password", "right"), [(PASSWORD, True), ("wrong-password", False)])
def test_snapshots_are_written_and_read_with_the_daemon_s_own_credentials(
    kafka_broker, changelog, impatient, password, right
):
    sasl = Sasl(mechanism="SCRAM-SHA-512", username=USER, password=password)
    security = Security(protocol="SASL_SSL", ca_file=str(kafka_broker.certificates.ca_file), sasl=sasl)
    ours = changelog(kafka_broker.address("sasl"), named(), security)
    if right:
        assert ours.fetch(ONE, written(ours, ONE, {"c/1": b"one"})) == {"c/1": b"one"}
        return
    with pytest.raises(MediumError, match=r"check kafka\.sasl") as told:
        ours.put(ONE, "c/1", b"one")
    assert password not in str(told.value)


@pytest.mark.kafka
@pytest.mark.parametrize("times", [1, None], ids=["once", "for ever"])
def test_bytes_that_are_changed_on_the_way_are_read_again_or_left_out(kafka_broker, changelog, times):
    topic = named()
    values = {f"c/{number}": b"%06d" % number * 3000 for number in range(20)}
    places = {}
    for name, value in values.items():  # each in a batch of its own
        places |= written(changelog(kafka_broker.bootstrap_servers, topic), ONE, {name: value})
    with kafka_broker.proxy() as proxy:
        ours = changelog(proxy.address, topic)
        proxy.replace = (b"000007000007", b"000007900007", times)
        found = ours.fetch(ONE, places)
    assert proxy.replaced
    assert found == {name: value for name, value in values.items() if times == 1 or name != "c/7"}


@pytest.mark.kafka
def test_compaction_under_a_reader_leaves_out_what_it_removed_and_changes_nothing(kafka_broker, changelog):
    topic, draw = named(), random.Random(3)
    kafka_broker.create_topic(
        topic,
        2,
        {
            "cleanup.policy": "compact",
            "segment.ms": "200",
            "segment.bytes": str(1 << 20),
            "min.cleanable.dirty.ratio": "0.01",
            "max.compaction.lag.ms": "1",
            "delete.retention.ms": "100",
        },
    )
    writer, reader = (changelog(kafka_broker.bootstrap_servers, topic) for _ in range(2))
    truth, latest, missing = {}, {}, 0
    deadline = time.monotonic() + 12
    while time.monotonic() < deadline and missing < 20:
        values = {f"c/{draw.randrange(30)}": draw.randbytes(60_000) for _ in range(10)}
        places = written(writer, ONE, values)
        for name, value in values.items():
            truth[name, places[name]] = value
            latest[name] = places[name]
        writer.put_manifest(ONE, f"m/{draw.randrange(2)}", str(len(truth)).encode())
        old = dict(draw.choice(list(truth)) for _ in range(10))
        found = reader.fetch(ONE, old)
        missing += len(old) - len(found)
        assert all(value == truth[name, old[name]] for name, value in found.items())
        assert reader.fetch(ONE, latest) == {name: truth[name, place] for name, place in latest.items()}
        newest = max(int(entry.value) for entry in reader.manifests([ONE])[ONE])
        assert newest == len(truth)
    assert missing, "nothing was compacted: the test shows nothing"


@pytest.mark.kafka
def test_a_broker_killed_between_put_and_flush_is_waited_for_or_told(kafka_broker, changelog):
    ours = changelog(kafka_broker.bootstrap_servers, named())
    before = written(ours, ONE, {"c/1": b"one"})
    try:
        kafka_broker.kill()
        ours.put(ONE, "c/2", b"two")
    finally:
        kafka_broker.restart()
    try:
        after = ours.flush()
    except MediumError:
        after = written(ours, ONE, {"c/2": b"two"})
    assert ours.fetch(ONE, dict(before) | dict(after)) == {"c/1": b"one", "c/2": b"two"}


def test_without_a_broker_the_medium_is_made_at_once_and_each_use_says_what_to_check(changelog):
    began = time.monotonic()
    ours = changelog(f"127.0.0.1:{free_ports(1)[0]}", "t")
    for use in (lambda: ours.manifests([ONE]), lambda: ours.put(ONE, "c/1", b"x"), ours.flush):
        with pytest.raises(MediumError, match=r"refuses connections: is the broker running"):
            use()
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (NotEnoughReplicasError("x"), "fewer replicas are in sync than its min.insync.replicas says"),
        (TopicAuthorizationFailedError("x"), "check the ACLs (DESCRIBE, READ and WRITE on the topic)"),
        (GroupAuthorizationFailedError("x"), "check the ACLs"),
        (SourceUnavailableError("as it is"), "as it is"),
        (ValueError("x"), "the client says ValueError('x')"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_failure_says_what_to_check(failure, words):
    assert words in failure_in_words(failure, "t", KAFKA)


@pytest.mark.kafka
def test_manifests_are_held_within_a_limit_the_newest_first(kafka_broker, changelog, monkeypatch):
    monkeypatch.setattr(kafka_changelog_reader, "HELD_BYTES_MAX", 3500)
    ours = changelog(kafka_broker.bootstrap_servers, named())
    for number in (*range(10), 4, 4):
        ours.put_manifest(ONE, f"m/{number}", b"x" * 1000)
    assert [entry.name for entry in ours.manifests([ONE])[ONE]] == ["m/8", "m/9", "m/4"]


@pytest.mark.kafka
def test_a_topic_that_may_not_be_made_is_named_with_rights_and_command(kafka_broker, changelog, monkeypatch):
    topic = named()

    def refuse(self, *_, **__):
        raise TopicAuthorizationFailedError(topic)

    monkeypatch.setattr(KafkaAdminClient, "create_topics", refuse)
    ours = changelog(kafka_broker.bootstrap_servers, topic)
    with pytest.raises(MediumError) as told:
        ours.put(ONE, "c/1", b"x")
    assert "DESCRIBE, READ, WRITE, and CREATE" in str(told.value)
    assert f"--create --topic {topic} --partitions 9 --config cleanup.policy=compact" in str(told.value)


@pytest.mark.kafka
def test_a_topic_that_forgets_or_takes_too_little_is_warned_of_with_the_command(kafka_broker):
    topic = named()
    kafka_broker.create_topic(topic, 2, {"cleanup.policy": "compact,delete", "max.message.bytes": "100000"})
    options = replace(KAFKA, bootstrap_servers=(kafka_broker.bootstrap_servers,), changelog_topic=topic)
    found = [finding for finding in check_brokers(options, []) if topic in finding.text]
    assert [finding.grade for finding in found] == [Grade.OK, Grade.WARNING, Grade.WARNING]
    assert "--add-config cleanup.policy=compact" in found[1].text
    assert "--add-config max.message.bytes=1048588" in found[2].text
    missing = named()
    found = list(check_brokers(replace(options, changelog_topic=missing), []))[-1]
    assert (found.grade, f"--create --topic {missing}" in found.text) == (Grade.WARNING, True)


@pytest.mark.kafka
def test_a_topic_of_records_is_no_changelog(kafka_broker):
    options = replace(KAFKA, bootstrap_servers=(kafka_broker.bootstrap_servers,), changelog_topic="pairs")
    with pytest.raises(UsageError, match=r"snapshot\.topic: pairs"):
        Changelog(options, "pairs")
    assert list(check_brokers(options, []))[-1].grade is Grade.MISFIT


def test_one_request_at_a_time_so_that_nothing_sent_again_overtakes_and_none_that_a_refusal_ends():
    arguments = kafka_changelog_writer.writer_arguments(KAFKA, {})
    assert arguments["max_in_flight_requests_per_connection"] == 1
    assert not arguments["enable_idempotence"]
    assert arguments["delivery_timeout_ms"] == 15_000

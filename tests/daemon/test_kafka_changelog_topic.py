"""The topic of snapshots on a real broker: made, warned of, forbidden, deleted, made anew."""

import time
from dataclasses import replace

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import (
    GroupAuthorizationFailedError,
    NotEnoughReplicasError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
)

from daemon.broker_check import Grade, check_brokers
from daemon.errors import UsageError
from daemon.kafka_admin import Admin
from daemon.kafka_changelog import Changelog
from daemon.kafka_changelog_topic import failure_in_words, problems
from daemon.kafka_security import Security
from daemon.snapshots.medium import EntriesGoneError, MediumError
from daemon.source import SourceUnavailableError
from tests.daemon.changelog_world import KAFKA, ONE, named, written


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
def test_who_only_reads_makes_no_topic(kafka_broker):
    topic = named()
    ours = Changelog(replace(KAFKA, bootstrap_servers=(kafka_broker.bootstrap_servers,)), topic, read_only=True)
    with pytest.raises(MediumError, match=f"--create --topic {topic}"):
        ours.manifests([ONE])
    ours.close()
    assert topic not in kafka_broker.admin.list_topics()


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
def test_a_topic_that_was_deleted_fails_one_save_and_is_made_by_the_next(kafka_broker, changelog, impatient):
    topic = named()
    ours = changelog(kafka_broker.bootstrap_servers, topic)
    written(ours, ONE, {"c/1": b"old"})
    kafka_broker.admin.delete_topics([topic])
    with pytest.raises(MediumError, match="no answer in time"):
        written_until_told(ours, 50)  # the brokers take a moment to delete it
    with pytest.raises(EntriesGoneError):
        written(ours, ONE, {"c/2": b"x"})
    places = written(ours, ONE, {"c/2": b"new"})
    assert ours.fetch(ONE, places) == {"c/2": b"new"}


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
        # A shorter log is told by the first write that the new topic takes, on a busy machine not the very first one; a
        # longer one by its id, when the metadata is asked for again.
        with pytest.raises(EntriesGoneError, match="made anew" if larger else "written whole again"):
            written_until_told(ours, 100)
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

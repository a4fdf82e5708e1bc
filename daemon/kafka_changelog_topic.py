"""The topic of snapshots: how it is set up, made where it is missing, and what is wrong with it, in words.

It is compacted and nothing else: a retention would delete what has not changed for long, which the newest snapshot
still names. What dead writers left is deleted by name.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import structlog
from kafka import errors

from daemon.errors import OperatingError
from daemon.kafka_admin import Admin, TopicFacts
from daemon.kafka_failures import in_words, is_refusal
from daemon.kafka_options import KafkaOptions
from daemon.kafka_probe import probe
from daemon.snapshots.medium import MediumError

log = structlog.get_logger(__name__)

#: The first holds manifests, the others chunks.
PARTITIONS: Final = 9
#: No record of ours is larger: a chunk with its frame, its key and the header of its batch.
RECORD_BYTES_MAX: Final = 1_000_000
ASK_SECONDS: Final = 10.0
_REPLICAS: Final = 3
_COMPACTED: Final = "compact"
_LEADERLESS: Final = "brokers take connections: has each partition a leader, and are min.insync.replicas in sync?"
#: Compaction leaves the newest segment alone, so segments are short and small: a start reads all of the manifests'
#: partition, and few bytes that are worth nothing any more.
_SETTINGS: Final = {
    "cleanup.policy": _COMPACTED,
    "segment.ms": "600000",
    "segment.bytes": str(32 << 20),
    "min.cleanable.dirty.ratio": "0.1",
    "max.compaction.lag.ms": "3600000",
    "delete.retention.ms": "3600000",
}


def opened(options: KafkaOptions, topic: str, *, may_make: bool) -> TopicFacts:
    """Return the topic as it is, made if it was missing and may be. Raises MediumError where it cannot be had."""
    if reason := _unreachable(options):  # which sockets tell sooner than the client does
        raise MediumError(f"topic {topic} for snapshots: {reason}")
    try:
        with Admin(options.bootstrap_servers, options.security, ASK_SECONDS) as admin:
            return admin.topic(topic) or _made(admin, options, topic, may_make=may_make)
    except MediumError:
        raise
    except OperatingError as failure:
        raise MediumError(f"topic {topic} for snapshots: {failure}") from failure


def _unreachable(options: KafkaOptions) -> str:
    """Say why no broker can be reached; empty if one can."""
    reasons = [probe(address, options.security).reason for address in options.bootstrap_servers]
    return "; ".join(reasons) if all(reasons) else ""


def _made(admin: Admin, options: KafkaOptions, topic: str, *, may_make: bool) -> TopicFacts:
    if not may_make:
        raise MediumError(missing(topic, options.bootstrap_servers))
    replicated = admin.broker_count() >= _REPLICAS
    settings = _SETTINGS | ({"min.insync.replicas": "2"} if replicated else {})
    try:
        made = admin.make_topic(topic, PARTITIONS, _REPLICAS if replicated else None, settings)
    except OperatingError as failure:
        reason = f"{missing(topic, options.bootstrap_servers)}; it could not be made: {failure}"
        raise MediumError(reason) from failure
    facts = admin.topic(topic)
    if facts is None:
        raise MediumError(missing(topic, options.bootstrap_servers))
    if made:
        replicas = _REPLICAS if replicated else "the brokers' default"
        log.info("the topic for snapshots was made", topic=topic, partitions=PARTITIONS, replicas=replicas, **settings)
    return facts


def missing(topic: str, bootstrap_servers: Sequence[str]) -> str:
    """Say that there is no such topic, which rights make it, and the command that does."""
    configs = " ".join(f"--config {name}={value}" for name, value in _SETTINGS.items())
    return (
        f"the topic {topic} for snapshots does not exist, or may not be seen: check snapshot.topic and the ACLs "
        f"(DESCRIBE, READ, WRITE, and CREATE to have it made), or make it: kafka-topics.sh --bootstrap-server "
        f"{','.join(bootstrap_servers)} --create --topic {topic} --partitions {PARTITIONS} {configs}"
    )


def problems(facts: TopicFacts, options: KafkaOptions) -> Iterator[str]:
    """Say what will lose snapshots or refuse them, and the command that mends it."""
    for name, found, wanted, effect in (
        (
            "cleanup.policy",
            None if facts.cleanup_policy == _COMPACTED else facts.cleanup_policy,
            _COMPACTED,
            "what has not changed for its retention is deleted, and then the log is read again instead",
        ),
        (
            "max.message.bytes",
            None if (facts.max_message_bytes or RECORD_BYTES_MAX) >= RECORD_BYTES_MAX else facts.max_message_bytes,
            1_048_588,
            "snapshots are refused",
        ),
    ):
        if found is not None:
            yield (
                f"topic {facts.name} for snapshots: {name} is {found}, so {effect}; mend it: kafka-configs.sh "
                f"--bootstrap-server {','.join(options.bootstrap_servers)} --alter --entity-type topics --entity-name "
                f"{facts.name} --add-config {name}={wanted}"
            )


def misuse(topic: str, options: KafkaOptions) -> str:
    """Say that snapshots would be written among records of another kind; empty if not."""
    if topic not in (*options.topics, options.dead_letter_topic):
        return ""
    return f"snapshot.topic: {topic} holds records of another kind already; snapshots need a topic of their own"


def failure_in_words(failure: Exception, topic: str, options: KafkaOptions) -> str:
    """Say why the topic could not be written or read."""
    match failure:
        case errors.TopicAuthorizationFailedError():
            reason = f"no right ({failure}): check the ACLs (DESCRIBE, READ and WRITE on the topic)"
        case errors.MessageSizeTooLargeError() | errors.RecordListTooLargeError():
            reason = f"it refuses a record for its size ({failure}): set max.message.bytes to 1048588, Kafka's default"
        case errors.NotEnoughReplicasError() | errors.NotEnoughReplicasAfterAppendError():
            reason = "fewer replicas are in sync than its min.insync.replicas says: are all brokers up?"
        case errors.UnknownTopicOrPartitionError():
            reason = "it is not there"
        case errors.KafkaTimeoutError() | errors.KafkaConnectionError():
            reason = f"no answer in time ({failure}); {_unreachable(options) or _LEADERLESS}"
        case OperatingError():
            reason = str(failure)
        case _ if is_refusal(failure):
            reason = in_words(failure, options)
        case _:
            reason = f"the client says {failure!r}"
    return f"topic {topic} for snapshots: {reason}"

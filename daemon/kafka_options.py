"""What a source is told, as arguments of the Kafka client; and the client's records as a Batch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from kafka import TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from daemon.kafka_security import Security
from daemon.source import Batch, Partition

# The newest that the client knows; each connection comes down to what its broker can. Given, so that the constructor
# returns at once without a broker: asking would block it, and leak a thread for every try.
API_VERSION: Final = (4, 3)

IsolationLevel = Literal["read_committed", "read_uncommitted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaOptions:
    """Which brokers, as which group, which topics.

    There is no `group_instance_id`: a static member that is fenced goes on reading and counting without an error.
    """

    bootstrap_servers: tuple[str, ...]
    group_id: str
    topics: tuple[str, ...]
    client_id: str = "klaxond"
    session_timeout_s: float = 10.0
    heartbeat_interval_s: float = 1.0
    max_poll_interval_s: float = 300.0
    isolation_level: IsolationLevel = "read_committed"
    security: Security = field(default_factory=Security)
    max_poll_records: int = 2000
    want_headers: bool = False
    want_keys: bool = False
    dead_letter_topic: str | None = None
    changelog_topic: str | None = None
    metadata_max_age_s: float = 30.0  # a re-created topic and new partitions are noticed within it


def reader_arguments(
    bootstrap_servers: Sequence[str], client_id: str, isolation_level: IsolationLevel, connection: dict[str, Any]
) -> dict[str, Any]:
    """Return the arguments of a consumer without a group; `connection` is kafka_security.client_arguments'."""
    return connection | {
        "bootstrap_servers": list(bootstrap_servers),
        "client_id": client_id,
        "group_id": None,
        "api_version": API_VERSION,
        "isolation_level": isolation_level,
        # Anything else would skip records or count them again without a word.
        "auto_offset_reset": "none",
        "enable_auto_commit": False,
        "allow_auto_create_topics": False,
        # Bounds on what one fetch can bring into memory, and on the frame that may carry it.
        "fetch_max_bytes": 8 << 20,
        "max_partition_fetch_bytes": 1 << 20,
        "receive_message_max_bytes": 16 << 20,
        "reconnect_backoff_max_ms": 2_000,
    }


def member_arguments(options: KafkaOptions, connection: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a consumer that is a member of the group."""
    reader = reader_arguments(options.bootstrap_servers, options.client_id, options.isolation_level, connection)
    return reader | {
        "group_id": options.group_id,
        "metadata_max_age_ms": round(options.metadata_max_age_s * 1000),
        "partition_assignment_strategy": [CooperativeStickyAssignor],
        "session_timeout_ms": round(options.session_timeout_s * 1000),
        "heartbeat_interval_ms": round(options.heartbeat_interval_s * 1000),
        "max_poll_interval_ms": round(options.max_poll_interval_s * 1000),
        "max_poll_records": options.max_poll_records,
    }


def missing_dead_letter_topic(topic: str, bootstrap_servers: Sequence[str]) -> str:
    """Say that there is no such topic, and the command that makes it: it is never made silently."""
    return (
        f"the dead-letter topic {topic} does not exist, or may not be seen: check dead_letter.topic and the ACLs "
        f"(DESCRIBE and WRITE on the topic), or make it: kafka-topics.sh --bootstrap-server "
        f"{','.join(bootstrap_servers)} --create --topic {topic}"
    )


def batch_of(
    partition: TopicPartition, records: Sequence[Any], *, want_headers: bool, want_keys: bool = False
) -> Batch:
    """Return the client's records of one partition as columns."""
    count = len(records)
    return Batch(
        partition=Partition(partition.topic, partition.partition),
        offsets=np.fromiter((record.offset for record in records), np.int64, count),
        # The oldest message format has no timestamps.
        timestamps_ms=np.fromiter(
            (-1 if record.timestamp is None else record.timestamp for record in records), np.int64, count
        ),
        values=[record.value for record in records],
        headers=[tuple((name, value or b"") for name, value in record.headers) for record in records]
        if want_headers
        else None,
        keys=[record.key for record in records] if want_keys else None,
    )

"""What brokers say about topics and the group, for `check --connect` and for warnings; `make_topic` makes a topic."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    KafkaError,
    NotCoordinatorError,
    TopicAlreadyExistsError,
)
from kafka.net.compat import KafkaNetClient

from daemon import kafka_guards
from daemon.errors import OperatingError
from daemon.kafka_logs import protect_logs
from daemon.kafka_options import batch_of, reader_arguments
from daemon.kafka_probe import diagnose
from daemon.kafka_requirements import require_client
from daemon.kafka_security import Security, client_arguments
from daemon.source import Batch, SourceUnavailableError

CLIENT_ID: Final = "klaxond-check"
LOG_APPEND_TIME: Final = "LogAppendTime"
_POLL_MS: Final = 200
#: What brokers answer while a group's coordinator starts, on a fresh cluster and after one has failed.
_NOT_YET: Final = (CoordinatorNotAvailableError, CoordinatorLoadInProgressError, NotCoordinatorError)
_AGAIN_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """A topic as its brokers describe it; None where we may not ask for its configuration."""

    name: str
    topic_id: str
    partitions: int
    timestamp_type: str | None  # CreateTime or LogAppendTime
    retention_ms: int | None  # -1: for ever
    cleanup_policy: str | None  # delete, compact, or both
    max_message_bytes: int | None

    def clock_problem(self, bootstrap_servers: Sequence[str]) -> str:
        """Say what producers' clocks can do, and the command that ends it; empty where brokers stamp, or unknown."""
        if self.timestamp_type in {None, LOG_APPEND_TIME}:
            return ""
        return (
            f"topic {self.name}: message.timestamp.type is {self.timestamp_type}, so a producer with a wrong clock "
            "can expire windows; better: kafka-configs.sh "
            f"--bootstrap-server {','.join(bootstrap_servers)} --alter --entity-type topics "
            f"--entity-name {self.name} --add-config message.timestamp.type={LOG_APPEND_TIME}"
        )

    def problems(self, needed_retention_ms: int, bootstrap_servers: Sequence[str]) -> Iterator[str]:
        """Say what will make numbers of this topic worse than they could be, and what to do."""
        if self.timestamp_type is None:
            yield f"topic {self.name}: its configuration may not be read (DescribeConfigs): retention is not checked"
        elif problem := self.clock_problem(bootstrap_servers):
            yield problem
        if self.retention_ms is not None and 0 <= self.retention_ms < needed_retention_ms:
            yield (
                f"topic {self.name}: retention.ms is {self.retention_ms}, less than the {needed_retention_ms} that the "
                "longest window needs: after a restart windows stay incomplete; raise it or use shorter windows"
            )


class Admin:
    """Questions to the brokers, each answered or failed within seconds. A context manager.

    Raises SourceUnavailableError, at once or at a question, with the reason in words.
    """

    def __init__(self, bootstrap_servers: Sequence[str], security: Security, timeout_s: float = 10.0) -> None:
        require_client()
        kafka_guards.install()
        protect_logs(security.secrets())
        self._servers = tuple(bootstrap_servers)
        self._security = security
        self._timeout_ms = round(timeout_s * 1000)
        self._connection = client_arguments(security)
        try:
            self._client = _made(
                bootstrap_servers=list(self._servers),
                client_id=CLIENT_ID,
                bootstrap_timeout_ms=self._timeout_ms,
                request_timeout_ms=self._timeout_ms,
                **self._connection,
            )
        except KafkaError as error:
            self._close_tokens()
            raise SourceUnavailableError(diagnose(self._servers, security)) from error

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._client.close()
        self._close_tokens()

    def topic(self, name: str) -> TopicFacts | None:
        """Describe a topic; None if there is no such topic, or we may not see it."""
        try:
            described = self._client.describe_topics([name])[0]
            if described["error_code"] != 0:
                return None
            resource = ConfigResource(ConfigResourceType.TOPIC, name)
            found = self._client.describe_configs([resource], config_filter="all")
        except KafkaError as error:
            raise self._unavailable(error) from error
        settings = found.get("topic", {}).get(name, {})
        values = {key: setting.get("value") for key, setting in settings.items()}
        return TopicFacts(
            name=name,
            topic_id=str(described.get("topic_id", "")),
            partitions=len(described["partitions"]),
            timestamp_type=values.get("message.timestamp.type"),
            retention_ms=_whole(values.get("retention.ms")),
            cleanup_policy=values.get("cleanup.policy"),
            max_message_bytes=_whole(values.get("max.message.bytes")),
        )

    def broker_count(self) -> int:
        """Return how many brokers there are now."""
        try:
            return len(self._client.describe_cluster()["brokers"])
        except KafkaError as error:
            raise self._unavailable(error) from error

    def make_topic(self, name: str, partitions: int, replicas: int | None, settings: Mapping[str, str]) -> bool:
        """Make a topic and wait for its leaders; False if somebody else was quicker. None: the brokers' default."""
        wanted = {"num_partitions": partitions, "replication_factor": replicas or -1, "configs": dict(settings)}
        made = True
        try:
            try:
                self._client.create_topics({name: wanted}, timeout_ms=self._timeout_ms)
            except TopicAlreadyExistsError:
                made = False
            self._client.wait_for_topics([name], timeout_ms=self._timeout_ms)
        except KafkaError as error:
            raise self._unavailable(error) from error
        return made

    def group_problem(self, group_id: str) -> str:
        """Say why we could not join the group as it is now; empty if nothing speaks against it."""
        try:
            group = self._group(group_id)
        except _NOT_YET as error:
            return (
                f"group {group_id}: no broker coordinates it ({error}); if that lasts, look whether the brokers can "
                "make their topic __consumer_offsets (offsets.topic.replication.factor, number of brokers)"
            )
        except KafkaError as error:
            return f"group {group_id}: {error}; check the name and the ACLs (READ on the group)"
        protocol, members = group.get("protocol_data") or "", group.get("members") or ()
        if members and protocol != CooperativeStickyAssignor.name:
            return (
                f"group {group_id} has {len(members)} members of another kind (assignor {protocol or 'unknown'}): "
                "use a kafka.group_id of our own"
            )
        return ""

    def _group(self, group_id: str) -> dict[str, Any]:
        """Describe a group; ask again while its coordinator starts, which the first question may be the reason for."""
        deadline = time.monotonic() + self._timeout_ms / 1000
        while True:
            try:
                found: dict[str, Any] = self._client.describe_groups([group_id])[group_id]
            except _NOT_YET:
                if time.monotonic() >= deadline:
                    raise
            else:
                if time.monotonic() >= deadline or not any(each.__name__ in str(found["error"]) for each in _NOT_YET):
                    return found
            time.sleep(_AGAIN_SECONDS)

    def recent(self, topic: str, count: int, max_bytes: int | None = None) -> list[Batch]:
        """Read the last `count` records of each partition, less if there are less, without joining a group.

        It ends early once the values have more than `max_bytes`.
        """
        facts = self.topic(topic)
        if facts is None:
            return []
        arguments = reader_arguments(self._servers, CLIENT_ID, "read_committed", self._connection)
        consumer = KafkaConsumer(**arguments)
        kafka_guards.attach(consumer)
        try:
            return _read(consumer, facts, count, max_bytes, self._timeout_ms)
        except (KafkaError, kafka_guards.PoisonedBatchError) as error:
            raise self._unavailable(error) from error
        finally:
            consumer.close(autocommit=False, timeout_ms=1000)

    def _unavailable(self, error: Exception) -> OperatingError:
        return SourceUnavailableError(f"{','.join(self._servers)}: {error}")

    def _close_tokens(self) -> None:
        if "sasl_oauth_token_provider" in self._connection:
            self._connection["sasl_oauth_token_provider"].close()


def _made(**arguments: object) -> KafkaAdminClient:
    """Make a client; where its constructor gives up, end the thread that it leaves behind."""
    connections: list[KafkaNetClient] = []

    def connected(**more: object) -> KafkaNetClient:
        connections.append(KafkaNetClient(**more))
        return connections[-1]

    try:
        return KafkaAdminClient(kafka_client=connected, **arguments)
    except KafkaError:
        for connection in connections:
            connection.close()
        raise


def _whole(value: str | None) -> int | None:
    return None if value is None else int(value)


def _read(
    consumer: KafkaConsumer, topic: TopicFacts, count: int, max_bytes: int | None, timeout_ms: int
) -> list[Batch]:
    partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    begins = consumer.beginning_offsets(partitions, timeout_ms=timeout_ms)
    ends = consumer.end_offsets(partitions, timeout_ms=timeout_ms)
    waiting = [partition for partition in partitions if ends[partition] > begins[partition]]
    consumer.assign(waiting)
    for partition in waiting:
        consumer.seek(partition, max(begins[partition], ends[partition] - count))
    batches, size, deadline = [], 0, time.monotonic() + timeout_ms / 1000
    while waiting and time.monotonic() < deadline and (max_bytes is None or size <= max_bytes):
        for partition, records in consumer.poll(timeout_ms=_POLL_MS).items():
            batches.append(batch_of(partition, records, want_headers=True))
            size += sum(len(record.value or b"") for record in records)
        waiting = [tp for tp in waiting if (kafka_guards.position(consumer, tp) or 0) < ends[tp]]
    return batches

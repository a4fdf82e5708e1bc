"""Writing to Kafka: records and the topics that hold them."""

import contextlib
from collections.abc import Mapping
from typing import Final

from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaError, TopicAlreadyExistsError

from daemon.errors import OperatingError
from daemon.kafka_probe import probe
from daemon.kafka_security import Security

_API_VERSION: Final = (2, 8)  # given, so that no client stops to ask; it is clamped down per connection
_QUESTION_MS: Final = 10_000
_CLOSE_SECONDS: Final = 3.0


class Producer:
    """Appends records; a record that the broker refuses is counted and does not harm the next one.

    The client's idempotent mode is off: after one refused batch it would fail every later record too.
    """

    def __init__(self, bootstrap_servers: str, client_id: str) -> None:
        self.refused = 0
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap_servers.split(","),
            client_id=client_id,
            api_version=_API_VERSION,
            enable_idempotence=False,
            acks="all",
            linger_ms=20,
            max_block_ms=_QUESTION_MS,
            allow_auto_create_topics=False,
        )

    def send(self, topic: str, value: bytes, timestamp_ms: int) -> None:
        """Hand over one record; it leaves within milliseconds."""
        try:
            self._producer.send(topic, value=value, timestamp_ms=timestamp_ms).add_errback(self._refuse)
        except KafkaError as error:
            self._refuse(error)

    def flush(self, timeout_s: float) -> None:
        """Wait until every record was accepted or refused."""
        with contextlib.suppress(KafkaError):
            self._producer.flush(timeout=timeout_s)

    def close(self) -> None:
        """Leave; what is still unsent after a few seconds is dropped, as where the brokers are gone."""
        with contextlib.suppress(KafkaError):
            self._producer.close(timeout=_CLOSE_SECONDS)

    def _refuse(self, _error: BaseException) -> None:
        self.refused += 1


def create_topics(bootstrap_servers: str, topics: Mapping[str, int]) -> None:
    """Make the topics, each with its number of partitions, and wait until they can be written.

    Raises OperatingError where the brokers do not answer or refuse.
    """
    servers = bootstrap_servers.split(",")
    reasons = [probe(address, Security()).reason for address in servers]
    if all(reasons):
        raise OperatingError("; ".join(reasons))
    wanted = {name: {"num_partitions": count, "replication_factor": 1} for name, count in topics.items()}
    try:
        admin = _admin(bootstrap_servers)
        try:
            admin.create_topics(wanted, timeout_ms=_QUESTION_MS, wait_for_metadata=True)
        finally:
            admin.close()
    except TopicAlreadyExistsError:
        return
    except KafkaError as error:
        raise OperatingError(
            f"the brokers at {bootstrap_servers} did not make the topics {', '.join(topics)} ({error}); "
            "check that the port is a plaintext one, and that anyone may create topics"
        ) from error


def delete_topics(bootstrap_servers: str, topics: Mapping[str, int]) -> None:
    """Remove the topics; brokers that are gone by now have nothing to remove."""
    with contextlib.suppress(KafkaError):
        admin = _admin(bootstrap_servers)
        try:
            admin.delete_topics(list(topics), timeout_ms=_QUESTION_MS, raise_errors=False)
        finally:
            admin.close()


def _admin(bootstrap_servers: str) -> KafkaAdminClient:
    return KafkaAdminClient(
        bootstrap_servers=bootstrap_servers.split(","),
        bootstrap_timeout_ms=_QUESTION_MS,
        request_timeout_ms=_QUESTION_MS,
    )

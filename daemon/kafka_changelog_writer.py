"""Records of the changelog on their way to the brokers: in order, bounded in memory, acknowledged or failed in time.

One request at a time is under way, so that a record that is sent again never overtakes a later one of its key.
"""

from collections import deque
from typing import Any, Final, NamedTuple

from kafka import KafkaProducer

from daemon import kafka_producer_guards
from daemon.kafka_error_guards import released
from daemon.kafka_options import API_VERSION, KafkaOptions
from daemon.snapshots.medium import Place

_METADATA_MS: Final = 5_000
_REQUEST_MS: Final = 10_000
_DELIVERY_MS: Final = 15_000  # also how late a record of a process that was halted can come
_ACKNOWLEDGED_SECONDS: Final = _DELIVERY_MS / 1000 + 5.0
_REQUEST_BYTES_MAX: Final = 4 << 20  # of all partitions; a single record's limit is the topic's
_WAITING_BYTES_MAX: Final = 8 << 20
_CLOSE_SECONDS: Final = 1.0


class _Sent(NamedTuple):
    key: bytes
    size: int
    future: Any  # the client is not typed


class ChangelogWriter:
    """Used by one thread. The constructor returns at once, brokers or none; the rest raises KafkaError.

    A record that fails makes `put` or `settle` raise; what else waits is then unknown, so abandon the writer.
    """

    def __init__(self, topic: str, arguments: dict[str, Any]) -> None:
        self._topic = topic
        self._producer = KafkaProducer(**arguments)
        kafka_producer_guards.calm(self._producer)
        self._waiting: deque[_Sent] = deque()
        self._waiting_bytes = 0
        self._places: dict[bytes, Place] = {}

    def put(self, part: int, key: bytes, value: bytes | None) -> None:
        """Hand over a record, None being a tombstone; wait where too many bytes are under way."""
        size = len(key) + len(value or b"")
        while self._waiting and self._waiting_bytes + size > _WAITING_BYTES_MAX:
            self._settle_first()
        self._waiting.append(_Sent(key, size, self._producer.send(self._topic, value, key, partition=part)))
        self._waiting_bytes += size

    def settle(self) -> dict[bytes, Place]:
        """Wait until all is acknowledged; return where each key's newest record since the last call is."""
        while self._waiting:
            self._settle_first()
        places, self._places = self._places, {}
        return places

    def topic_id(self) -> object | None:
        """Id of the topic, at most half a minute old."""
        return kafka_producer_guards.topic_id(self._producer, self._topic)

    def abandon(self) -> None:
        """Let go of what is under way, and of the connections, within seconds."""
        kafka_producer_guards.abandon(self._producer, _CLOSE_SECONDS)

    def _settle_first(self) -> None:
        sent = self._waiting.popleft()
        self._waiting_bytes -= sent.size
        written = released(sent.future.get)(_ACKNOWLEDGED_SECONDS)  # else the error keeps our caller's chunks
        self._places[sent.key] = Place(written.partition, written.offset)


def writer_arguments(options: KafkaOptions, connection: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the producer; `connection` is kafka_security.client_arguments'."""
    return connection | {
        "bootstrap_servers": list(options.bootstrap_servers),
        "client_id": f"{options.client_id}-snapshots",
        "api_version": API_VERSION,
        "acks": "all",
        # After one refused batch the client's idempotent mode fails every later record too. A retry may double a
        # record; both have one key and one value.
        "enable_idempotence": False,
        "max_in_flight_requests_per_connection": 1,
        "max_block_ms": _METADATA_MS,
        "request_timeout_ms": _REQUEST_MS,
        "delivery_timeout_ms": _DELIVERY_MS,
        "max_request_size": _REQUEST_BYTES_MAX,
        "metadata_max_age_ms": round(options.metadata_max_age_s * 1000),
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
        "reconnect_backoff_max_ms": 2_000,
    }

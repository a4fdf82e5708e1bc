"""Dead letters to Kafka: a thread of its own hands them to a producer, whose calls block while a topic is missing."""

import queue
import threading
from collections.abc import Iterable
from typing import Any, Final

from kafka import KafkaProducer, errors

from daemon import kafka_guards, kafka_producer_guards
from daemon.clock import Clock
from daemon.dead_letters import Outcome, Parcel
from daemon.dead_letters.outbox import HOLD_SECONDS
from daemon.kafka_logs import protect_logs, quieten_logs
from daemon.kafka_options import API_VERSION, KafkaOptions, missing_dead_letter_topic
from daemon.kafka_requirements import require_client
from daemon.kafka_security import client_arguments

CLOSE_SECONDS: Final = 1.0
_METADATA_MS: Final = 2_000  # one look for the topic
_REQUEST_MS: Final = 10_000
_LOOK_SECONDS: Final = HOLD_SECONDS - 3.0  # so that the outbox, which waits no longer, hears that there is no topic
_DELIVERY_MS: Final = round(1000 * _LOOK_SECONDS)  # for brokers that are slow to answer
_REQUEST_BYTES_MAX: Final = 32 << 20  # more than the outbox lets wait: the topic's own limit is what decides
_TOO_LARGE: Final = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError)


class KafkaCarrier:
    """See the Carrier protocol. The constructor returns at once, brokers or none.

    Raises UsageError for security settings that cannot work, OperatingError where the client is not the tested one.
    """

    def __init__(self, options: KafkaOptions, topic: str, clock: Clock) -> None:
        require_client()
        kafka_guards.install()
        protect_logs(options.security.secrets())
        quieten_logs(topic)
        self._topic = topic
        self._clock = clock
        self._missing = missing_dead_letter_topic(topic, options.bootstrap_servers)
        self._connection = client_arguments(options.security)
        self._arguments = producer_arguments(options, self._connection)
        self._inbox: queue.SimpleQueue[tuple[Parcel, float] | None] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dead-letters", daemon=True)
        self._thread.start()

    def carry(self, parcel: Parcel) -> None:
        """Take a parcel; return at once."""
        self._inbox.put((parcel, self._clock.monotonic() + _LOOK_SECONDS))

    def outcomes(self, timeout_s: float) -> Iterable[Outcome]:
        """Return the outcomes since the last call, waiting up to `timeout_s` for a first one."""
        found = []
        try:
            found.append(self._outcomes.get(timeout=timeout_s) if timeout_s > 0 else self._outcomes.get_nowait())
            while True:
                found.append(self._outcomes.get_nowait())
        except queue.Empty:
            return found

    def close(self) -> None:
        """Give up what is still on its way, and end the thread, within a few seconds."""
        self._closing.set()
        self._inbox.put(None)
        self._thread.join(CLOSE_SECONDS + _METADATA_MS / 1000)
        if "sasl_oauth_token_provider" in self._connection:
            self._connection["sasl_oauth_token_provider"].close()

    def _run(self) -> None:
        producer: KafkaProducer | None = None
        while (item := self._inbox.get()) is not None and not self._closing.is_set():
            parcel, deadline = item
            try:
                producer = producer or self._made()
                self._send(producer, parcel, deadline)
            except Exception as failure:  # noqa: BLE001  # no fault of a dead letter may end the others
                self._fail(parcel, failure)
        if producer is not None:
            kafka_producer_guards.abandon(producer, CLOSE_SECONDS)

    def _made(self) -> KafkaProducer:
        producer = KafkaProducer(**self._arguments)
        kafka_producer_guards.calm(producer)
        return producer

    def _send(self, producer: KafkaProducer, parcel: Parcel, deadline: float) -> None:
        """Hand a parcel to the producer, as soon as it knows of the topic."""
        while self._clock.monotonic() < deadline and not self._closing.is_set():
            try:
                future = producer.send(self._topic, key=parcel.key, value=parcel.value)
            except errors.KafkaTimeoutError:
                continue  # no broker told of the topic: it may be made yet
            future.add_callback(lambda _: self._outcomes.put(Outcome(parcel.ticket)))
            future.add_errback(lambda failure: self._fail(parcel, failure))
            return
        self._outcomes.put(Outcome(parcel.ticket, self._missing))

    def _fail(self, parcel: Parcel, failure: Exception) -> None:
        """Send without its payload what is too large with it; give up the rest."""
        if isinstance(failure, _TOO_LARGE) and parcel.bare is not None:
            self.carry(Parcel(parcel.ticket, parcel.key, parcel.bare, None))
        else:
            self._outcomes.put(Outcome(parcel.ticket, self._in_words(failure)))

    def _in_words(self, failure: Exception) -> str:
        match failure:
            case errors.AuthorizationError():
                return f"no right to write ({failure}): check the ACLs (WRITE and DESCRIBE on topic {self._topic})"
            case errors.UnknownTopicOrPartitionError():
                return self._missing
            case _:
                return f"the client says {failure!r}"


def producer_arguments(options: KafkaOptions, connection: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the producer; `connection` is kafka_security.client_arguments'."""
    return connection | {
        "bootstrap_servers": list(options.bootstrap_servers),
        "client_id": f"{options.client_id}-dead-letters",
        "api_version": API_VERSION,
        "acks": "all",
        # After one refused batch the client's idempotent mode fails every later record too. A retry may double a
        # letter; both have one key.
        "enable_idempotence": False,
        "linger_ms": 5,
        "max_block_ms": _METADATA_MS,
        "request_timeout_ms": _REQUEST_MS,
        "delivery_timeout_ms": _DELIVERY_MS,
        "retry_backoff_ms": 500,
        "max_request_size": _REQUEST_BYTES_MAX,
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
        "reconnect_backoff_max_ms": 2_000,
    }

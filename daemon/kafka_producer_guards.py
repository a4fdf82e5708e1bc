# ruff: noqa: SLF001 - for producers, this file is the one place for private names of the client
"""Guards against defects of the client's producer; daemon/kafka_guards.py has those of its consumer."""

from kafka import KafkaProducer

_LOOK_MS = 500


def calm(producer: KafkaProducer) -> None:
    """Let it ask for a topic that is missing twice a second; its own way is ten times, whatever it is told."""
    producer._metadata.config["retry_backoff_ms"] = _LOOK_MS


def abandon(producer: KafkaProducer, timeout_s: float) -> None:
    """Close it and fail what it has not sent; its own `close` raises while something is on its way."""
    producer._sender.force_close()
    producer._sender.join(timeout_s)
    producer.close(timeout=timeout_s)


def topic_id(producer: KafkaProducer, topic: str) -> object | None:
    """Id of the topic in the cluster's metadata, which is asked again every `metadata_max_age_ms`."""
    return producer._metadata.topic_id(topic)  # type: ignore[no-any-return]

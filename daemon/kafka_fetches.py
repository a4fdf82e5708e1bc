# ruff: noqa: SLF001 - for positions and fetches, this file is the one place for private names of the client
"""What the client knows of positions and fetches and has no public name for; see also daemon/kafka_guards.py."""

from collections.abc import Callable
from typing import Any

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from daemon.clock import Clock


def guard_pauses(consumer: KafkaConsumer) -> None:
    """Patch one consumer: a partition that is paused while its records are half read is read on once it is resumed.

    The client puts such records aside and takes them up again when nothing else is being read, but tests that by a
    value that is never None again after the first batch. Until then it does not fetch the partition: for ever.
    """
    fetcher = consumer._fetcher
    fetcher.fetched_records = _taking_up(fetcher, fetcher.fetched_records)


def _taking_up(fetcher: Any, fetched_records: Callable[..., Any]) -> Callable[..., Any]:  # noqa: ANN401 - not typed
    def taken_up(*args: object, **more: object) -> Any:  # noqa: ANN401 - as above
        if not fetcher._next_partition_records:
            fetcher._next_partition_records = None
        return fetched_records(*args, **more)

    return taken_up


def seek(consumer: KafkaConsumer, partition: TopicPartition, offset: int, leader_epoch: int) -> None:
    """Seek to the offset after a record of this leader epoch, -1: not known.

    The public call takes no epoch, and so does not find out that the log was truncated below the offset (KIP-320).
    """
    consumer._subscription.seek(partition, OffsetAndMetadata(offset, "", leader_epoch))


def leader_epoch(consumer: KafkaConsumer, partition: TopicPartition) -> int:
    """Leader epoch of the last record before the position; -1 where it is not known."""
    state = consumer._subscription.assignment.get(partition)
    return -1 if state is None or state.position is None else int(state.position.leader_epoch)


class Answers:
    """When brokers last answered for each partition: a fetch that asked for it, and found no fault with it.

    A partition without a leader is asked of nobody, and its high watermark stands still, while others are answered.
    Written by the IO thread and the loop's, each entry whole.
    """

    def __init__(self, consumer: KafkaConsumer, clock: Clock) -> None:
        self._clock = clock
        self._at: dict[TopicPartition, float] = {}
        self._handle = consumer._fetcher._handle_fetch_response
        consumer._fetcher._handle_fetch_response = self._note

    def at(self, partition: TopicPartition) -> float | None:
        """Return the monotonic seconds of the last answer; None before the first and its start."""
        return self._at.get(partition)

    def start(self, partition: TopicPartition) -> None:
        """Take now for an answer: from here on it is waited for, or it was given with the records."""
        self._at[partition] = self._clock.monotonic()

    def _note(self, node_id: object, asked: Any, sent: float, response: Any) -> None:  # noqa: ANN401 - not typed
        self._handle(node_id, asked, sent, response)
        if getattr(response, "error_code", 0) != 0:
            return
        # Of what an incremental response leaves out there is nothing new.
        faulty = {
            TopicPartition(topic.topic, found.partition_index)
            for topic in response.responses
            for found in topic.partitions
            if found.error_code != 0
        }
        now = self._clock.monotonic()
        self._at |= {partition: now for partition in asked if partition not in faulty}

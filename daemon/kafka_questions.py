"""Questions to the brokers about offsets, each answered or failed within seconds."""

from collections.abc import Callable
from typing import Final, TypeVar

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaConnectionError, KafkaError

from daemon import kafka_guards
from daemon.kafka_failures import in_words, is_refusal
from daemon.kafka_options import KafkaOptions
from daemon.source import SourceUnavailableError

_QUESTION_MS: Final = 3_000
_HANG_UPS: Final = 2

_Answer = TypeVar("_Answer")


class Questions:
    """Each raises SourceUnavailableError where the brokers do not answer in time."""

    def __init__(self, consumer: KafkaConsumer, options: KafkaOptions) -> None:
        self._consumer = consumer
        self._options = options

    def committed(self, partition: TopicPartition) -> int | None:
        """Return the group's stored offset."""
        stored: int | None = self._ask(lambda: self._consumer.committed(partition, timeout_ms=_QUESTION_MS))
        return stored

    def beginning(self, partition: TopicPartition) -> int:
        """Return the first offset that still exists."""
        return int(self._ask(lambda: self._consumer.beginning_offsets([partition], timeout_ms=_QUESTION_MS)[partition]))

    def end(self, partition: TopicPartition) -> int:
        """Return the offset after the last record; under read_committed the last stable offset."""
        return int(self._ask(lambda: self._consumer.end_offsets([partition], timeout_ms=_QUESTION_MS)[partition]))

    def offset_for_time(self, partition: TopicPartition, timestamp_ms: int) -> int | None:
        """Return the first offset at or after a time; None beyond the end."""
        times = {partition: timestamp_ms}
        found = self._ask(lambda: self._consumer.offsets_for_times(times, timeout_ms=_QUESTION_MS)[partition])
        return None if found is None else int(found.offset)

    def largest_timestamp_ms(self, partition: TopicPartition) -> int | None:
        """Return the largest timestamp; None if there is no record or the broker cannot tell.

        A broker that knows only a part of the protocol hangs up on the question: one that does so twice, and answers
        another question in between, cannot tell.
        """
        for _ in range(_HANG_UPS):
            try:
                return kafka_guards.largest_timestamp_ms(self._consumer, partition, _QUESTION_MS)
            except KafkaConnectionError:
                self.beginning(partition)
            except KafkaError as error:
                raise self._unavailable(error) from error
        return None

    def _ask(self, question: Callable[[], _Answer]) -> _Answer:
        try:
            return question()
        except (KafkaError, KeyError) as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> SourceUnavailableError:
        if is_refusal(error):
            return SourceUnavailableError(in_words(error, self._options))
        return SourceUnavailableError(f"the brokers did not answer: {error!r}")

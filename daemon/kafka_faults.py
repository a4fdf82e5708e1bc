"""What is done about faults of the log itself: batches that cannot be read, offsets that are gone, topics made anew."""

from collections.abc import Mapping
from typing import Any

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, LogTruncationError, OffsetOutOfRangeError

from daemon import kafka_guards
from daemon.kafka_guards import PoisonedBatchError
from daemon.kafka_options import KafkaOptions, reader_arguments
from daemon.kafka_poison import Probe, Suspects, find_end
from daemon.kafka_questions import Questions
from daemon.source import Gap, Partition, Recreated

log = structlog.get_logger(__name__)


class Faults:
    """Moves the consumer past each fault and keeps what to tell the loop: gaps, and topics whose state is void."""

    def __init__(self, consumer: KafkaConsumer, options: KafkaOptions, connection: Mapping[str, Any]) -> None:
        self._consumer = consumer
        self._options = options
        self._connection = dict(connection)
        self._questions = Questions(consumer, options)
        self._suspects = Suspects()
        self._topic_ids: dict[str, object] = {}
        self._missing: set[str] = set()
        self._gaps: list[Gap] = []
        self._recreated: list[Recreated] = []

    def remedy(self, fault: PoisonedBatchError | KafkaError) -> bool:
        """Remedy what a poll raised; False if it is no fault of the log.

        Raises SourceUnavailableError where the brokers must be asked and do not answer: the next poll raises it again.
        """
        match fault:
            case PoisonedBatchError():
                self._skip_if_poison(fault)
            case OffsetOutOfRangeError():
                self._skip_expired(fault.args[0])
            case LogTruncationError():
                divergent = fault.divergent_offsets
                self._start_over({tp: None if found is None else found.offset for tp, found in divergent.items()})
            case _:
                return False
        return True

    def compare_topics(self, *, joined: bool) -> None:
        """Compare topic ids: a topic made anew under its old name is read on silently at the old offsets."""
        for topic in self._options.topics:
            found = kafka_guards.topic_id(self._consumer, topic)
            if found is None:
                if joined and topic not in self._missing:
                    self._missing.add(topic)
                    log.warning("the topic does not exist or may not be seen: nothing is read of it", topic=topic)
                continue
            self._missing.discard(topic)
            known = self._topic_ids.setdefault(topic, found)
            if known != found:
                self._topic_ids[topic] = found
                self._start_over({tp: None for tp in self._consumer.assignment() if tp.topic == topic})

    def topic_id(self, topic: str) -> str:
        """Return the id of the topic that is read; empty where the brokers do not tell."""
        known = self._topic_ids.get(topic)
        return "" if known is None else str(known)

    def take(self) -> tuple[tuple[Gap, ...], tuple[Recreated, ...]]:
        """Hand over what happened since the last call."""
        gaps, self._gaps = tuple(self._gaps), []
        recreated, self._recreated = tuple(self._recreated), []
        return gaps, recreated

    def forget(self, partition: TopicPartition) -> None:
        """Start anew for a partition."""
        self._suspects.forget(partition)

    def _skip_if_poison(self, poison: PoisonedBatchError) -> None:
        tp = poison.partition
        if not self._suspects.condemn(poison):
            log.warning("a batch cannot be read, trying again", fault=str(poison))
            return
        log_end = self._questions.end(tp)
        servers, client_id = self._options.bootstrap_servers, f"{self._options.client_id}-probe"
        arguments = reader_arguments(servers, client_id, self._options.isolation_level, self._connection)
        with Probe(poison, arguments) as probe:
            end = find_end(probe.inside, poison.position, poison.next_offset, log_end)
        log.error("a batch can never be read and is skipped", fault=str(poison), next_offset=end)
        self._suspects.forget(tp)
        self._skip(tp, poison.position, end, "corrupt")

    def _skip_expired(self, positions: Mapping[TopicPartition, int]) -> None:
        for tp, position in positions.items():
            beginning = self._questions.beginning(tp)
            if position < beginning:
                self._skip(tp, position, beginning, "out_of_range")
            else:
                # The log ends before what was read of it: it is another log.
                self._start_over({tp: None})

    def _skip(self, tp: TopicPartition, first: int, following: int, reason: str) -> None:
        if tp in self._consumer.assignment():
            self._consumer.seek(tp, following)
            self._gaps.append(Gap(Partition(tp.topic, tp.partition), first, following, reason))

    def _start_over(self, truncated_at: Mapping[TopicPartition, int | None]) -> None:
        for tp, below in truncated_at.items():
            if tp in self._consumer.assignment():
                self._consumer.seek(tp, 0)
                self._consumer.pause(tp)
                self._recreated.append(Recreated(Partition(tp.topic, tp.partition), below))

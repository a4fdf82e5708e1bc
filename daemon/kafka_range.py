"""A range of a partition's log, read without a group: nothing is joined, nothing is committed."""

import time
from collections.abc import Iterator
from typing import Final, Self

from kafka import KafkaConsumer
from kafka.errors import KafkaError

from daemon import kafka_guards
from daemon.errors import OperatingError
from daemon.kafka_failures import in_words, is_refusal
from daemon.kafka_faults import Faults
from daemon.kafka_group import topic_partition
from daemon.kafka_guards import PoisonedBatchError
from daemon.kafka_logs import protect_logs
from daemon.kafka_options import KafkaOptions, batch_of, reader_arguments
from daemon.kafka_questions import Questions
from daemon.kafka_requirements import require_client
from daemon.kafka_security import client_arguments
from daemon.source import Batch, Gap, Partition, SourceUnavailableError

_POLL_MS: Final = 200
_PAUSE_SECONDS: Final = 0.1  # after a poll that failed at once
#: Without a record for so long, the brokers are taken for gone.
PATIENCE_SECONDS: Final = 60.0
_CLOSE_MS: Final = 1000


class RangeReader:
    """Reads ranges, one at a time. A context manager, used by one thread.

    Everything raises SourceUnavailableError where the brokers do not answer.
    """

    def __init__(self, options: KafkaOptions) -> None:
        require_client()
        kafka_guards.install()
        protect_logs(options.security.secrets())
        self._options = options
        self._connection = client_arguments(options.security)
        arguments = reader_arguments(
            options.bootstrap_servers, options.client_id, options.isolation_level, self._connection
        )
        self._consumer = KafkaConsumer(**arguments, max_poll_records=options.max_poll_records)
        kafka_guards.attach(self._consumer)
        self._questions = Questions(self._consumer, options)
        self._faults = Faults(self._consumer, options, self._connection)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._consumer.close(autocommit=False, timeout_ms=_CLOSE_MS)
        if "sasl_oauth_token_provider" in self._connection:
            self._connection["sasl_oauth_token_provider"].close()

    def beginning_offset(self, partition: Partition) -> int:
        """First offset that still exists."""
        return self._questions.beginning(topic_partition(partition))

    def end_offset(self, partition: Partition) -> int:
        """Offset after the last record; under read_committed the last stable offset."""
        return self._questions.end(topic_partition(partition))

    def offset_for_time(self, partition: Partition, timestamp_ms: int) -> int | None:
        """First offset whose record's timestamp is at or after the given one; None beyond the end."""
        return self._questions.offset_for_time(topic_partition(partition), timestamp_ms)

    def read(self, partition: Partition, first: int, end: int) -> Iterator[Batch | Gap]:
        """Yield the records of [first, end) in order, a few thousand at a time; a Gap where some can never be read.

        Batches that cannot be parsed are tried and skipped as the daemon does it. Raises OperatingError where the
        topic is made anew or truncated meanwhile.
        """
        if first >= end:
            return
        tp = topic_partition(partition)
        self._consumer.assign([tp])
        self._consumer.seek(tp, first)
        position, failure, heard = first, "", time.monotonic()
        while position < end:
            batch, fault = self._poll(partition)
            for gap in self._gaps():
                yield Gap(partition, gap.first, min(gap.next, end), gap.reason)
            if batch is not None and len(batch.split(end)[0]):
                yield batch.split(end)[0]
            failure = fault or failure
            reached = kafka_guards.position(self._consumer, tp) or position
            if reached > position:
                position, failure, heard = reached, "", time.monotonic()
            elif time.monotonic() - heard > PATIENCE_SECONDS:
                raise SourceUnavailableError(
                    f"{partition.topic}/{partition.number}: nothing came after offset {position} for "
                    f"{PATIENCE_SECONDS:.0f} s{f' ({failure})' if failure else ''}; is its leader up?"
                )

    def _poll(self, partition: Partition) -> tuple[Batch | None, str]:
        """Return records, and why there are none where the client says so."""
        try:
            found = self._consumer.poll(timeout_ms=_POLL_MS)
        except (PoisonedBatchError, KafkaError) as error:
            return None, self._remedied(error)
        records = found.get(topic_partition(partition))
        if not records:
            return None, ""
        return batch_of(topic_partition(partition), records, want_headers=self._options.want_headers), ""

    def _remedied(self, error: PoisonedBatchError | KafkaError) -> str:
        """Move past a fault of the log; else return it in words. Raises it where waiting changes nothing."""
        try:
            if self._faults.remedy(error):
                return ""
        except SourceUnavailableError as unavailable:
            return str(unavailable)
        said = in_words(error, self._options)
        if is_refusal(error):
            raise SourceUnavailableError(said) from error
        time.sleep(_PAUSE_SECONDS)
        return said

    def _gaps(self) -> tuple[Gap, ...]:
        gaps, recreated = self._faults.take()
        if recreated:
            topic, number = recreated[0].partition
            raise OperatingError(f"{topic}/{number} was made anew or cut short while it was read; run verify again")
        return gaps

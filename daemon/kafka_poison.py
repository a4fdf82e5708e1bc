"""Batches that can never be read: which offsets they cover, so that exactly those are skipped.

A fault on the way (a flipped bit that the checksum finds) is gone at the next fetch, so a batch counts as poison only
after several tries. Its header tells where the next batch starts, but the header may be what is broken: it is
believed only if reading agrees, and else the end is found by doubling and bisecting.
"""

import time
from collections.abc import Callable
from typing import Any, Final, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from daemon import kafka_guards
from daemon.kafka_guards import PoisonedBatchError
from daemon.source import SourceUnavailableError

TRIES: Final = 3
_SEARCH_SECONDS: Final = 20.0
_POLL_MS: Final = 100


class Suspects:
    """Counts how often reading failed at the same offset of a partition."""

    def __init__(self) -> None:
        self._failures: dict[TopicPartition, tuple[int, int]] = {}

    def condemn(self, poison: PoisonedBatchError) -> bool:
        """Count one more failure; True once it has come back after every retry."""
        position, failures = self._failures.get(poison.partition, (poison.position, 0))
        failures = failures + 1 if position == poison.position else 1
        self._failures[poison.partition] = (poison.position, failures)
        return failures > TRIES

    def forget(self, partition: TopicPartition) -> None:
        """Start anew for a partition."""
        self._failures.pop(partition, None)


def find_end(inside: Callable[[int], bool], position: int, claimed: int | None, log_end: int) -> int:
    """Return the first offset after the batch that holds `position`.

    `inside(offset)` tells whether reading at the offset meets this batch; it is True at `position`, and False for all
    offsets after some one. `claimed` is what the batch's header says.
    """
    if claimed is not None and position < claimed <= log_end and inside(claimed - 1):
        if claimed == log_end or not inside(claimed):
            return claimed
        low, step = claimed, 1
    else:
        low, step = position, 1
    while low + step < log_end and inside(low + step):
        low, step = low + step, 2 * step
    high = max(low + 1, min(low + step, log_end))
    while high - low > 1:
        middle = (low + high) // 2
        if inside(middle):
            low = middle
        else:
            high = middle
    return high


class Probe:
    """A second consumer, outside the group, that tries single offsets without disturbing the first one."""

    def __init__(self, poison: PoisonedBatchError, arguments: dict[str, Any]) -> None:
        self._partition = poison.partition
        self._base_offset = poison.base_offset
        self._deadline = time.monotonic() + _SEARCH_SECONDS
        self._consumer = KafkaConsumer(**arguments)
        kafka_guards.attach(self._consumer)
        self._consumer.assign([self._partition])

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the second consumer."""
        self._consumer.close(autocommit=False, timeout_ms=1000)

    def inside(self, offset: int) -> bool:
        """Tell whether reading at the offset meets the same batch. Raises SourceUnavailableError without an answer."""
        self._consumer.seek(self._partition, offset)
        while time.monotonic() < self._deadline:
            try:
                records = self._consumer.poll(timeout_ms=_POLL_MS, max_records=1)
            except PoisonedBatchError as poison:
                return poison.base_offset == self._base_offset
            except OffsetOutOfRangeError as error:
                raise SourceUnavailableError("a bad batch expired while its end was looked for") from error
            except KafkaError:  # an outage: it ends, or the deadline comes
                time.sleep(_POLL_MS / 1000)
                continue
            if records or (kafka_guards.position(self._consumer, self._partition) or 0) > offset:
                return False
        raise SourceUnavailableError(f"the brokers did not tell within {_SEARCH_SECONDS:.0f} s where a bad batch ends")

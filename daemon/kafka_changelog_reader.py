"""Reading the changelog: the newest value of every key of one partition, or single records where they were written.

What cannot be read is treated as not there: a batch that stays poisoned is passed over, an offset that is gone is left
out. What matters is only that an answer is whole: it is given up, not cut short, where the brokers are slow.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError, OffsetOutOfRangeError

from daemon import kafka_guards
from daemon.kafka_failures import is_refusal
from daemon.kafka_guards import PoisonedBatchError
from daemon.kafka_options import KafkaOptions, reader_arguments
from daemon.kafka_poison import Probe, Suspects, find_end

log = structlog.get_logger(__name__)

READ_SECONDS: Final = 60.0
#: Of the keys and values that `newest` holds at once; the oldest go first.
HELD_BYTES_MAX: Final = 128 << 20
_ENTRY_BYTES: Final = 256  # of Python's objects around one
_QUESTION_MS: Final = 5_000
_POLL_MS: Final = 200
_POLL_RECORDS: Final = 1000
_AGAIN_SECONDS: Final = 0.1
#: Records that are read for nothing rather than sought over: a seek throws away a fetch that is under way.
_NEAR: Final = 8
#: While one end is read to, newer values may replace some of before it, so a fresh end is asked for; not for ever.
_ENDS: Final = 3


class ChangelogReader:
    """Used by one thread. Its methods raise KafkaError or SourceUnavailableError."""

    def __init__(self, topic: str, arguments: dict[str, Any]) -> None:
        self._topic = topic
        self._arguments = arguments
        self._suspects = Suspects()
        self._consumer = KafkaConsumer(**arguments)
        kafka_guards.attach(self._consumer)

    def close(self) -> None:
        """Let go of the connections."""
        self._consumer.close(autocommit=False, timeout_ms=1000)

    def newest(self, part: int, wants: Callable[[bytes], bool]) -> dict[bytes, bytes]:
        """Return the newest value of each wanted key in a partition, from its beginning to its end; no tombstones."""
        deadline = time.monotonic() + READ_SECONDS
        tp = TopicPartition(self._topic, part)
        found: dict[bytes, bytes] = {}
        self._consumer.assign([tp])
        begin = self._begins([tp])[tp]
        self._consumer.seek(tp, begin)
        position, held = begin, 0
        for _ in range(_ENDS):
            end = self._ends([tp])[tp]
            if position >= end:
                break
            while position < end:
                for record in self._poll(deadline).get(tp, ()):
                    if record.key is not None and wants(record.key):
                        held += _keep(found, record.key, record.value)
                while held > HELD_BYTES_MAX:
                    held += _keep(found, next(iter(found)), None)
                position = self._position(tp)
        self._consumer.assign([])
        return found

    def at(self, wanted: Mapping[TopicPartition, Mapping[int, bytes]]) -> dict[bytes, bytes]:
        """Return the values of records by key: each has that key at that offset, or is left out."""
        deadline = time.monotonic() + READ_SECONDS
        pending = self._within_the_log(wanted)
        found: dict[bytes, bytes] = {}
        self._consumer.assign(list(pending))
        for tp, offsets in pending.items():
            self._consumer.seek(tp, offsets[-1])
        while pending:
            for tp, records in self._poll(deadline).items():
                for record in records:
                    key = wanted[tp].get(record.offset)
                    if key is not None and key == record.key and record.value is not None:
                        found[key] = record.value
            for tp in list(pending):
                self._advance(tp, pending)
            self._consumer.assign(list(pending))  # what goes on keeps its position
        return found

    def _within_the_log(self, wanted: Mapping[TopicPartition, Mapping[int, bytes]]) -> dict[TopicPartition, list[int]]:
        """Return offsets that may exist, the next one last."""
        partitions = [tp for tp, offsets in wanted.items() if offsets]
        begins, ends = self._begins(partitions), self._ends(partitions)
        inside = {
            tp: sorted((offset for offset in wanted[tp] if begins[tp] <= offset < ends[tp]), reverse=True)
            for tp in partitions
        }
        return {tp: offsets for tp, offsets in inside.items() if offsets}

    def _advance(self, tp: TopicPartition, pending: dict[TopicPartition, list[int]]) -> None:
        """Strike off what was passed; go to the next offset, unless it is near."""
        position, offsets = self._position(tp), pending[tp]
        while offsets and offsets[-1] < position:
            offsets.pop()
        if not offsets:
            del pending[tp]
        elif offsets[-1] - position > _NEAR:
            self._consumer.seek(tp, offsets[-1])

    def _poll(self, deadline: float) -> Mapping[TopicPartition, Iterable[Any]]:
        """Return what comes next; nothing where that is not known yet."""
        if time.monotonic() >= deadline:
            raise KafkaTimeoutError(f"it could not be read to its end within {READ_SECONDS:g} s")
        try:
            records: Mapping[TopicPartition, Iterable[Any]] = self._consumer.poll(_POLL_MS, _POLL_RECORDS)
        except PoisonedBatchError as poison:
            self._pass(poison)
        except OffsetOutOfRangeError as gone:
            self._skip_what_is_gone(gone.args[0])
        except KafkaError as failure:  # an outage: it ends, or the deadline comes
            if is_refusal(failure):
                raise
            time.sleep(_AGAIN_SECONDS)
        else:
            return records
        return {}

    def _pass(self, poison: PoisonedBatchError) -> None:
        """Pass over a batch that cannot be read, once that has come back after every retry."""
        if not self._suspects.condemn(poison):
            return
        tp = poison.partition
        with Probe(poison, self._arguments) as probe:
            end = find_end(probe.inside, poison.position, poison.next_offset, self._ends([tp])[tp])
        log.warning("a batch of the changelog cannot be read and is passed over", fault=str(poison), next_offset=end)
        self._consumer.seek(tp, end)

    def _skip_what_is_gone(self, positions: Mapping[TopicPartition, int]) -> None:
        begins = self._begins(list(positions))
        for tp, position in positions.items():
            if position >= begins[tp]:
                raise KafkaTimeoutError("it became shorter while it was read")
            self._consumer.seek(tp, begins[tp])

    def _position(self, tp: TopicPartition) -> int:
        return kafka_guards.position(self._consumer, tp) or 0

    def _begins(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict(self._consumer.beginning_offsets(partitions, timeout_ms=_QUESTION_MS))

    def _ends(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict(self._consumer.end_offsets(partitions, timeout_ms=_QUESTION_MS))


def _keep(found: dict[bytes, bytes], key: bytes, value: bytes | None) -> int:
    """Let the newest value of a key be the last one; return by how many bytes `found` has grown."""
    grown = 0
    if (before := found.pop(key, None)) is not None:
        grown -= len(before) + len(key) + _ENTRY_BYTES
    if value is not None:
        found[key] = value
        grown += len(value) + len(key) + _ENTRY_BYTES
    return grown


def changelog_reader_arguments(options: KafkaOptions, connection: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the consumer; `connection` is kafka_security.client_arguments'.

    Our own records are in no transaction. Somebody's open one must not hide what follows it, and what it wrote is
    found out by its checksum.
    """
    client_id = f"{options.client_id}-restore"
    return reader_arguments(options.bootstrap_servers, client_id, "read_uncommitted", connection)

"""Membership in the consumer group: what a rebalance does, and which offsets may be committed."""

import contextlib
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog
from kafka import AsyncConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import MemberState

from daemon import failpoints, kafka_guards
from daemon.clock import Clock
from daemon.kafka_guards import PoisonedBatchError
from daemon.source import Assigned, Partition, Rebalance, Revoked

log = structlog.get_logger(__name__)

REVOCATION_COMMIT_SECONDS: Final = 3.0  # a rebalance of the whole group waits for it
_POLL_MS: Final = 100


def topic_partition(partition: Partition) -> TopicPartition:
    """Return a partition as the client calls it."""
    return TopicPartition(partition.topic, partition.number)


class Commits:
    """Offsets that the group has stored, as far as known, and those that a revocation may store.

    The loop's thread replaces values whole and the listener only reads them, or writes while the loop's thread waits.
    """

    def __init__(self) -> None:
        self._stored: dict[TopicPartition, int] = {}
        self._staged: Mapping[Partition, int] = types.MappingProxyType({})
        self._told: set[str] = set()  # kinds of failure, since the last time that offsets were stored

    def stage(self, offsets: Mapping[Partition, int]) -> None:
        """Keep a copy that nobody changes."""
        self._staged = types.MappingProxyType(dict(offsets))

    def unstage(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget what was staged of partitions that are gone: should they come back, others have read on meanwhile."""
        gone = {Partition(tp.topic, tp.partition) for tp in partitions}
        self.stage({partition: offset for partition, offset in self._staged.items() if partition not in gone})

    def learn(self, partition: TopicPartition, offset: int | None) -> None:
        """Note what the group says; None: nothing is stored."""
        self._stored.pop(partition, None)
        if offset is not None:
            self._stored[partition] = offset

    def due(
        self, partitions: Iterable[TopicPartition], offsets: Mapping[Partition, int] | None = None
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        """Return what of `offsets` (default: the staged ones) would move a partition forward; never backwards."""
        offsets = self._staged if offsets is None else offsets
        wanted = {topic_partition(partition): offset for partition, offset in offsets.items()}
        return {
            partition: OffsetAndMetadata(wanted[partition], "", -1)
            for partition in partitions
            if partition in wanted and wanted[partition] > self._stored.get(partition, -1)
        }

    def store(self, committed: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Note that the group has taken these."""
        self._told.clear()
        self._stored |= {partition: taken.offset for partition, taken in committed.items()}

    def tell_failure(self, error: KafkaError, partitions: int) -> None:
        """Log why offsets were not stored, each kind of failure once until some are: an outage may be long."""
        kind = type(error).__name__
        if kind not in self._told:
            self._told.add(kind)
            log.info("offsets were not committed, trying again", error=repr(error), partitions=partitions)


class Listener(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # the client is not typed
    """Runs on the client's IO thread: may seek, pause, enqueue, and await the commit of staged offsets. No more.

    An exception here would leave partitions assigned that nobody paused, so the first one is kept in `failure` for
    the polling thread to raise.
    """

    def __init__(self, consumer: KafkaConsumer, enqueue: Callable[[Rebalance], None], commits: Commits) -> None:
        self.failure: Exception | None = None
        self.commit_seconds = REVOCATION_COMMIT_SECONDS
        self._consumer = consumer
        self._enqueue = enqueue
        self._commits = commits

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Hold the new partitions until the loop has found out where to start."""
        try:
            for partition in assigned:
                # Any position will do: without one the client would look for a committed offset to start from.
                self._consumer.seek(partition, 0)
                self._consumer.pause(partition)
            self._tell(Assigned, assigned)
        except Exception as failure:
            self.failure = failure
            raise

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Commit what the loop published of them, while we still may, and let them go."""
        try:
            failpoints.hit("group.revoking")
            await self._commit(self._commits.due(revoked))
            self._tell(Revoked, revoked)
        except Exception as failure:
            self.failure = failure
            raise

    async def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        """Let them go: somebody else may own them already."""
        try:
            partitions = tuple(Partition(tp.topic, tp.partition) for tp in lost)
            self._commits.unstage(lost)
            if partitions:
                self._enqueue(Revoked(partitions, lost=True))
        except Exception as failure:
            self.failure = failure
            raise

    async def _commit(self, due: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        if not due:
            return
        try:
            await kafka_guards.within(self._consumer, self._consumer.commit_async(dict(due)), self.commit_seconds)
        except KafkaError as error:
            # Not lost: the next owner reads these records again and counts them once more at most.
            log.warning("offsets were not committed on revocation", error=repr(error), partitions=len(due))
        else:
            self._commits.store(due)

    def _tell(self, change: type[Assigned] | type[Revoked], moved: Iterable[TopicPartition]) -> None:
        partitions = tuple(sorted(Partition(tp.topic, tp.partition) for tp in moved))
        if partitions:
            self._enqueue(change(partitions))


def leave(consumer: KafkaConsumer, clock: Clock, timeout_s: float) -> None:
    """Leave the group. A rebalance that runs is first seen through, because the client takes no commit until then."""
    deadline = clock.monotonic() + timeout_s / 2
    try:
        while consumer.group_metadata().state == MemberState.REBALANCING and clock.monotonic() < deadline:
            with contextlib.suppress(KafkaError, PoisonedBatchError):
                consumer.poll(timeout_ms=_POLL_MS)
        consumer.close(autocommit=False, timeout_ms=round(timeout_s * 1000))
    except KafkaError as error:
        log.warning("leaving the group failed", error=repr(error))

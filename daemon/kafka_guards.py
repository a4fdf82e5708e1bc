# ruff: noqa: SLF001 - this file is the one place for private names of the client
"""Guards against defects of kafka-python, and every private name of it that the daemon uses.

All of it was read and measured with one version; daemon/kafka_requirements.py refuses another one. `install` patches
the library once for the process, `attach` patches one consumer, the rest reads what has no public name.

What is guarded (each has a test that fails without it):
poison: after a batch that cannot be parsed the next poll never returns; the batch is dropped and named instead.
decoders: batches are decompressed without a limit; see daemon/kafka_codecs.py.
TLS: a handshake has no deadline, a reset before it ends the process; see daemon/kafka_tls_guards.py.
errors: a call that fails, as a poll that times out, keeps its callers' locals until old garbage is collected; see
daemon/kafka_error_guards.py.
sockets: one whose connection failed is not closed; see daemon/kafka_socket_guards.py.
logs: at DEBUG the client logs passwords; see daemon/kafka_logs.py.
rejoin: a rebalance is lost if a poll ends between two of its steps; the member is evicted and reads on. And if it is
not lost, a join that was answered between two polls is thrown away and asked for anew, which makes everybody join
again, and again.
"""

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import kafka.errors
import kafka.record.default_records
import kafka.record.legacy_records
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.protocol.consumer import OffsetSpec
from kafka.structs import MemberState

from daemon import kafka_codecs, kafka_error_guards, kafka_socket_guards, kafka_tls_guards


class PoisonedBatchError(Exception):
    """A batch cannot be read: corrupt, too large, or not what it says.

    Attributes
    ----------
    position : first offset of it that was not handed over
    base_offset : where the batch starts; None if not even that could be read
    next_offset : where the next batch starts, as the batch itself claims; None as above
    """

    def __init__(
        self, partition: TopicPartition, position: int, base_offset: int | None, next_offset: int | None, cause: str
    ) -> None:
        super().__init__(f"batch at {partition.topic}/{partition.partition} offset {position}: {cause}")
        self.partition = partition
        self.position = position
        self.base_offset = base_offset
        self.next_offset = next_offset


def install() -> None:
    """Patch the library for this process: decoders, errors, sockets and TLS. Harmless when called again."""
    for module in (kafka.record.default_records, kafka.record.legacy_records):
        for name in ("gzip_decode", "snappy_decode", "lz4_decode", "zstd_decode"):
            if hasattr(module, name):
                setattr(module, name, getattr(kafka_codecs, name))
    kafka_tls_guards.install()
    kafka_error_guards.install()
    kafka_socket_guards.install()


def attach(
    consumer: KafkaConsumer,
    on_fetch: Callable[[], None] | None = None,
    on_connection: Callable[[Exception | None], None] | None = None,
    on_heartbeat: Callable[[float], None] | None = None,
) -> None:
    """Patch one consumer: poison and rejoin.

    On the IO thread `on_fetch` is called at every fetch response, `on_connection` for every connection that was tried:
    with None if the broker let us in, else with the reason, which the client itself only logs; and `on_heartbeat` for
    every heartbeat that the group has answered, with the monotonic seconds at which it was sent.
    """
    fetcher, coordinator, manager = consumer._fetcher, consumer._coordinator, consumer._manager
    fetcher.PartitionRecords = _GuardedRecords
    fetcher._parse_fetched_data = functools.partial(_parse, fetcher._parse_fetched_data)
    need_rejoin = coordinator.need_rejoin
    coordinator.need_rejoin = lambda: need_rejoin() or coordinator.rejoining
    coordinator.join_group_async = functools.partial(_finish_or_join, coordinator, coordinator.join_group_async)
    if on_fetch is not None:
        fetcher._handle_fetch_response = _after(on_fetch, fetcher._handle_fetch_response)
    if on_connection is not None:
        manager._connect = functools.partial(_connect, manager._connect, on_connection)
    if on_heartbeat is not None:
        beat = coordinator.heartbeat
        beat.received_heartbeat = _after(lambda: on_heartbeat(beat.last_send), beat.received_heartbeat)


def _after(tell: Callable[[], None], handle: Callable[..., None]) -> Callable[..., None]:
    def tell_and_handle(*args: object) -> None:
        tell()
        handle(*args)

    return tell_and_handle


async def _connect(
    connect: Callable[..., Any],
    tell: Callable[[Exception | None], None],
    node: object,
    connection: Any,  # noqa: ANN401 - the client is not typed
    **more: object,
) -> None:
    connection.init_future.add_callback(lambda _: tell(None))
    connection.init_future.add_errback(tell)
    connection._sasl_authenticate = functools.partial(_log_in, connection._sasl_authenticate, tell)
    await connect(node, connection, **more)


async def _finish_or_join(coordinator: Any, join: Callable[..., Any], timeout_ms: float | None = None) -> bool:  # noqa: ANN401
    """Take up a join that was answered while nobody polled; else join as the client does."""
    task = coordinator._join_task
    answered = task is not None and task.is_done and task.succeeded()
    if not answered or not coordinator.rebalance_in_progress():  # thrown out since then
        return bool(await join(timeout_ms=timeout_ms))
    coordinator._join_task = None
    with coordinator._lock:
        coordinator.rejoining = coordinator.rejoin_needed = False
        coordinator.state = MemberState.STABLE
        coordinator._enable_heartbeat()
    joined = coordinator._generation
    await coordinator._on_join_complete_async(joined.generation_id, joined.member_id, joined.protocol, task.value)
    return True


async def _log_in(authenticate: Callable[..., Any], tell: Callable[[Exception], None], *within: object) -> None:
    """Log in; a broker that hangs up meanwhile refuses: the client drops an answer that comes with the end of data."""
    try:
        await authenticate(*within)
    except kafka.errors.KafkaConnectionError:
        tell(kafka.errors.SaslAuthenticationFailedError("it hangs up during the login"))
        raise


class _TracedRecords:
    """Batches of a fetch response, remembering which one is being read."""

    def __init__(self, records: Any) -> None:  # noqa: ANN401 - the client is not typed
        self._records = records
        self.batch: Any = None

    def next_batch(self) -> Any:  # noqa: ANN401 - as above
        self.batch = None
        self.batch = self._records.next_batch()
        return self.batch


class _GuardedRecords(Fetcher.PartitionRecords):  # type: ignore[misc]  # the client is not typed
    """Parsed records of one partition that name a batch that cannot be parsed, and are done with after it."""

    def take(self, n: int | None = None) -> list[Any]:
        try:
            taken: list[Any] = super().take(n)
        except PoisonedBatchError:
            # Undrained, the dead iterator would be asked again and again within one poll.
            self.drain()
            raise
        return taken

    def _unpack_records(self, tp: TopicPartition, records: Any, *deserializers: Any) -> Iterator[Any]:  # noqa: ANN401
        traced = _TracedRecords(records)
        try:
            yield from super()._unpack_records(tp, traced, *deserializers)
        except MemoryError:
            raise
        except Exception as cause:
            # Whatever broken bytes make the parser do: there is no list of it.
            batch = traced.batch
            base, following = (None, None) if batch is None else (batch.base_offset, batch.base_offset + 1)
            if batch is not None and batch.magic >= 2:
                following = batch.next_offset
            raise PoisonedBatchError(tp, self.next_fetch_offset, base, following, repr(cause)) from cause


def _parse(parse: Callable[[Any], Any], completed: Any) -> Any:  # noqa: ANN401 - the client is not typed
    """Parse a fetch response; where its data is at fault, and not the broker's answer, say which batch it is."""
    try:
        return parse(completed)
    except Exception as cause:
        if completed.partition_data.error_code != 0:
            raise
        raise PoisonedBatchError(
            completed.topic_partition, completed.fetched_offset, None, None, repr(cause)
        ) from cause


# What has no public name. Cheap, and safe from the thread that owns the consumer.


def position(consumer: KafkaConsumer, partition: TopicPartition) -> int | None:
    """Next offset to hand over, without the requests that the public call may make; None if it is not ours."""
    state = consumer._subscription.assignment.get(partition)
    return None if state is None or state.position is None else int(state.position.offset)


def topic_id(consumer: KafkaConsumer, topic: str) -> object | None:
    """Id of the topic in the cluster's metadata, which is asked again every `metadata_max_age_ms`."""
    return consumer._cluster.topic_id(topic)  # type: ignore[no-any-return]


def partition_count(consumer: KafkaConsumer, topic: str) -> int | None:
    """Partitions of the topic in the metadata; None if it is not there."""
    partitions = consumer._cluster.partitions_for_topic(topic)
    return len(partitions) if partitions else None


def largest_timestamp_ms(consumer: KafkaConsumer, partition: TopicPartition, timeout_ms: int) -> int | None:
    """Largest timestamp of the partition (KIP-734); None if it is empty or the broker does not know the question."""
    try:
        found = consumer._net.run(_ask_largest_timestamp, consumer, partition, timeout_ms)[partition]
    except kafka.errors.RetriableError:
        raise
    except kafka.errors.KafkaError:
        return None
    return None if found.timestamp < 0 else int(found.timestamp)


async def _ask_largest_timestamp(consumer: KafkaConsumer, partition: TopicPartition, timeout_ms: int) -> Any:  # noqa: ANN401
    # The consumer's own way would ask again and again for as long as the broker says that it cannot tell.
    isolation = consumer._fetcher._isolation_level.value
    request = KafkaAdminClient._list_partition_offsets_request({partition: OffsetSpec.MAX_TIMESTAMP}, isolation)
    leader = consumer._cluster.leader_for_partition(partition)
    if leader is None or leader < 0:
        consumer._cluster.request_update()
        raise kafka.errors.LeaderNotAvailableError(partition)
    response = await consumer._manager.wait_for(consumer._manager.send(request, node_id=leader), timeout_ms)
    return KafkaAdminClient._list_partition_offsets_process_response(response)


def confirm_membership(consumer: KafkaConsumer, timeout_ms: int) -> bool | None:
    """Ask the group whether we are still a member: yes, no, or None without an answer.

    A heartbeat proves what a commit would, and leaves no offset behind.
    """
    coordinator = consumer._coordinator
    try:
        consumer._net.run(_heartbeat_within, consumer, timeout_ms)
    except kafka.errors.RebalanceInProgressError:
        return True  # members stay owners until they have joined again
    except (kafka.errors.UnknownMemberIdError, kafka.errors.IllegalGenerationError):
        return False
    except kafka.errors.KafkaError:
        return None
    return bool(coordinator.stable())


async def _heartbeat_within(consumer: KafkaConsumer, timeout_ms: int) -> None:
    future = consumer._manager.call_soon(consumer._coordinator._send_heartbeat_request)
    await consumer._manager.wait_for(future, timeout_ms)


async def within(consumer: KafkaConsumer, future: Any, timeout_s: float) -> None:  # noqa: ANN401
    """Await one of the client's futures on its IO thread. Raises KafkaTimeoutError after `timeout_s`."""
    await consumer._manager.wait_for(future, timeout_s * 1000)


def connected(consumer: KafkaConsumer) -> bool:
    """Whether a connection to any broker is open and has been greeted."""
    return any(connection.connected for connection in list(consumer._manager._conns.values()))


def joining(consumer: KafkaConsumer) -> bool:
    """Whether the group has been asked to let us join, and has not answered yet."""
    task = consumer._coordinator._join_task
    return task is not None and not task.is_done


def heartbeat_age_s(consumer: KafkaConsumer) -> float | None:
    """Seconds since a heartbeat was sent or its clock was set back by a join; None while none is due.

    None is due before the first join, while a join waits for the group, and while the client knows of no coordinator.
    A rebalance whose answer is never picked up is none of these: then the age grows.
    """
    coordinator = consumer._coordinator
    if coordinator.coordinator_id is None or joining(consumer) or not coordinator._generation.has_member_id():
        return None
    beat = coordinator.heartbeat
    return max(0.0, time.monotonic() - float(max(beat.last_send, beat.last_reset)))

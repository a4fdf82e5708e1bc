"""A call of the client that fails keeps nothing of its callers; the bare client, as the control, does.

If a control passes after an update of the client, the guard may go.
"""

import contextlib
import gc
import itertools
import time
import weakref

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError, LogTruncationError, MessageSizeTooLargeError
from kafka.future import Future
from kafka.net.selector import NetworkSelector

from daemon import kafka_changelog_writer, kafka_guards
from daemon.kafka_changelog_writer import ChangelogWriter, writer_arguments
from daemon.kafka_options import KafkaOptions
from daemon.source import Partition, SourceUnavailableError
from tests.source_worlds import KafkaWorld, resumed


@pytest.fixture
def world(kafka_broker):
    """The real broker."""
    return KafkaWorld(kafka_broker)


class Held:
    """What a caller holds."""


def kept_of_callers(call, times):
    """How many of so many failed calls keep their caller's locals, with no collection of garbage in between."""

    def turn():
        held = Held()
        with contextlib.suppress(KafkaError, SourceUnavailableError):
            call()
        return weakref.ref(held)

    gc.collect()
    gc.disable()
    try:
        return sum(found() is not None for found in [turn() for _ in range(times)])
    finally:
        gc.enable()


@pytest.fixture
def guarded(request, monkeypatch):
    """Whether the guard of errors is there."""
    kafka_guards.install()
    if not request.param:
        monkeypatch.setattr(NetworkSelector, "run", NetworkSelector.run.__wrapped__)
        monkeypatch.setattr(kafka_guards, "install", lambda: None)
    return request.param


guarded_and_bare = pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "bare"], indirect=True)


@pytest.mark.kafka
@guarded_and_bare
def test_a_poll_that_times_out_keeps_nothing_that_its_caller_holds(world, guarded):
    member = resumed(world, world.create_topic())
    assert (kept_of_callers(lambda: member.source.poll(0.05), 20) == 0) is guarded
    world.close(member)


@pytest.mark.kafka
@guarded_and_bare
def test_neither_does_a_commit_or_a_question_that_fails_in_an_outage(world, guarded):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    world.append(partition, [b"a"] * 9)
    offsets = itertools.count(1)
    with world.broker.proxy() as proxy:
        member = resumed(world, topic, bootstrap_servers=(proxy.address,))
        proxy.mode = "refuse"
        proxy.cut()
        assert (kept_of_callers(lambda: member.source.commit({partition: next(offsets)}, 0.3), 3) == 0) is guarded
        assert (kept_of_callers(lambda: member.source.committed([partition]), 2) == 0) is guarded
        proxy.mode = "pass"
        world.close(member)


@pytest.mark.kafka
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "bare"])
def test_nor_does_a_snapshot_that_the_broker_refuses(kafka_broker, monkeypatch, guarded):
    if not guarded:
        monkeypatch.setattr(kafka_changelog_writer, "released", lambda call: call)
    topic = f"small-{time.time_ns()}"
    kafka_broker.create_topic(topic, 1, {"max.message.bytes": "300"})
    options = KafkaOptions(bootstrap_servers=(kafka_broker.bootstrap_servers,), topics=("t",), group_id="g")
    writer = ChangelogWriter(topic, writer_arguments(options, {}))

    def save():
        writer.put(0, b"key", bytes(1000))
        writer.settle()

    with pytest.raises(MessageSizeTooLargeError):
        save()
    assert (kept_of_callers(save, 3) == 0) is guarded
    writer.abandon()


@contextlib.contextmanager
def running_net():
    """The client's loop on a thread of its own."""
    net = NetworkSelector()
    net.start()
    try:
        yield net
    finally:
        net.close()


def test_an_error_is_raised_as_the_kind_that_it_is_with_all_that_it_says():
    kafka_guards.install()
    told = LogTruncationError({TopicPartition("t", 0): 7}, "diverged")

    async def fail():
        raise told

    with running_net() as net, pytest.raises(LogTruncationError) as raised:
        net.run(fail)
    assert raised.value is not told
    assert raised.value == told
    assert vars(raised.value) == vars(told) != {}
    assert raised.value.__context__ is None


def test_a_task_that_goes_on_after_an_error_is_not_ended_where_another_one_hands_it_to_its_caller():
    kafka_guards.install()
    shared, beats = Future(), []

    async def heartbeat():
        while True:
            with contextlib.suppress(KafkaError):
                if not beats:
                    await shared
            beats.append(1)
            await net.sleep(0.01)

    async def question():
        return await shared

    with running_net() as net:
        task = net.call_soon_with_future(heartbeat)
        net.call_later(0.1, lambda: shared.failure(KafkaTimeoutError("no answer")))
        with pytest.raises(KafkaTimeoutError, match="no answer"):
            net.run(question)
        deadline = time.monotonic() + 5
        while len(beats) < 3 and not task.is_done and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not task.is_done
        assert len(beats) >= 3

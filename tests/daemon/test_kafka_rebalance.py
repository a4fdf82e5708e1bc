"""Members that sleep, brokers that die, groups that change: on a real broker."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import structlog
from kafka.structs import MemberState

from daemon import kafka_guards
from daemon.clock import SystemClock
from daemon.kafka_options import KafkaOptions
from daemon.kafka_source import KafkaSource
from daemon.source import Partition, Revoked, SourceUnavailableError
from tests.ports import free_ports
from tests.source_worlds import KafkaWorld, Member, resumed, until

ZOMBIE = Path(__file__).with_name("zombie.py")


@pytest.fixture
def world(kafka_broker):
    """The real broker."""
    return KafkaWorld(kafka_broker)


# Members that sleep


class Process:
    """A member in a process of its own, and what it has said so far."""

    def __init__(self, *arguments):
        environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
        command = [sys.executable, "-W", "ignore", str(ZOMBIE), *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        self.said = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            self.said.append(tuple(json.loads(line)))

    def wait_for(self, event, after=0, timeout_s=20):
        """Wait until it says something new."""
        deadline = time.monotonic() + timeout_s
        while not any(said == event for said, _ in self.said[after:]):
            assert time.monotonic() < deadline, (event, self.said[after:])
            time.sleep(0.02)


@contextlib.contextmanager
def traffic(world, partition):
    """A record every few milliseconds."""
    stop = threading.Event()

    def produce():
        while not stop.wait(0.01):
            world.append(partition, [b"x"])

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def records_handed_to_a_zombie(world, mode):
    """Stop a member until another one has its partition; return what it is handed between waking and learning."""
    topic = world.create_topic()
    partition = Partition(topic, 0)
    group = f"group-{topic}"
    with traffic(world, partition):
        sleeper = Process(world.broker.bootstrap_servers, topic, group, mode)
        try:
            sleeper.wait_for("records")
            sleeper.process.send_signal(signal.SIGSTOP)
            heir = resumed(world, topic, session_timeout_s=2.0)
            until(lambda: heir.records, heir)
            slept = len(sleeper.said)
            sleeper.process.send_signal(signal.SIGCONT)
            learning = threading.Thread(target=sleeper.wait_for, args=("lost", slept), daemon=True)
            learning.start()
            while learning.is_alive():
                heir.poll()
            world.close(heir)
        finally:
            sleeper.process.kill()
            sleeper.process.wait(5)
    new = sleeper.said[slept:]
    learned = next(index for index, (event, _) in enumerate(new) if event == "lost")
    return [offset for event, offsets in new[:learned] if event == "records" for offset in offsets]


@pytest.mark.kafka
@pytest.mark.slow
def test_a_member_that_was_stopped_is_handed_nothing_of_a_partition_that_another_one_has(world):
    assert records_handed_to_a_zombie(world, "guarded") == []


@pytest.mark.kafka
@pytest.mark.slow
def test_without_the_question_to_the_group_it_would_be(world):
    assert len(records_handed_to_a_zombie(world, "bare")) > 0


@pytest.mark.kafka
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "bare"])
def test_a_member_that_was_cut_off_is_handed_nothing_of_what_another_one_has(world, monkeypatch, guarded):
    if not guarded:
        monkeypatch.setattr(kafka_guards, "confirm_membership", lambda *_: True)
    topic = world.create_topic()
    partition = Partition(topic, 0)
    with world.broker.proxy() as proxy:
        member = resumed(world, topic, bootstrap_servers=(proxy.address,), session_timeout_s=2.0)
        world.append(partition, [b"before"])
        until(lambda: member.values(partition) == [b"before"], member)
        member.poll()  # leaves a fetch on its way, whose answer will wait in the hole
        proxy.mode = "hole"
        world.append(partition, [b"after"])
        heir = resumed(world, topic, member, session_timeout_s=2.0)
        until(lambda: len(heir.values(partition)) == 2, heir, member)
        assert member.owned == {partition}
        assert heir.source.session_alive()
        if guarded:
            assert not member.source.session_alive()
            member.source._consumer._coordinator.heartbeat.reset_timeouts()  # what finding the coordinator again does
            assert not member.source.session_alive()
        proxy.mode = "pass"
        until(lambda: member.changes[-1] == Revoked((partition,), lost=True) or len(member.changes) > 1, member, heir)
        assert (member.values(partition) == [b"before"]) is guarded
        world.close(heir, member)


@pytest.mark.kafka
def test_an_answer_of_the_group_tells_of_the_time_at_which_it_was_asked(world):
    member = resumed(world, world.create_topic(), heartbeat_interval_s=0.2)
    member.source._membership._session_timeout_s = 1.0
    coordinator = member.source._consumer._coordinator
    answer, beat = coordinator._send_heartbeat_request, coordinator.heartbeat
    until(member.source.session_alive, member)

    async def late():
        await answer()
        await coordinator._net.sleep(1.2)

    coordinator._send_heartbeat_request = late
    until(lambda: not member.source.session_alive(), member)
    for _ in range(2):
        received = beat.last_receive
        until(lambda received=received: beat.last_receive > received, member)
        assert not member.source.session_alive()
    coordinator._send_heartbeat_request = answer
    until(member.source.session_alive, member)
    world.close(member)


@pytest.mark.kafka
def test_records_that_come_while_membership_is_in_doubt_are_held_back_and_lost_to_nobody(world, monkeypatch):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    member = resumed(world, topic)
    world.append(partition, [b"a", b"b"])
    until(lambda: len(member.values(partition)) == 2, member)
    world.append(partition, [b"c", b"d"])
    with monkeypatch.context() as doubt:
        doubt.setattr(kafka_guards, "confirm_membership", lambda *_: None)
        member.source._membership._confirmed -= 60
        for _ in range(5):
            member.poll()
        assert len(member.values(partition)) == 2
    until(lambda: len(member.values(partition)) == 4, member)
    assert member.offsets(partition) == [0, 1, 2, 3]
    assert not any(isinstance(change, Revoked) for change in member.changes)
    world.close(member)


@pytest.mark.kafka
def test_a_member_without_partitions_has_joined_and_makes_progress(world):
    topic = world.create_topic(1)
    first = resumed(world, topic)
    second = world.member(topic)
    until(lambda: second.source.health().joined, first, second)
    before = second.source.health().last_progress
    later = time.monotonic() + 1.5
    until(lambda: time.monotonic() > later, first, second)
    health = second.source.health()
    assert second.owned == set()
    assert health.reachable
    assert health.last_progress > before + 0.5
    assert second.source.heartbeat_age_s() < 2
    world.close(first, second)


@pytest.mark.kafka
def test_leaving_in_the_middle_of_a_rebalance_commits_what_was_staged_or_says_what_it_could_not(world):
    """The client refuses a commit where the next rebalance has begun already: then it is as after a kill, and told."""
    topic = world.create_topic(4)
    partitions = [Partition(topic, number) for number in range(4)]
    for partition in partitions:
        world.append(partition, [b"a", b"b"])
    first = resumed(world, topic)
    first.source.stage_commit(dict.fromkeys(partitions, 2))
    second = world.member(topic)

    def rebalancing():
        return first.source._consumer.group_metadata().state == MemberState.REBALANCING

    while not rebalancing():
        second.poll(0.02)
        first.poll(0.001)
    with structlog.testing.capture_logs() as lines:
        world.close(first)
    until(lambda: second.owned == set(partitions), second)
    stored = second.source.committed(partitions)
    refused = [line["partitions"] for line in lines if line["event"] == "offsets were not committed on revocation"]
    assert set(stored.values()) <= {2, None}
    assert list(stored.values()).count(None) == sum(refused)
    world.close(second)


@pytest.mark.kafka
def test_a_listener_that_fails_ends_the_polling_because_nobody_holds_the_partition_then(world):
    def refuse(_change):
        raise RuntimeError("the queue is broken")

    topic = world.create_topic()
    source = KafkaSource(world.options(topic), refuse, SystemClock())
    with pytest.raises(RuntimeError, match="the queue is broken"):
        source.poll(20)
    source.close(1.0)


# Brokers that die


@pytest.mark.kafka
@pytest.mark.slow
def test_a_broker_that_is_killed_and_comes_back_costs_no_record_and_doubles_none(world):
    topic = world.create_topic(2)
    partitions = [Partition(topic, number) for number in range(2)]
    for partition in partitions:
        world.append(partition, [b"a", b"b", b"c"])
    member = resumed(world, topic)
    until(lambda: all(len(member.values(part)) == 3 for part in partitions), member)
    try:
        world.broker.kill()
        until(lambda: "refuses connections" in member.source.health().reason, member)
        health = member.source.health()
        assert health.joined
        assert not health.reachable
        assert health.unreachable_since is not None
        assert member.source.commit(dict.fromkeys(partitions, 3)) is False
        with pytest.raises(SourceUnavailableError):
            member.source.end_offset(partitions[0])
        assert not member.source.any_broker_reachable()
    finally:
        world.broker.restart()
    for partition in partitions:
        world.append(partition, [b"d", b"e"])
    seen = len(member.changes)

    def caught_up():
        nonlocal seen
        for change in member.changes[seen:]:
            for partition in change.partitions:
                member.source.resume_at(partition, 3)
        seen = len(member.changes)
        return all(len(member.values(part)) >= 5 for part in partitions)

    until(caught_up, member, timeout_s=30)
    assert all(member.values(part) == [b"a", b"b", b"c", b"d", b"e"] for part in partitions)
    until(lambda: member.source.health().reachable, member)
    assert member.source.health().unreachable_since is None
    assert member.source.commit(dict.fromkeys(partitions, 5))
    world.close(member)


@pytest.mark.kafka
def test_connections_that_are_cut_again_and_again_cost_no_record_and_double_none(world):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    with world.broker.proxy() as proxy:
        member = resumed(world, topic, bootstrap_servers=(proxy.address,))
        for cut in range(4):
            world.append(partition, [b"%d" % cut] * 50)
            proxy.cut()
            until(lambda cut=cut: len(member.values(partition)) == 50 * (cut + 1), member)
        assert member.offsets(partition) == list(range(200))
        world.close(member)


@pytest.mark.kafka
def test_a_broker_that_swallows_everything_is_told_and_leaving_it_takes_no_longer_than_asked(world):
    topic = world.create_topic()
    with world.broker.proxy() as proxy:
        member = resumed(world, topic, bootstrap_servers=(proxy.address,))
        until(lambda: member.source.health().reachable, member)
        proxy.mode = "hole"
        until(lambda: not member.source.health().reachable, member, timeout_s=10)
        assert member.source.health().reason
        started = time.monotonic()
        member.source.close(1.5)
        assert time.monotonic() - started < 2.5


# No broker at all


@pytest.mark.parametrize("address", ["refusing", "unknown.invalid:9092"])
def test_without_a_broker_the_source_starts_at_once_tells_why_and_leaves_nothing_behind(address):
    if address == "refusing":
        address = f"127.0.0.1:{free_ports(1)[0]}"
    before = set(threading.enumerate())
    options = KafkaOptions(bootstrap_servers=(address,), group_id="group", topics=("topic",))
    started = time.monotonic()
    member = Member(lambda put: KafkaSource(options, put, SystemClock()))
    assert time.monotonic() - started < 1
    until(lambda: "kafka.bootstrap_servers" in member.source.health().reason, member)
    health = member.source.health()
    assert (health.joined, health.reachable) == (False, False)
    assert address in health.reason
    assert member.changes == []
    assert member.source.heartbeat_age_s() is None
    with pytest.raises(SourceUnavailableError):
        member.source.committed([Partition("topic", 0)])
    assert member.source.partition_count("topic") is None
    started = time.monotonic()
    member.source.close(1.0)
    assert time.monotonic() - started < 2
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert set(threading.enumerate()) - before == set()


# The demo's broker


def test_the_embedded_broker_is_read_too(embedded_broker):
    topic = f"topic-{time.time_ns()}"
    embedded_broker.create_topic(topic, 2)
    partition = Partition(topic, 1)
    embedded_broker.produce(topic, [b"a", b"b"], partition=1)
    member = resumed(KafkaWorld(embedded_broker), topic, session_timeout_s=6.0, heartbeat_interval_s=1.0)
    until(lambda: member.values(partition) == [b"a", b"b"], member)
    assert member.source.largest_timestamp_ms(partition) is None  # it hangs up on the question
    assert member.source.commit({partition: 2})
    assert member.source.committed([partition]) == {partition: 2}
    member.source.close(2.0)

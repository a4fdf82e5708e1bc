"""The loop under every order of events that a group of replicas can meet, on a log in memory and a clock of its own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon import loop as loop_module
from daemon.accounts import StreamAccount
from daemon.board import Board, Rendered
from daemon.codec import RECORD_REASONS, Format, compile_decoder
from daemon.commands_queue import Command, CommandQueue
from daemon.health import Health
from daemon.loop import Loop
from daemon.memory_log import MemoryLog
from daemon.memory_source import MemorySource
from daemon.ownership import own
from daemon.restore import ReplayRestore
from daemon.source import Partition, SourceUnavailableError
from daemon.streams import Stream
from estimators.spec import StreamSpec, WindowSpec
from estimators.validation import PAIR_REASONS
from tests.e2e.recomputation import Ring, window
from tests.e2e.traffic import Traffic

START_S = 1_700_000_000.0
PARTITIONS = 3
RING = Ring(60_000_000, max_skew_us=2_000_000)
SPEC = StreamSpec(windows=(WindowSpec("1m", RING.length_us),), max_skew_us=RING.max_skew_us)
DECODER = compile_decoder(Format(label_names=("model", "version")))


class VirtualClock:
    """Moves only when told."""

    def __init__(self):
        self.seconds = 0.0

    def now(self):
        return START_S + self.seconds

    def monotonic(self):
        return self.seconds


class Replica:
    """One daemon without threads: its timers fire when the test says so."""

    def __init__(self, world):
        self.board, self.queue, self.health = Board(), CommandQueue(), Health(heartbeat=0.0)
        self.source = MemorySource(world.log, "group", ["pairs"], self.queue.put, world.clock, max_poll_records=50)
        self.account = StreamAccount("pairs", RECORD_REASONS, PAIR_REASONS)
        self.loop = Loop(
            source=self.source,
            streams=[Stream("pairs", "pairs", ("model", "version"), DECODER, SPEC, 1e-13, min_messages=1)],
            accounts={"pairs": self.account},
            restore=world.restore,
            queue=self.queue,
            board=self.board,
            health=self.health,
            clock=world.clock,
            render=lambda published: Rendered(b"", b"", b"", b""),
            log_counts=dict,
        )

    @property
    def stream(self):
        """What it published last of the one stream."""
        return self.board.published.streams[0]


class World:
    """A topic, its traffic, and a group of replicas that come and go."""

    def __init__(self, restore=None, *, started=True):
        self.clock, self.log = VirtualClock(), MemoryLog()
        self.log.create_topic("pairs", PARTITIONS)
        self.traffic = Traffic(seed=1, partitions=PARTITIONS)
        self.restore = restore or ReplayRestore()
        self.replicas = [Replica(self)]
        self.counted_by_the_gone = 0
        self.counted_twice_at_most = 0
        if started:  # the group has offsets from here on: without any, counting starts where reading does
            self.commit(0)
            self.settle()

    def produce(self, count):
        for partition, stamp, payload in self.traffic.records(count, self.clock.now() - 4, self.clock.now()):
            self.log.append(Partition("pairs", partition), [payload], [stamp])

    def wait(self, seconds):
        self.clock.seconds += seconds

    def join(self, _):
        if len(self.replicas) < PARTITIONS:
            self.replicas.append(Replica(self))

    def turn(self, which):
        self.replicas[which % len(self.replicas)].loop.turn()

    def commit(self, which):
        self.replicas[which % len(self.replicas)].queue.put(Command.COMMIT)

    def stop(self, which):
        """A clean end: SIGTERM."""
        if len(self.replicas) > 1:
            gone = self.replicas.pop(which % len(self.replicas))
            gone.loop.close()
            self.counted_by_the_gone += gone.account.consumed

    def kill(self, which):
        """An end without a word: what it had counted since its last commit is counted again by others."""
        if len(self.replicas) > 1:
            gone = self.replicas.pop(which % len(self.replicas))
            if gone.source in self.log.group("group").members:
                self.log.evict("group", gone.source)
            self.counted_by_the_gone += gone.account.consumed
            self.counted_twice_at_most += gone.account.consumed

    def evict(self, which):
        """The group gives a replica's partitions away; it lives on, finds out, and joins again."""
        replica = self.replicas[which % len(self.replicas)]
        if replica.source in self.log.group("group").members:
            self.log.evict("group", replica.source)
            self.counted_twice_at_most += replica.account.consumed

    def outage(self, turns):
        self.log.answering = False
        for turn in range(turns % 4):
            self.turn(turn)
        self.log.answering = True

    def settle(self):
        """Let everybody read to the end and publish."""
        for _ in range(200):
            self.wait(0.01)
            for replica in self.replicas:
                replica.loop.turn()
            if self._read_to_the_end():
                break
        else:
            pytest.fail("the replicas do not come to the end of the log")
        for _ in range(2):  # the first sets the mark that the second is judged by
            for replica in self.replicas:
                replica.loop.publish()

    def _read_to_the_end(self):
        partitions = [part for replica in self.replicas for part in replica.loop._owned.values()]
        return len(partitions) == PARTITIONS and all(part.restored and part.position >= part.target and
            part.position >= self.log.track(part.partition).end for part in partitions)  # fmt: skip

    def consumed(self):
        return self.counted_by_the_gone + sum(replica.account.consumed for replica in self.replicas)

    def assert_windows_are_exact(self):
        """Sum of the replicas' parts = the recomputation: counts exactly, moments to 1e-12 of their terms."""
        end = {replica.stream.windows[0].end_timestamp_seconds for replica in self.replicas}
        assert len(end) == 1
        expected = window(self.traffic.messages, RING, end.pop())
        found = {}
        for replica in self.replicas:
            total = replica.stream.windows[0].estimates.total
            for index, key in enumerate(replica.stream.keys):
                found[key] = found[key].merge(total[index]) if key in found else total[index]
        found = {key: total for key, total in found.items() if total.count_of("messages")}
        assert {key: int(total.count_of("messages")) for key, total in found.items()} == {
            key: truth["messages"] for key, truth in expected.items()
        }
        for key, truth in expected.items():
            fixed = float(found[key].sum_of("SF") / found[key].sum_of("W"))
            assert np.isclose(fixed, truth["fixed"], rtol=1e-12, atol=0)


ACTIONS = st.one_of(
    st.tuples(st.just("produce"), st.integers(1, 60)),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 3.0, 20.0, 45.0])),
    st.tuples(st.sampled_from(["turn", "turn", "turn", "commit", "join", "stop", "outage"]), st.integers(0, 5)),
)


def run(world, actions):
    for name, argument in actions:
        getattr(world, name)(argument)
    world.settle()


@given(st.lists(ACTIONS, max_size=60))
@settings(max_examples=60, deadline=None)
def test_windows_and_counters_are_exact_whatever_living_replicas_do(actions):
    world = World()
    run(world, actions)
    world.assert_windows_are_exact()
    assert world.consumed() == len(world.traffic.messages)
    assert all(replica.stream.windows[0].complete.all() for replica in world.replicas)
    assert all(replica.health.readiness.ready for replica in world.replicas)


@given(st.lists(st.one_of(ACTIONS, st.tuples(st.sampled_from(["kill", "evict"]), st.integers(0, 5))), max_size=60))
@settings(max_examples=60, deadline=None)
def test_windows_stay_exact_through_kills_and_counters_only_repeat_what_was_not_committed(actions):
    world = World()
    run(world, actions)
    world.assert_windows_are_exact()
    surplus = world.consumed() - len(world.traffic.messages)
    assert 0 <= surplus <= world.counted_twice_at_most


def schedule_with_a_handover():
    """Replicas join while records flow, so that partitions are read again by their new owners."""
    steps = [("produce", 60), ("turn", 0), ("turn", 0), ("commit", 0), ("turn", 0), ("join", 0)]
    steps += [("turn", 0), ("turn", 1), ("produce", 40), ("wait", 3.0)] + [("turn", turn) for turn in range(8)]
    return [*steps, ("stop", 0), ("produce", 30)]


def test_control_counting_from_the_start_of_the_replay_counts_twice(monkeypatch):
    def forgetful(*args, **kwargs):
        owned = own(*args, **kwargs)
        owned.count_from = 0
        return owned

    monkeypatch.setattr(loop_module, "own", forgetful)
    world = World()
    run(world, schedule_with_a_handover())
    world.assert_windows_are_exact()
    assert world.consumed() > len(world.traffic.messages)


def test_control_a_revocation_that_does_not_commit_counts_twice(monkeypatch):
    monkeypatch.setattr(MemorySource, "stage_commit", lambda self, offsets: None)
    world = World()
    run(world, schedule_with_a_handover())
    assert world.consumed() > len(world.traffic.messages)


def test_a_replay_that_is_too_short_says_that_its_windows_are_not_complete():
    world = World(ReplayRestore(span_us=1_000_000), started=False)
    for _ in range(12):
        world.produce(20)
        world.wait(4)
    world.settle()
    with pytest.raises(AssertionError):
        world.assert_windows_are_exact()
    assert not world.replicas[0].stream.windows[0].complete.any()


def test_offsets_that_can_never_be_read_are_counted_and_make_the_window_incomplete_until_it_has_passed():
    world = World()
    world.produce(90)
    world.settle()
    replica, partition = world.replicas[0], Partition("pairs", 0)
    end = world.log.track(partition).end
    world.produce(60)
    lost = world.log.track(partition).end - end
    world.log.corrupt(partition, end, end + lost)
    world.wait(4)
    world.produce(30)
    world.settle()
    gaps = {part.partition: part.gap_offsets for part in replica.board.published.partitions}
    assert gaps == {Partition("pairs", number): lost if number == 0 else 0 for number in range(PARTITIONS)}
    assert not replica.stream.windows[0].complete.any()
    assert replica.account.consumed == len(world.traffic.messages) - lost
    for _ in range(20):
        world.wait(4)
        world.produce(20)
        world.settle()
    assert replica.stream.windows[0].complete.all()


def test_a_re_created_topic_starts_anew():
    world = World()
    world.produce(90)
    world.commit(0)
    world.settle()
    before = len(world.traffic.messages)
    world.log.recreate_topic("pairs")
    world.traffic = Traffic(seed=2, partitions=PARTITIONS)
    world.produce(120)
    world.settle()
    world.assert_windows_are_exact()
    assert world.consumed() == before + 120


def test_readiness_says_why_and_an_outage_of_a_minute_ends_it():
    world = World(started=False)
    replica = world.replicas[0]
    world.log.answering = False
    replica.loop.turn()
    assert not replica.health.readiness.ready
    assert "group has not answered" in " ".join(replica.health.readiness.reasons)
    world.log.answering = True
    world.settle()
    assert replica.health.readiness.ready
    world.log.answering = False
    replica.loop.turn()
    world.wait(59)
    replica.loop.turn()
    assert replica.health.readiness.ready
    world.wait(2)
    replica.loop.turn()
    assert not replica.health.readiness.ready
    assert any("61 s" in reason for reason in replica.health.readiness.reasons)


def test_a_partition_whose_start_cannot_be_asked_for_is_tried_again():
    world = World(started=False)
    world.produce(30)
    source = world.replicas[0].source
    source.poll(0)
    world.log.answering = False
    world.replicas[0].loop.turn()
    assert len(world.replicas[0].loop._starting) == PARTITIONS
    assert "the log does not answer" in world.replicas[0].health.readiness.reasons
    world.log.answering = True
    world.wait(1.5)
    world.settle()
    world.assert_windows_are_exact()
    assert world.consumed() == 30


def test_after_a_long_stop_the_records_in_between_are_counted_although_no_window_holds_them():
    world = World()
    world.produce(30)
    world.settle()
    world.commit(0)
    world.settle()
    world.join(0)
    world.kill(0)
    for _ in range(10):  # nobody reads; far more than the replay's span passes
        world.produce(10)
        world.wait(30)
    world.settle()
    world.assert_windows_are_exact()
    assert world.consumed() == len(world.traffic.messages)


def test_records_that_expired_before_anybody_read_them_are_a_gap():
    world = World()
    world.produce(60)
    world.join(0)
    world.kill(0)
    partition = Partition("pairs", 1)
    world.log.expire(partition, 5)
    world.settle()
    (gaps,) = {part.gap_offsets for part in world.replicas[0].board.published.partitions if part.partition == partition}
    assert gaps == 5
    assert world.consumed() == len(world.traffic.messages) - 5


def test_a_member_that_is_thrown_out_and_joins_again_counts_nothing_twice():
    world = World()
    world.produce(90)
    world.settle()
    world.log.evict("group", world.replicas[0].source)
    world.produce(60)
    world.settle()
    world.assert_windows_are_exact()
    assert world.consumed() == 150


def test_one_partition_that_cannot_start_keeps_no_other_from_starting(monkeypatch):
    world = World(started=False)
    world.produce(60)
    source, stuck = world.replicas[0].source, Partition("pairs", 0)

    def beginning(partition, answer=source.beginning_offset):
        if partition == stuck:
            raise SourceUnavailableError("partition 0 has no leader")
        return answer(partition)

    monkeypatch.setattr(source, "beginning_offset", beginning)
    for _ in range(20):
        world.wait(0.1)
        world.replicas[0].loop.turn()
    assert set(world.replicas[0].loop._owned) == {Partition("pairs", 1), Partition("pairs", 2)}
    assert "partition 0 has no leader" in world.replicas[0].health.readiness.reasons
    monkeypatch.undo()
    world.wait(30)
    world.settle()
    world.assert_windows_are_exact()


def test_a_turn_asks_for_the_starts_of_partitions_a_second_at_most(monkeypatch):
    world = World(started=False)
    world.log.create_topic("pairs", 40)
    loop, source = world.replicas[0].loop, world.replicas[0].source

    def slow(partition, answer=source.beginning_offset):
        world.wait(0.3)
        return answer(partition)

    monkeypatch.setattr(source, "beginning_offset", slow)
    before = world.clock.monotonic()
    loop.turn()
    assert 0 < len(loop._owned) <= 4
    assert world.clock.monotonic() - before < 2


def test_in_an_outage_windows_are_not_complete_since_nobody_knows_what_they_miss():
    world = World()
    world.produce(90)
    world.settle()
    replica = world.replicas[0]
    assert replica.stream.windows[0].complete.all()
    world.log.answering = False
    world.produce(90)
    replica.loop.turn()
    replica.loop.publish()
    assert not replica.stream.windows[0].complete.any()
    world.log.answering = True
    world.settle()
    assert replica.stream.windows[0].complete.all()


@pytest.mark.parametrize("later", [None, -120, "unknown"])
def test_a_gap_at_the_end_of_the_log_makes_windows_incomplete_whatever_follows(later):
    world = World()
    world.produce(90)
    world.settle()
    replica, partition = world.replicas[0], Partition("pairs", 0)
    end = world.log.track(partition).end
    world.log.append(partition, [b"{}"] * 20, [int(world.clock.now() * 1000)] * 20)
    world.log.corrupt(partition, end, end + 20)
    if later is not None:  # under CreateTime the next record may carry an old timestamp
        stamp = -1 if later == "unknown" else int((world.clock.now() + later) * 1000)
        world.log.append(partition, [b"{}"], [stamp])
    world.settle()
    assert not replica.stream.windows[0].complete.any()
    world.wait(70)
    world.produce(5)
    world.settle()
    assert replica.stream.windows[0].complete.all()


def test_a_log_whose_records_are_all_gone_is_complete_only_after_a_window():
    world = World()
    world.produce(90)
    world.join(0)
    world.kill(0)
    partition = Partition("pairs", 1)
    world.log.expire(partition, world.log.track(partition).end)
    world.settle()
    assert not world.replicas[0].stream.windows[0].complete.any()
    world.wait(70)
    world.produce(1)
    world.settle()
    assert world.replicas[0].stream.windows[0].complete.all()


def test_a_committed_offset_beyond_the_log_is_void_and_everything_there_is_counted():
    world = World(started=False)
    for number in range(PARTITIONS):
        world.log.group("group").committed[Partition("pairs", number)] = 1000
    world.produce(90)
    world.commit(0)
    world.settle()
    world.commit(0)
    world.settle()
    assert world.consumed() == 90
    assert max(world.log.group("group").committed.values()) < 1000


def test_gaps_and_clock_jumps_never_fall_while_the_process_lives():
    world = World()
    world.produce(30)
    world.settle()
    partition = Partition("pairs", 0)
    end = world.log.track(partition).end
    world.log.append(partition, [b"{}"] * 3, [int(world.clock.now() * 1000)] * 3)
    world.log.corrupt(partition, end, end + 3)
    world.wait(400)
    world.produce(30)
    world.settle()

    def counters():
        parts = world.replicas[0].board.published.partitions
        return [
            (part.partition, part.gap_offsets, part.clock_jumps) for part in sorted(parts, key=lambda p: p.partition)
        ]

    before = counters()
    assert before[0] == (partition, 3, 1)
    world.log.evict("group", world.replicas[0].source)
    world.settle()
    assert counters() == before


def test_a_record_from_the_future_does_not_enter_the_delays():
    world = World()
    world.produce(30)
    world.settle()
    stream = world.replicas[0].stream
    ahead = b'{"model": "ranker", "version": "1", "logp": -1, "logq": -1, "ts": 4000000000}'
    world.log.append(Partition("pairs", 0), [ahead], [int(world.clock.now() * 1000)])
    world.settle()
    after = world.replicas[0].stream
    assert after.records_rejected["future"] == 1
    assert after.event_delay_sum_seconds == stream.event_delay_sum_seconds
    assert after.event_delay_buckets == stream.event_delay_buckets

"""What the loop makes of gaps, outages, stuck partitions and logs that are not what they were."""

import pytest

from daemon.restore import ReplayRestore
from daemon.source import Partition, SourceUnavailableError
from tests.daemon.loop_world import PARTITIONS, World
from tests.e2e.traffic import Traffic


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


@pytest.mark.parametrize("noticed", [True, False])
def test_what_was_committed_of_an_old_topic_hides_nothing_of_the_new_one(noticed):
    world = World()
    world.produce(90)
    world.commit(0)
    world.settle()
    stale = dict(world.log.group("group").committed)
    before = len(world.traffic.messages)
    world.log.recreate_topic("pairs")
    if noticed:  # the deletion was: the partitions went, and come again
        world.log.evict("group", world.replicas[0].source)
    else:
        world.log.group("group").committed |= stale  # committed again before anybody noticed
    world.traffic = Traffic(seed=2, partitions=PARTITIONS)
    world.produce(120)
    world.settle()
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

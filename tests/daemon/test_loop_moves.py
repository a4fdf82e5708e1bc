"""What is published and counted while partitions move, go unanswered, or are read again slowly."""

import pytest

from daemon.source import Partition
from tests.daemon.loop_world import PARTITIONS, World


def test_publish_follows_at_once_when_partitions_are_given_away_or_the_last_one_is_restored():
    world = World()
    world.produce(90)
    world.settle()
    replica = world.replicas[0]
    world.join(0)
    before = replica.board.published
    for _ in range(6):
        world.wait(0.1)
        for each in world.replicas:
            each.turn()
    assert replica.board.published is not before
    assert len(replica.board.published.partitions) < PARTITIONS
    newcomer = world.replicas[1].board.published
    assert newcomer is not None
    assert all(board.restored for board in newcomer.partitions)


def test_a_partition_that_nobody_answers_for_is_not_complete():
    world = World()
    world.produce(90)
    world.settle()
    assert world.replicas[0].stream.windows[0].complete.all()
    world.log.track(Partition("pairs", 1)).led = False
    for _ in range(7):
        world.wait(1)
        world.turn(0)
    world.replicas[0].loop.publish()
    assert not world.replicas[0].stream.windows[0].complete.any()


def test_what_was_appended_while_nobody_answered_has_to_be_read_before_a_window_is_complete_again():
    world = World()
    world.produce(90)
    world.settle()
    replica, partition = world.replicas[0], Partition("pairs", 1)
    world.log.track(partition).led = False
    for _ in range(7):
        world.wait(1)
        world.turn(0)
    world.produce(600)
    replica.loop.publish()
    world.log.track(partition).led = True
    verdicts = []
    for _ in range(30):
        world.wait(0.01)
        world.turn(0)
        replica.loop.publish()
        read = replica.loop._owned[partition].position == world.log.track(partition).end
        verdicts.append((read, bool(replica.stream.windows[0].complete.all())))
    assert verdicts[0] == (False, False)
    first = verdicts.index((True, True))
    assert not any(complete for _, complete in verdicts[:first])


def test_after_a_session_without_an_answer_nothing_is_shown_as_ours_and_nothing_is_forgotten():
    world = World()
    world.produce(90)
    world.settle()
    replica = world.replicas[0]
    world.log.answering = False
    world.wait(44)
    replica.turn()
    replica.loop.publish()
    assert len(replica.board.published.partitions) == PARTITIONS
    assert len(replica.stream.keys) > 0
    world.wait(2)
    replica.turn()  # no timer asks for it
    assert replica.board.published.partitions == ()
    assert len(replica.stream.keys) == 0
    assert replica.stream.records_consumed == 90
    world.log.answering = True
    replica.turn()
    assert len(replica.board.published.partitions) == PARTITIONS
    world.settle()
    world.assert_windows_are_exact()
    assert world.consumed() == 90


def test_a_group_that_is_silent_while_brokers_answer_is_told_by_the_readiness(monkeypatch):
    world = World()
    world.produce(90)
    world.settle()
    replica = world.replicas[0]
    assert replica.health.readiness.ready
    with monkeypatch.context() as silence:
        silence.setattr(replica.source, "session_alive", lambda: False)
        replica.turn()
        assert not replica.health.readiness.ready
        assert "coordinator of the consumer group" in replica.health.readiness.reasons[0]
        assert replica.board.published.partitions == ()
    replica.turn()
    assert replica.health.readiness.ready
    assert len(replica.board.published.partitions) == PARTITIONS


def test_in_an_outage_the_readiness_tells_of_the_brokers_alone():
    world = World()
    world.log.answering = False
    for seconds, ready in ((0, True), (50, True), (11, False)):
        world.wait(seconds)
        world.replicas[0].turn()
        assert world.replicas[0].health.readiness.ready is ready
    assert len(world.replicas[0].health.readiness.reasons) == 1


def test_a_process_that_lost_its_membership_since_its_poll_publishes_nothing():
    world = World()
    world.produce(90)
    world.settle()
    replica = world.replicas[0]
    before = replica.board.published
    world.log.evict("group", replica.source)
    replica.loop.publish()
    assert replica.board.published is before


def test_a_replay_that_is_slowed_down_reads_so_many_bytes_a_second_while_owned_partitions_go_on():
    world = World(replay_rate=2000)
    world.produce(3000)
    world.settle()
    world.commit(0)
    world.turn(0)
    world.join(0)
    world.kill(0)
    replica = world.replicas[0]
    begun, seen = world.clock.monotonic(), []
    for _ in range(2000):
        world.wait(0.1)
        world.turn(0)
        seen += [reason for reason in replica.health.readiness.reasons if "records/s" in reason]
        if replica.loop._owned and all(owned.restored for owned in replica.loop._owned.values()):
            break
    size = sum(
        len(r.value) for number in range(PARTITIONS) for r in world.log.track(Partition("pairs", number)).records
    )
    assert world.clock.monotonic() - begun >= 0.8 * size / 2000
    assert any("partitions are still being restored from the log: " in reason for reason in seen)
    assert "million" not in seen[-1]


def test_a_partition_that_is_held_and_begins_anew_is_held_again_and_its_progress_is_its_own():
    world = World(replay_rate=2000)
    world.produce(3000)
    world.settle()
    world.commit(0)
    world.turn(0)
    world.join(0)
    world.kill(0)
    replica = world.replicas[0]
    while not replica.loop._replays._held:
        world.wait(0.1)
        world.turn(0)
    world.log.evict("group", replica.source)
    read = 0
    for _ in range(5):  # no time passes: nothing may be read beyond the turn that finds out
        world.turn(0)
        positions = [owned.position for owned in replica.loop._owned.values()]
        read, before = sum(positions), read
    assert len(positions) == PARTITIONS
    assert read == before
    assert all(first == 0 for first, _ in replica.loop._replays._spans.values())


def test_a_gap_at_the_end_of_the_log_is_counted_once_by_a_process_that_is_thrown_out_before_it_commits():
    world = World()
    world.produce(30)
    world.settle()
    world.commit(0)
    world.turn(0)
    partition = Partition("pairs", 0)
    end = world.log.track(partition).end
    world.log.append(partition, [b"{}"] * 3, [int(world.clock.now() * 1000)] * 3)
    world.log.corrupt(partition, end, end + 3)
    world.settle()
    world.log.evict("group", world.replicas[0].source)
    world.settle()
    (board,) = (part for part in world.replicas[0].board.published.partitions if part.partition == partition)
    assert board.gap_offsets == 3


def test_the_group_is_left_even_if_what_comes_before_fails(monkeypatch):
    world = World()
    replica = world.replicas[0]

    def fail(*args):
        raise RuntimeError("the thread that keeps snapshots has died")

    monkeypatch.setattr(replica.loop._snapshots, "finish", fail)
    with pytest.raises(RuntimeError, match="has died"):
        replica.loop.close()
    assert replica.source not in world.log.group("group").members

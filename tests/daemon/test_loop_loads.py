"""Loading of snapshots by a store that is slow, fails, or has nobody left who waits for it."""

from structlog.testing import capture_logs

from daemon.snapshots.medium import MediumError
from daemon.source import Partition
from tests.daemon.loop_world import PARTITIONS
from tests.daemon.test_loop_snapshots import SnapshotWorld


def test_a_store_that_fails_is_asked_again_for_a_minute_and_then_the_log_is_read():
    world = SnapshotWorld()
    world.produce(90)
    world.settle()
    world.save()

    def fail(operation):
        raise MediumError("the disk is gone")

    world.before = fail
    world.restart(0)
    world.wait(1)
    for _ in range(4):
        world.turn(0)
    reasons = world.replicas[0].health.readiness.reasons
    assert any("its snapshot cannot be loaded: the disk is gone" in reason for reason in reasons)
    assert not world.replicas[0].loop._owned
    for _ in range(70):
        world.wait(1)
        world.turn(0)
    world.settle()
    assert world.restores() == [{"replay": PARTITIONS, "memory": 0}]
    world.assert_windows_are_exact()


def test_a_store_that_comes_back_within_the_minute_is_used():
    world = SnapshotWorld()
    world.produce(90)
    world.settle()
    world.save()
    failing = [MediumError("the disk is slow")]

    def fail_once(operation):
        if failing:
            raise failing.pop()

    world.before = fail_once
    world.restart(0)
    for _ in range(8):
        world.wait(1)
        world.turn(0)
    world.settle()
    assert world.restores() == [{"replay": 0, "memory": PARTITIONS}]
    world.assert_windows_are_exact()


def test_an_outage_of_store_and_brokers_ends_in_a_start_from_the_snapshot_however_long_it_was():
    world = SnapshotWorld()
    world.produce(90)
    world.settle()
    world.save()

    def fail(operation):
        raise MediumError("no broker answers")

    world.before = fail
    world.restart(0)
    world.turn(0)
    world.log.answering = False
    with capture_logs() as logs:
        for _ in range(300):
            world.wait(1)
            world.turn(0)
    assert len(logs) < 4 * PARTITIONS
    world.log.answering = True
    world.before = lambda operation: None
    for _ in range(35):
        world.wait(1)
        world.turn(0)
    world.settle()
    assert world.restores() == [{"replay": 0, "memory": PARTITIONS}]


def test_what_came_while_a_snapshot_was_loaded_is_read_before_any_window_is_complete():
    world = SnapshotWorld()
    world.produce(90)
    world.settle()
    world.save()
    world.restart(0)
    replica = world.replicas[0]
    for _ in range(2):
        replica.loop.turn()  # the keeper is asked, and takes its time
    world.wait(20)
    world.produce(600)
    replica.keeper.work()
    for _ in range(20):
        replica.loop.turn()
        replica.loop.publish()
        read = sum(owned.position for owned in replica.loop._owned.values())
        assert replica.stream.windows[0].complete.all() <= (read >= len(world.traffic.messages))
    assert replica.stream.windows[0].complete.all()


def test_loads_that_nobody_waits_for_any_more_do_not_hold_up_the_last_snapshots():
    world = SnapshotWorld()
    world.produce(90)
    world.settle()
    replica = world.replicas[0]
    waiting, asked = Partition("pairs", 0), []
    world.before = asked.append
    replica.loop._drop([waiting])
    replica.loop._starting.add([waiting])
    replica.loop.turn()  # the keeper is asked, and has not begun
    replica.loop.close()
    assert "manifests" not in asked[: asked.index("put")]

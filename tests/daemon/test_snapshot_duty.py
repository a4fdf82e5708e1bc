"""What the loop does about snapshots: never for long, never holding much, and never from a base that may be gone."""

import pytest
from structlog.testing import capture_logs

from daemon.commands_queue import Command
from daemon.snapshots import captures as captures_module
from daemon.snapshots.keeper import Saved
from daemon.snapshots.medium import MediumError
from daemon.snapshots.store import Receipt
from daemon.source import Partition
from tests.daemon.loop_world import PARTITIONS
from tests.daemon.test_loop_snapshots import SnapshotWorld


def world_with_records():
    world = SnapshotWorld()
    world.produce(90)
    world.settle()
    return world


def on_its_way(world):
    captures = world.replicas[0].loop._snapshots._captures
    return {partition for partition, progress in captures._progress.items() if progress.on_its_way is not None}


def slow_captures(world, monkeypatch, seconds):
    original = captures_module.capture

    def slow(*args):
        world.wait(seconds)
        return original(*args)

    monkeypatch.setattr(captures_module, "capture", slow)


def test_a_turn_captures_for_some_milliseconds_and_the_next_ones_do_the_rest(monkeypatch):
    world = world_with_records()
    slow_captures(world, monkeypatch, 0.04)
    world.snapshot(0)
    seen = []
    for _ in range(3):
        world.turn(0)
        seen.append(len(on_its_way(world)))
    assert seen == [2, 3, 3]


def test_no_more_is_captured_than_may_be_held_until_some_of_it_is_saved(monkeypatch):
    world = world_with_records()
    monkeypatch.setattr(captures_module, "HELD_BYTES_MAX", 1)
    world.snapshot(0)
    for _ in range(3):
        world.turn(0)
    assert len(on_its_way(world)) == 1
    world.commit(0)
    for _ in range(2 * PARTITIONS):
        world.turn(0)
    assert not on_its_way(world)
    world.restart(0)
    world.settle()
    assert world.restores() == [{"replay": 0, "memory": PARTITIONS}]


def test_a_stop_captures_no_longer_than_it_may(monkeypatch):
    world = world_with_records()
    slow_captures(world, monkeypatch, 3.0)
    began = world.clock.monotonic()
    world.replicas[0].loop.close()
    assert world.clock.monotonic() - began == 6.0  # a third one would begin after the 4.5 s that there are


def test_a_partition_in_which_nothing_happens_is_saved_again_once_the_medium_has_lost_everything():
    world = world_with_records()
    world.save()
    world.disk.log = [None] * len(world.disk.log)
    busy = Partition("pairs", 0)
    world.log.append(busy, [b"{}"], [int(world.clock.now() * 1000)])
    world.turn(0)
    for _ in range(3):
        world.save()
    world.restart(0)
    world.settle()
    assert world.restores() == [{"replay": 0, "memory": PARTITIONS}]


def test_what_was_captured_before_entries_were_found_gone_is_no_base():
    world = world_with_records()
    world.save()
    loop = world.replicas[0].loop
    captures = loop._snapshots._captures
    world.produce(90)
    world.replicas[0].loop.turn()
    for command in (Command.COMMIT, Command.SNAPSHOT):
        world.replicas[0].queue.put(command)
    loop.turn()
    first, second, _ = sorted(captures._progress)
    captures.settle(Saved(captures._progress[first].ticket, first, failure="the topic was made anew", gone=True))
    captures.settle(Saved(captures._progress[second].ticket, second, Receipt(1, 1)))
    world.replicas[0].queue.put(Command.SNAPSHOT)
    loop.turn()
    snapshot = captures._progress[second].on_its_way.snapshot
    assert all(section is not None for image in snapshot.images for section in image.sections.values())


def test_what_waits_when_entries_are_found_gone_is_captured_anew():
    world = world_with_records()
    world.save()
    loop = world.replicas[0].loop
    world.produce(90)
    world.snapshot(0)
    loop.turn()
    assert len(on_its_way(world)) == PARTITIONS
    loop._snapshots._captures.forget_bases()
    assert not on_its_way(world)


@pytest.mark.parametrize("named", [False, True])
def test_a_failure_is_told_once_however_many_partitions_and_saves_it_meets(named):
    world = world_with_records()

    def save_fails(original):
        def save(snapshot):
            if named and snapshot.partition.number:
                return original(snapshot)
            raise MediumError(f"{snapshot.partition.number if named else 'the disk'} is full")

        return save

    store = world.replicas[0].keeper._store
    store.save = save_fails(store.save)
    with capture_logs() as logs:
        for _ in range(4):
            world.produce(30)
            world.turn(0)
            world.save()
    assert len([line for line in logs if line["event"].startswith("a snapshot was not saved")]) == 1
    assert world.replicas[0].loop._snapshots.failures >= 4

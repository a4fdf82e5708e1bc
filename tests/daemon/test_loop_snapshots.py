"""Exact through snapshots: windows, counters and offsets of replicas that die, restore and hand over."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from daemon import restoring as restoring_module
from daemon.snapshots.chunk_store import ChunkStore
from daemon.snapshots.medium import MediumError
from daemon.source import Partition
from tests.daemon.loop_world import PARTITIONS, World
from tests.daemon.test_loop import ACTIONS
from tests.snapshots.memory_medium import Disk, MemoryMedium

CRASHES = st.tuples(st.sampled_from(["snapshot", "snapshot", "kill", "evict", "restart"]), st.integers(0, 5))


class SnapshotWorld(World):
    """A world whose replicas keep snapshots on one disk."""

    def __init__(self, **more):
        self.disk, self.before = Disk(), lambda operation: None
        super().__init__(store=lambda: ChunkStore(MemoryMedium(self.disk, self._before), "group"), **more)

    def _before(self, operation):
        self.before(operation)

    def restart(self, which):
        """Kill -9, and start again: what was counted since the last commit is counted again."""
        self.replicas.append(self.replica())
        self.kill(which % (len(self.replicas) - 1))

    def save(self):
        """Commit and snapshot everywhere, and wait until it is durable."""
        for which in range(len(self.replicas)):
            self.commit(which)
            self.snapshot(which)
        for _ in range(3):
            for which in range(len(self.replicas)):
                self.turn(which)

    def restores(self):
        return [replica.board.published.process.restores for replica in self.replicas]


def run(world, actions):
    for name, argument in actions:
        getattr(world, name)(argument)
    world.settle()


@given(st.lists(st.one_of(ACTIONS, CRASHES), max_size=60))
@settings(max_examples=60, deadline=None)
def test_windows_are_exact_through_crashes_restores_and_moves_and_counters_repeat_only_what_was_not_committed(actions):
    world = SnapshotWorld()
    run(world, actions)
    world.assert_windows_are_whole()
    world.assert_only_what_was_not_committed_is_counted_again()


def test_a_restart_starts_from_the_snapshot_and_reads_only_what_came_after_it():
    world = SnapshotWorld()
    world.produce(90)
    world.settle()
    world.save()
    world.produce(30)
    world.restart(0)
    with capture_logs() as logs:
        world.settle()
    started = {line["partition"]: line for line in logs if line["event"] == "partition started"}
    assert len(started) == PARTITIONS
    for line in started.values():
        assert line["restored_from"] == "memory"
        assert line["offset"] == line["counted_from"]
    assert sum(line["end"] - line["offset"] for line in started.values()) == 30
    assert world.restores() == [{"replay": 0, "memory": PARTITIONS}]
    world.assert_windows_are_exact()


def test_a_stopped_process_leaves_snapshots_of_its_end():
    world = SnapshotWorld()
    world.produce(90)
    world.settle()
    world.replicas.append(world.replica())
    world.stop(0)
    with capture_logs() as logs:
        world.settle()
    started = [line for line in logs if line["event"] == "partition started"]
    assert [(line["restored_from"], line["end"] - line["offset"]) for line in started] == [("memory", 0)] * PARTITIONS
    assert world.consumed() == 90
    world.assert_windows_are_exact()


def test_a_snapshot_waits_until_the_group_has_stored_its_offset():
    world = SnapshotWorld()
    world.produce(90)
    world.settle()
    before = len(world.disk.log)
    world.snapshot(0)
    for _ in range(3):
        world.turn(0)
    assert len(world.disk.log) == before
    world.commit(0)
    for _ in range(3):
        world.turn(0)
    assert len(world.disk.log) > before


def test_a_snapshot_ahead_of_the_groups_offset_is_refused_and_that_is_said_once_a_partition():
    world = SnapshotWorld()
    world.produce(90)
    world.settle()
    world.save()
    world.produce(90)
    world.settle()
    world.save()
    for partition in range(PARTITIONS):
        world.log.group("group").committed[Partition("pairs", partition)] = 1
    world.restart(0)
    with capture_logs() as logs:
        world.settle()
    told = [line for line in logs if line["event"].startswith("a snapshot is not used")]
    assert [line["refused"] for line in told] == [2] * PARTITIONS
    assert all("ahead of the group's 1" in line["reason"] for line in told)
    assert world.restores() == [{"replay": PARTITIONS, "memory": 0}]
    world.assert_windows_are_exact()


def test_other_settings_read_the_log_again_and_say_so_once_a_partition():
    world = SnapshotWorld()
    world.produce(90)
    world.settle()
    world.save()
    world.stream_hash = "other"
    world.restart(0)
    with capture_logs() as logs:
        world.settle()
    told = [line for line in logs if "other settings" in line.get("reason", "")]
    assert len(told) == PARTITIONS
    assert world.restores() == [{"replay": PARTITIONS, "memory": 0}]
    world.assert_windows_are_exact()


def test_a_topic_made_anew_gets_nothing_of_the_old_ones_snapshots():
    world = SnapshotWorld()
    world.produce(90)
    world.settle()
    world.save()
    world.log.recreate_topic("pairs")
    world.traffic = replace_traffic(world)
    world.produce(150)
    world.restart(0)
    world.settle()
    assert world.restores() == [{"replay": PARTITIONS, "memory": 0}]
    world.assert_windows_are_exact()


def replace_traffic(world):
    return type(world.traffic)(seed=2, partitions=PARTITIONS)


def test_a_truncated_log_is_restored_from_a_snapshot_below_the_cut_and_never_from_one_above():
    world = SnapshotWorld()
    partition = Partition("pairs", 0)
    world.produce(60)
    world.settle()
    world.save()
    cut = world.log.track(partition).end
    world.produce(60)
    world.settle()
    world.save()
    truncate(world, partition, cut)
    world.produce(90)
    with capture_logs() as logs:
        world.settle()
    (started,) = [line for line in logs if line["event"] == "partition started"]
    assert (started["partition"], started["restored_from"], started["offset"]) == (0, "memory", cut)
    world.assert_windows_are_exact()


def truncate(world, partition, cut):
    world.log.truncate(partition, cut)
    world.traffic._next[partition.number] = cut
    world.traffic.messages = [
        message for message in world.traffic.messages if message.partition != partition.number or message.offset < cut
    ]


def test_a_save_that_fails_is_counted_and_the_next_one_has_everything():
    world = SnapshotWorld()
    world.produce(90)
    world.settle()

    def fail(operation):
        if operation == "put":
            raise MediumError(f"c/{next(tries)}/00ff00ff00ff00ff/{next(tries)}: no space left")

    tries = itertools.count()
    world.before = fail
    with capture_logs() as logs:
        world.save()
    told = [line["reason"] for line in logs if line["event"].startswith("a snapshot was not saved")]
    assert told == ["c/0/00ff00ff00ff00ff/1: no space left"]
    world.before = lambda operation: None
    world.settle()
    assert world.replicas[0].board.published.process.snapshot_failures == PARTITIONS
    assert world.replicas[0].health.readiness.ready
    with capture_logs() as logs:
        world.save()
    assert [line["event"] for line in logs].count("snapshots are saved again") == 1
    world.restart(0)
    world.settle()
    assert world.restores() == [{"replay": 0, "memory": PARTITIONS}]
    world.assert_windows_are_exact()


def test_a_gap_before_the_snapshot_is_not_told_again_and_still_makes_the_window_incomplete():
    world = SnapshotWorld()
    world.produce(90)
    world.settle()
    partition = Partition("pairs", 0)
    end = world.log.track(partition).end
    world.produce(60)
    lost = world.log.track(partition).end - end
    world.log.corrupt(partition, end, end + lost)
    world.settle()
    world.save()
    world.restart(0)
    with capture_logs() as logs:
        world.settle()
    assert not [line for line in logs if line["event"].startswith("offsets can never be read")]
    assert not world.replicas[0].stream.windows[0].complete.any()
    boards = {board.partition: board for board in world.replicas[0].board.published.partitions}
    assert (boards[partition].gap_offsets, boards[partition].skipped_offsets) == (0, lost)


def test_control_a_snapshot_that_claims_a_later_offset_loses_records(monkeypatch):
    world = SnapshotWorld()
    world.produce(60)
    world.settle()
    world.save()
    world.produce(60)
    world.settle()
    world.commit(0)
    world.settle()
    original = restoring_module._from_snapshot

    def later(*args):
        start = original(*args)
        return replace(start, next_offset=start.next_offset + 3)

    monkeypatch.setattr(restoring_module, "_from_snapshot", later)
    world.restart(0)
    world.settle()
    with pytest.raises(AssertionError):
        world.assert_windows_are_exact()


def test_what_has_been_restored_is_captured_at_once_so_that_moves_in_a_row_do_not_add_up():
    world = SnapshotWorld()
    world.produce(90)
    world.settle()
    world.save()
    for _ in range(3):  # nobody owns a partition for as long as the interval of snapshots
        world.produce(30)
        world.restart(0)
        with capture_logs() as logs:
            world.settle()
        started = [line for line in logs if line["event"] == "partition started"]
        assert len(started) == PARTITIONS
        assert sum(line["end"] - line["offset"] for line in started) == 30
        world.commit(0)
        world.settle()
    world.assert_windows_are_exact()

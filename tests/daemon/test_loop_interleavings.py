"""Exact under every order of what the loop, its keeper and its store do: each piece of the keeper's work is a step."""

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.snapshots.medium import MediumError
from tests.daemon.test_loop import ACTIONS
from tests.daemon.test_loop_snapshots import CRASHES, SnapshotWorld, run

STEPS = st.one_of(
    st.tuples(st.sampled_from(["work", "beat", "beat", "beat", "restart"]), st.integers(0, 5)),
    st.tuples(st.sampled_from(["fail", "wipe"]), st.integers(0, 3)),
)


class SteppedWorld(SnapshotWorld):
    """Keepers work only when told, a piece at a time; the store fails, or loses everything."""

    def turn(self, which):
        self.replicas[which % len(self.replicas)].loop.turn()

    def work(self, which):
        keeper = self.replicas[which % len(self.replicas)].keeper
        if keeper._take(block=False):
            keeper._work()

    def beat(self, which):
        """Read, commit and capture; some of it is saved."""
        self.produce(10)
        for step in (self.snapshot, self.commit, self.turn, self.turn, self.work, self.work, self.turn):
            step(which)

    def fail(self, operations):
        left = [MediumError("the disk is slow")] * operations

        def before(operation):
            if left and operation != "delete":
                raise left.pop()

        self.before = before

    def wipe(self, _):
        self.disk.log = [None] * len(self.disk.log)

    def settle(self):
        self.before = lambda operation: None
        for _ in range(4):  # partitions whose store failed are tried again after 8 s at most
            self.wait(8)
            for replica in self.replicas:
                replica.turn()
        super().settle()


@given(st.lists(st.one_of(ACTIONS, CRASHES, STEPS, STEPS), max_size=80))
@settings(max_examples=50, deadline=None)
def test_windows_are_exact_whatever_is_under_way_when_partitions_move_and_processes_die(actions):
    world = SteppedWorld()
    run(world, actions)
    world.assert_windows_are_whole()
    world.assert_only_what_was_not_committed_is_counted_again()
    for replica in world.replicas:
        captures = replica.loop._snapshots._captures
        held = [each.on_its_way for each in captures._progress.values() if each.on_its_way is not None]
        assert captures._held_bytes == sum(capture.held_bytes for capture in held)
        assert not replica.loop._restoring._assigned

"""Exact under every order of events that a group of replicas can meet; with controls that show the laws can fail."""

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon import restoring
from daemon.memory_source import MemorySource
from daemon.ownership import own
from tests.daemon.loop_world import World

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
    world.assert_windows_are_whole()
    assert world.consumed() == len(world.traffic.messages)
    assert all(replica.health.readiness.ready for replica in world.replicas)


@given(st.lists(st.one_of(ACTIONS, st.tuples(st.sampled_from(["kill", "evict"]), st.integers(0, 5))), max_size=60))
@settings(max_examples=60, deadline=None)
def test_windows_stay_exact_through_kills_and_counters_only_repeat_what_was_not_committed(actions):
    world = World()
    run(world, actions)
    world.assert_windows_are_exact()
    world.assert_only_what_was_not_committed_is_counted_again()


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

    monkeypatch.setattr(restoring, "own", forgetful)
    world = World()
    run(world, schedule_with_a_handover())
    world.assert_windows_are_exact()
    assert world.consumed() > len(world.traffic.messages)


def test_control_a_process_that_does_not_commit_when_it_lets_go_counts_twice(monkeypatch):
    monkeypatch.setattr(MemorySource, "stage_commit", lambda self, offsets: None)
    monkeypatch.setattr(MemorySource, "commit", lambda self, offsets, timeout_s=0.0: False)
    world = World()
    run(world, schedule_with_a_handover())
    assert world.consumed() > len(world.traffic.messages)

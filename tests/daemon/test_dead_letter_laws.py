"""Dead letters under every order of events: once while replicas live, none lost to a kill; with controls."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.dead_letters import outbox as outbox_module
from daemon.dead_letters.outbox import HOLD_SECONDS, Outbox
from daemon.memory_source import MemorySource
from tests.daemon.dead_letter_world import DeadLetterWorld

LIVING = st.one_of(
    st.tuples(st.just("produce"), st.integers(1, 40)),
    st.tuples(st.just("spoil"), st.integers(1, 20)),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 3.0, 20.0])),
    st.tuples(st.just("shut"), st.booleans()),
    st.tuples(st.sampled_from(["turn", "turn", "turn", "commit", "join", "outage"]), st.integers(0, 5)),
)
ENDING = st.tuples(st.sampled_from(["kill", "evict", "stop"]), st.integers(0, 5))


def run(world, actions):
    for name, argument in actions:
        getattr(world, name)(argument)
    world.shut(shut=False)
    for _ in range(2):  # an answer is heard in the turn after
        world.settle()


@given(st.lists(LIVING, max_size=60))
@settings(max_examples=40, deadline=None)
def test_while_replicas_live_each_rejected_record_has_one_letter_and_windows_stay_exact(actions):
    world = DeadLetterWorld()
    run(world, actions)
    assert world.letters() == dict.fromkeys(world.rejected(), 1)
    rejected, acknowledged, dropped = world.counts()
    assert (rejected, acknowledged + dropped) == (world.spoilt, world.spoilt)
    world.assert_windows_are_exact()
    assert world.consumed() == len(world.traffic.messages) + world.spoilt


@given(st.lists(st.one_of(LIVING, ENDING), max_size=60))
@settings(max_examples=40, deadline=None)
def test_no_end_of_a_replica_loses_a_letter_but_those_of_a_partition_given_away(actions):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox_module, "HOLD_SECONDS", 1e9)
        world = DeadLetterWorld()
        run(world, actions)
    found = world.letters()
    assert set(found) <= world.rejected()
    assert world.rejected() - set(found) <= world.may_be_lost
    assert sum(found.values()) - len(found) <= world.counted_twice_at_most
    world.assert_windows_are_exact()


def killed_with_letters_under_way():
    """A replica reads and commits records whose letters the topic does not take, and is killed."""
    setup = [("join", 0), ("turn", 0), ("turn", 1), ("turn", 0), ("turn", 1), ("produce", 30), ("shut", True)]
    return [*setup, ("spoil", 30), *[("turn", turn) for turn in range(6)], ("commit", 0), ("turn", 0), ("kill", 0)]


def test_a_killed_replica_s_letters_come_from_the_one_that_reads_on():
    world = DeadLetterWorld()
    run(world, killed_with_letters_under_way())
    assert set(world.letters()) == world.rejected()
    assert max(world.letters().values()) == 2  # the topic had one that was never acknowledged


def test_control_a_commit_that_does_not_wait_for_letters_loses_them(monkeypatch):
    monkeypatch.setattr(Outbox, "held_back", lambda self, offsets: dict(offsets))
    world = DeadLetterWorld()
    run(world, killed_with_letters_under_way())
    assert world.rejected() - set(world.letters())


def moved_with_letters_under_way():
    """Partitions move to a second replica while the topic takes nothing."""
    steps = [("shut", True), ("spoil", 30), ("turn", 0), ("turn", 0), ("join", 0)]
    return steps + [("turn", turn) for turn in range(8)]


def test_a_move_between_living_replicas_counts_and_sends_nothing_twice():
    world = DeadLetterWorld()
    run(world, moved_with_letters_under_way())
    assert world.letters() == dict.fromkeys(world.rejected(), 1)
    assert world.consumed() == world.spoilt


def test_control_a_move_that_waits_for_letters_sends_them_twice(monkeypatch):
    world = DeadLetterWorld()
    stage, outbox = MemorySource.stage_commit, world.replicas[0].loop._outbox
    monkeypatch.setattr(MemorySource, "stage_commit", lambda self, offsets: stage(self, outbox.held_back(offsets)))
    run(world, moved_with_letters_under_way())
    assert max(world.letters().values()) == 2


def test_a_topic_that_takes_nothing_holds_the_commits_for_half_a_minute_and_nothing_else():
    world = DeadLetterWorld()
    world.shut()
    world.spoil(3)
    world.produce(30)
    world.settle()
    world.assert_windows_are_exact()
    world.produce(30)
    world.wait(HOLD_SECONDS - 1)
    world.commit(0)
    world.settle()
    held = dict(world.log.group("group").committed)
    assert set(held.values()) == {0}  # where the spoilt records are
    world.wait(2)
    world.settle()
    world.commit(0)
    world.settle()
    ends = {part: world.log.track(part).end for part in held}
    assert world.log.group("group").committed == ends
    assert world.counts() == (3, 0, 3)
    world.shut(shut=False)  # what comes after all was counted as dropped, and stays so
    world.settle()
    assert (sum(world.letters().values()), world.counts()) == (3, (3, 0, 3))


def test_a_stop_waits_for_letters_and_leaves_those_that_do_not_arrive_to_the_next():
    world = DeadLetterWorld()
    run(world, [("join", 0), *[("turn", turn) for turn in range(6)], ("shut", True), ("spoil", 30)])
    world.shut()
    world.spoil(30)
    world.settle()
    world.stop(0)
    world.shut(shut=False)
    world.settle()
    assert world.letters() == dict.fromkeys(world.rejected(), 1)

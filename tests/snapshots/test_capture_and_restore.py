"""A restored state goes on as the one that was never interrupted, to the bit; a capture holds only what changed."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.snapshots.capturing import KEYS, TIMES, capture, state_of
from daemon.snapshots.runs import RUN_PANES_MAX, run_panes
from estimators.moments import COUNT, Moments
from estimators.partitions import absorb, begin, new_state
from estimators.rings import resize
from tests.snapshots.random_states import PARTITION, SPEC, assert_same_state, batch, batches

HASH = "5" * 16
profile = settings(max_examples=60, deadline=None, database=None, derandomize=True)


class Shelf:
    """What a store does, without one: sections that did not change are those of the last save."""

    def __init__(self):
        self.sections = {}
        self.base = None

    def save(self, state, *, fails=False):
        image, revisions = capture(state, SPEC, HASH, self.base)
        written = {section for section, content in image.sections.items() if content is not None}
        if not fails:
            self.sections = {
                section: self.sections[section] if content is None else content
                for section, content in image.sections.items()
            }
            self.base, self.head = revisions, image.head
            self.image = replace(image, sections=dict(self.sections))
        return written

    def load(self):
        state, self.base = state_of(self.image, SPEC, PARTITION)
        return state


@profile
@given(batches(), st.lists(st.sampled_from(["", "save", "fail", "restart"]), min_size=8, max_size=8))
def test_saves_and_restarts_anywhere_leave_the_state_as_if_nothing_had_happened(log, events):
    uninterrupted, state, shelf = new_state(SPEC, PARTITION), new_state(SPEC, PARTITION), Shelf()
    begin(uninterrupted, SPEC, 990_000)
    begin(state, SPEC, 990_000)
    for pairs, event in zip(log, events, strict=False):
        absorb(uninterrupted, SPEC, pairs)
        absorb(state, SPEC, pairs)
        if event:
            shelf.save(state, fails=event == "fail")
        if event == "restart":
            state = shelf.load()
        assert_same_state(state, uninterrupted)
    shelf.save(state)
    assert_same_state(shelf.load(), uninterrupted)


@profile
@given(batches())
def test_a_freed_slot_holds_nothing(log):
    state = new_state(SPEC, PARTITION)
    for pairs in log:
        absorb(state, SPEC, pairs)
        live = np.zeros(state.series.capacity, np.bool_)
        live[list(state.series.slots.values())] = True
        for ring in state.rings:
            assert not ring.moments.counts[:, ~live].any()
            assert not ring.moments.sums[:, ~live].any()
            assert (ring.moments.max_u[:, ~live] == -np.inf).all()


@profile
@given(batches())
def test_a_row_that_changes_gets_another_revision(log):
    state = new_state(SPEC, PARTITION)
    for pairs in log:
        before = copy.deepcopy(state)
        absorb(state, SPEC, pairs)
        table = state.series
        if (table.keys, list(table.slots)) != (before.series.keys, list(before.series.slots)):
            assert table.revision > before.series.revision
        for ring, its in zip(state.rings, before.rings, strict=True):
            shared = min(ring.capacity, its.capacity)
            old = [getattr(its.moments, name)[:, :shared] for name in ("counts", "sums", "max_u")]
            new = [getattr(ring.moments, name)[:, :shared] for name in ("counts", "sums", "max_u")]
            same = [(a == b).reshape(ring.size, -1).all(1) for a, b in zip(old, new, strict=True)]
            changed = ~np.logical_and.reduce(same)
            assert (ring.revisions[changed] > its.revisions[changed]).all()


def test_the_logs_of_these_tests_free_slots_give_them_again_overflow_and_shrink():
    seen = set()

    @settings(profile, max_examples=100)
    @given(batches())
    def look(log):
        state = new_state(SPEC, PARTITION)
        for pairs in log:
            capacity, free = state.series.capacity, len(state.series.free)
            answer = absorb(state, SPEC, pairs)
            seen.update(
                name
                for name, happened in (
                    ("freed", len(state.series.free) > free),
                    ("given again", len(state.series.free) < free),
                    ("grown", state.series.capacity > capacity),
                    ("shrunk", state.series.capacity < capacity),
                    ("overflow", answer.overflow),
                    ("order", list(state.series.slots.values()) != sorted(state.series.slots.values())),
                    *((reason, reason in answer.rejected) for reason in ("late", "future")),
                )
                if happened
            )

    look()
    assert seen == {"freed", "given again", "grown", "shrunk", "overflow", "order", "late", "future"}


def steady_state(series=12, messages=600):
    """No expiry; and the newest pane of each ring is well under way."""
    state = new_state(SPEC, PARTITION)
    absorb(state, SPEC, batch(np.random.default_rng(1), 0, 1_000_000, messages, series, 5))
    return state


def test_a_capture_after_no_change_holds_the_times_only():
    state, shelf = steady_state(), Shelf()
    shelf.save(state)
    assert shelf.save(state) == {TIMES}


def test_a_message_costs_the_runs_of_its_own_pane():
    state, shelf = steady_state(), Shelf()
    everything = shelf.save(state)
    one = batch(np.random.default_rng(2), 600, state.clock_us, 1, 1, 1)
    one = replace(one, event_time_us=np.array([state.clock_us]), append_time_us=np.array([state.clock_us]))
    absorb(state, SPEC, one)
    written = shelf.save(state)
    assert written == {TIMES} | {
        section
        for section in everything
        if section.kind == "panes"
        and 0 <= SPEC.rings[section.ring].pane_of(state.clock_us) - section.first_pane < section.panes
    }
    assert len(written) == 4
    assert len(everything) > 4


def test_a_failed_save_leaves_nothing_out_of_the_next():
    state, shelf = steady_state(), Shelf()
    shelf.save(state)
    absorb(state, SPEC, batch(np.random.default_rng(2), 600, state.clock_us, 5, 3, 1))
    lost = shelf.save(state, fails=True)
    assert shelf.save(state) >= lost


def test_a_base_of_another_state_is_none():
    state, other, shelf = steady_state(), steady_state(series=3), Shelf()
    everything = shelf.save(state)
    shelf.base = capture(other, SPEC, HASH, None)[1]
    assert shelf.save(state) == everything


def test_panes_that_expired_cost_nothing():
    state, shelf = steady_state(), Shelf()
    shelf.save(state)
    later = state.clock_us + 900
    one = batch(np.random.default_rng(2), 600, later, 1, 1, 1)
    absorb(state, SPEC, replace(one, event_time_us=np.array([later]), append_time_us=np.array([later])))
    written = shelf.save(state)
    newest = {index: ring.newest for index, ring in enumerate(state.rings)}
    runs = [section for section in written if section.kind == "panes"]
    assert all(section.first_pane <= newest[section.ring] < section.first_pane + section.panes for section in runs)
    assert_same_state(shelf.load(), state)


def test_a_ring_whose_slots_move_is_written_anew():
    state, shelf = steady_state(), Shelf()
    everything = {section for section in shelf.save(state) if section.kind == "panes"}
    for ring in state.rings:
        resize(ring, np.array([1, 0, *range(2, 16)]), 16)
    assert shelf.save(state) >= everything


def test_nothing_is_written_for_panes_that_hold_nothing():
    state = new_state(SPEC, PARTITION)
    image, _ = capture(state, SPEC, HASH, None)
    assert set(image.sections) == {KEYS, TIMES}
    assert image.head.newest == (None, None, None)
    assert_same_state(state_of(image, SPEC, PARTITION)[0], state)


@pytest.mark.parametrize(("capacity", "panes"), [(16, 8), (128, 8), (256, 4), (512, 2), (1024, 1), (8192, 1)])
def test_runs_are_short_where_panes_are_large(capacity, panes):
    assert run_panes(capacity) == panes <= RUN_PANES_MAX


def test_what_is_captured_does_not_change_with_the_state():
    state = steady_state()
    image, _ = capture(state, SPEC, HASH, None)
    before = {section: bytes(content) for section, content in image.sections.items()}
    absorb(state, SPEC, batch(np.random.default_rng(3), 600, state.clock_us, 50, 12, 1))
    state.rings[0].moments.counts[..., COUNT["pairs"]] += 1
    assert image.sections == before
    assert isinstance(state.rings[0].moments, Moments)

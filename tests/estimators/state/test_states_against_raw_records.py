"""The law of the state: panes, series, rejects and totals are what a plain program finds in the raw records."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from estimators.partitions import begin, new_state
from estimators.retained import retained_panes

seeded = settings(max_examples=100, deadline=None, derandomize=True)


@seeded
@given(data=st.data(), partition=st.integers(0, 7))
def test_every_pane_of_every_ring_holds_exactly_its_messages(brute, data, partition):
    spec, records = data.draw(brute.specs()), data.draw(brute.logs())
    state, _ = brute.state_of(spec, records, data.draw(brute.cuts()), partition)
    truth = brute.replay(spec, records)
    assert state.clock_us == truth.clock
    for window in range(len(spec.windows)):
        held = retained_panes(state, spec, window)
        assert held.keys == tuple(sorted(truth.live))
        expected = brute.cells(spec, truth, window) if records else {}
        assert {key for _, key in expected} <= set(held.keys)
        for row, pane in enumerate(held.panes.tolist()):
            for column, key in enumerate(held.keys):
                cell = brute.cell_of(expected.get((pane, key), []), partition)
                assert held.moments.counts[row, column].tolist() == cell.counts
                assert held.moments.max_u[row, column] == cell.max_u
                brute.assert_close(held.moments.sums[row, column], cell.sums, cell.sizes)


@seeded
@given(data=st.data())
def test_series_clock_and_overflow_are_functions_of_the_log(brute, data):
    spec, records = data.draw(brute.specs()), data.draw(brute.logs())
    state, answers = brute.state_of(spec, records, data.draw(brute.cuts()))
    truth = brute.replay(spec, records)
    table = state.series
    spans = {key: (int(table.first_us[slot]), int(table.last_us[slot])) for key, slot in table.slots.items()}
    assert spans == truth.live
    assert (state.clock_jumps, state.overflow_clock_us) == (truth.jumps, truth.overflow_clock)
    assert sum(answer.overflow for answer in answers) == truth.overflow


@seeded
@given(data=st.data())
def test_answers_add_up_to_what_the_records_hold(brute, data):
    spec, records = data.draw(brute.specs()), data.draw(brute.logs())
    _, answers = brute.state_of(spec, records, data.draw(brute.cuts()), partition=2)
    truth = brute.replay(spec, records)
    rejected, pairs_rejected = {}, Counter()
    by_key, last = {}, {}
    for answer in answers:
        pairs_rejected.update(answer.pairs_rejected)
        assert len(set(answer.keys)) == len(answer.keys) == len(answer.last_event_us) == answer.moments.shape[0]
        for reason, reject in answer.rejected.items():
            assert (reject.count, reject.offset) == (len(reject.offsets), reject.offsets[0])
            rejected.setdefault(reason, []).extend(reject.offsets.tolist())
            assert len(reject.pair_reasons) == (reject.count if reason == "empty" else 0)
            for offset, names in zip(reject.offsets.tolist(), reject.pair_reasons, strict=False):
                (record,) = (record for record in records if record.offset == offset)
                pairs = [pair for _, held in record.messages for pair in held]
                assert set(names) == {brute.reason_of(*pair) for pair in pairs}
        for index, key in enumerate(answer.keys):
            moments = answer.moments[index]
            by_key[key] = by_key[key].merge(moments) if key in by_key else moments
            last[key] = max(last.get(key, -1 << 62), int(answer.last_event_us[index]))
    assert rejected == truth.rejected
    assert pairs_rejected == truth.pairs_rejected
    assert sum(answer.messages for answer in answers) == len(truth.accepted)
    assert sum(answer.records_accepted for answer in answers) == len({m.offset for m in truth.accepted})
    owners = {message.owner for message in truth.accepted}
    assert set(by_key) == owners
    for key in owners:
        messages = [message for message in truth.accepted if message.owner == key]
        cell = brute.cell_of(messages, 2)
        assert by_key[key].counts.tolist() == cell.counts
        brute.assert_close(by_key[key].sums, cell.sums, cell.sizes)
        assert last[key] == max(message.event_us for message in messages)


@seeded
@given(data=st.data())
def test_poll_borders_do_not_matter(brute, data):
    spec, records = data.draw(brute.specs()), data.draw(brute.logs())
    one, _ = brute.state_of(spec, records, data.draw(brute.cuts()))
    two, _ = brute.state_of(spec, records, range(len(records)))
    for name in ("clock_us", "clock_jumps", "complete_from_us", "overflow_clock_us"):
        assert getattr(one, name) == getattr(two, name)
    for window in range(len(spec.windows)):
        a, b = retained_panes(one, spec, window), retained_panes(two, spec, window)
        assert a.keys == b.keys
        np.testing.assert_array_equal(a.panes, b.panes)
        brute.assert_same_moments(a.moments, b.moments)


@seeded
@given(data=st.data(), starts=st.tuples(st.integers(0, 30), st.integers(0, 30)))
def test_two_start_offsets_agree_on_every_pane_after_the_later_complete_from(brute, data, starts):
    spec, records = data.draw(brute.specs()), data.draw(brute.logs(append_order=True))
    states = []
    for start in starts:
        state, rest = new_state(spec, 1), records[start:]
        if start and rest:
            begin(state, spec, rest[0].append_us)
        states.append(brute.state_of(spec, rest, data.draw(brute.cuts()), state=state)[0])
    complete_from_us = max(state.complete_from_us for state in states)
    for window in range(len(spec.windows)):
        a, b = (pane_totals(retained_panes(state, spec, window), complete_from_us) for state in states)
        panes = a.keys() & b.keys()
        assert panes == a.keys() | b.keys() or not all(records[start:] for start in starts)
        for pane in panes:
            brute.assert_same_moments(a[pane], b[pane])


def pane_totals(held, from_us):
    """Sums over series: which series a message counts for may differ while an overflow is young."""
    return {
        int(pane): held.moments[row].merged()
        for row, pane in enumerate(held.panes)
        if held.start_us[row] >= from_us
    }  # fmt: skip

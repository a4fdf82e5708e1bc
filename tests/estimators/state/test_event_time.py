"""The partition clock and what it rejects; panes and rings in exact integers; refusals of a wrong spec."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimators.partitions import START_OF_TIME_US, begin, new_state
from estimators.retained import retained_panes
from estimators.spec import StreamSpec, WindowSpec


def messages_of(state, spec, window):
    held = retained_panes(state, spec, window)
    counts = held.moments.count_of("messages").sum(1)
    return {int(pane): int(count) for pane, count in zip(held.panes, counts, strict=True) if count}


def test_an_event_exactly_max_skew_ahead_is_accepted_and_one_further_is_future(brute):
    spec = brute.spec_of(max_skew_us=20)
    log = [brute.plain(5, 120, append_us=100), brute.plain(6, 121, append_us=100), brute.plain(7, 900, append_us=100)]
    state, (answer,) = brute.state_of(spec, log)
    assert answer.messages == answer.records_accepted == 1
    assert (answer.rejected["future"].count, answer.rejected["future"].offset) == (2, 6)
    assert state.clock_us == 120


def test_a_future_event_moves_the_clock_no_further_than_its_append_time_and_skew(brute):
    spec = brute.spec_of(max_skew_us=20)
    state, _ = brute.state_of(spec, [brute.plain(0, 100), brute.plain(1, 10**9, append_us=110)])
    assert state.clock_us == 130
    assert messages_of(state, spec, 0) == {4: 1}


def test_the_oldest_pane_of_the_longest_ring_is_accepted_and_the_one_before_is_late(brute):
    #   longest ring: panes of 75 us, 7 of them; clock 1000 is in pane 13, so panes 7..13 are held: from 525 on
    spec = brute.spec_of((1, 3), length_us=100, panes=4, burn_in=2, max_skew_us=20)
    log = [brute.plain(0, 1000), brute.plain(1, 525, append_us=1000), brute.plain(2, 524, append_us=1000)]
    for cuts in ((), (1, 2)):
        state, answers = brute.state_of(spec, log, cuts)
        assert answers[-1].rejected["late"].offset == 2
        assert sum(answer.messages for answer in answers) == 2
        #   the short ring holds 4 + 2 + 1 panes of 25 us, from 850 on: 525 is in the long one only
        assert messages_of(state, spec, 1) == {7: 1, 13: 1}
        assert messages_of(state, spec, 0) == {40: 1}


def test_a_record_is_judged_by_the_clock_after_itself_not_by_that_of_its_batch(brute):
    spec = brute.spec_of()
    early_then_leap = [brute.plain(0, 0), brute.plain(1, 10**6)]
    leap_then_early = [brute.plain(0, 10**6), brute.plain(1, 0, append_us=10**6)]
    assert brute.state_of(spec, early_then_leap)[1][0].rejected == {}
    assert set(brute.state_of(spec, leap_then_early)[1][0].rejected) == {"late"}


def test_a_record_that_is_both_future_and_late_counts_as_future(brute):
    spec = brute.spec_of(max_skew_us=20)
    _, (answer,) = brute.state_of(spec, [brute.plain(0, 10**6), brute.plain(1, 30, append_us=0)])
    assert set(answer.rejected) == {"future"}


def test_pairs_of_late_and_future_records_are_not_looked_at(brute):
    spec = brute.spec_of()
    bad = ((("a",), (brute.BAD_PAIRS["nan"],)),)
    log = [brute.plain(0, 10**6), brute.Record(1, 10**6, 0, bad), brute.Record(2, 10**6, 2 * 10**6, bad)]
    _, (answer,) = brute.state_of(spec, log)
    assert set(answer.rejected) == {"late", "future"}
    assert answer.pairs_rejected == {}


def test_a_record_is_empty_only_if_none_of_its_messages_keeps_a_pair(brute):
    spec = brute.spec_of()
    good, nan, zero = ("a", (-1.0, -2.0)), ("b", brute.BAD_PAIRS["nan"]), ("c", brute.BAD_PAIRS["sampler_zero"])
    record = lambda offset, *parts: brute.Record(offset, 10, 10, tuple(((k,), (pair,)) for k, pair in parts))  # noqa: E731
    _, (answer,) = brute.state_of(spec, [record(0, good, nan), record(3, nan, zero), record(4, zero, good, good)])
    assert (answer.rejected["empty"].count, answer.rejected["empty"].offset) == (1, 3)
    assert answer.rejected["empty"].pair_reasons == (("nan", "sampler_zero"),)
    assert (answer.records_accepted, answer.messages) == (2, 3)
    assert answer.pairs_rejected == {"nan": 2, "sampler_zero": 2}


def test_a_record_of_several_messages_counts_once_as_late(brute):
    spec = brute.spec_of()
    twice = ((("a",), ((-1.0, -2.0),)), (("b",), ((-1.0, -2.0),)))
    log = [brute.plain(0, 10**6), brute.Record(4, 10**6, 0, twice), brute.Record(6, 10**6, 1, twice)]
    _, (answer,) = brute.state_of(spec, log)
    assert (answer.rejected["late"].count, answer.rejected["late"].offset) == (2, 4)


def test_steps_of_the_clock_over_a_longest_window_are_jumps_but_for_the_first(brute):
    spec = brute.spec_of((1, 3), length_us=100)
    times = (10**6, 10**6 + 300, 10**6 + 601, 10**6, 10**6 + 601, 10**6 + 902)
    log = [brute.plain(n, t) for n, t in enumerate(times)]
    for cuts in ((), range(6)):
        assert brute.state_of(spec, log, cuts)[0].clock_jumps == 2


def test_an_empty_batch_changes_nothing(brute):
    spec = brute.spec_of()
    state, (answer,) = brute.state_of(spec, [])
    assert (state.clock_us, answer.messages, answer.keys, answer.moments.shape) == (None, 0, [], (0,))


def test_complete_from_is_two_skews_after_the_first_record_rounded_up_to_a_longest_pane(brute):
    spec = brute.spec_of((1, 3), length_us=100, panes=4, max_skew_us=20)
    state = new_state(spec, 0)
    assert state.complete_from_us == START_OF_TIME_US
    begin(state, spec, None)
    assert state.complete_from_us == START_OF_TIME_US
    for first_append_us, complete_from_us in ((0, 75), (35, 75), (36, 150), (110, 150), (0, 150)):
        begin(state, spec, first_append_us)
        assert state.complete_from_us == complete_from_us


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    time_us=st.integers(-(2**61), 2**61),
    length_us=st.integers(30, 10**12),
    panes=st.integers(3, 30),
    multiple=st.integers(1, 300),
)
def test_pane_arithmetic_is_exact_over_the_whole_range_of_times(brute, time_us, length_us, panes, multiple):
    spec = brute.spec_of((1, multiple), length_us=length_us, panes=panes)
    first, ring = spec.rings[0], spec.rings[1]
    exact = time_us * panes // (multiple * length_us)
    assert ring.pane_of(time_us) == exact == first.pane_of(time_us) // ring.multiple
    assert ring.panes_of(np.array([time_us])).tolist() == [exact]
    border = Fraction(exact * multiple * length_us, panes)
    start = ring.start_us(exact)
    assert border <= start < border + 1
    assert ring.starts_us(np.array([exact])).tolist() == [start]
    assert ring.oldest_by_us(np.array([time_us])).tolist() == [ring.oldest_us(time_us)]


def test_a_ring_holds_window_burn_in_skew_and_delay(brute):
    spec = brute.spec_of((1, 12), length_us=300, panes=30, burn_in=15, max_skew_us=60, delay_us=1)
    assert [ring.size for ring in spec.rings] == [30 + 15 + 7, 30 + 15 + 1]


def test_windows_keep_the_users_order(brute):
    spec = brute.spec_of((1, 6, 2))
    assert [window.label for window in spec.windows] == ["1x", "6x", "2x"]
    assert (spec.longest.label, spec.longest_ring.multiple) == ("6x", 6)


@pytest.mark.parametrize(
    ("lengths", "text"),
    [
        ((), "at least one window"),
        ((300, 450), "not a whole multiple of the first window, w0 .300 us.; the nearest multiple is 600 us"),
        ((300, 100), "nearest multiple is 300 us"),
        ((300, 0), "not a whole multiple"),
        ((2,), "no 30 panes"),
        ((300, 300 * 2**60), "too long"),
    ],
)
def test_windows_that_cannot_share_panes_are_refused(lengths, text):
    windows = tuple(WindowSpec(f"w{n}", length) for n, length in enumerate(lengths))
    with pytest.raises(ValueError, match=text):
        StreamSpec(windows=windows)


@pytest.mark.parametrize(
    ("name", "value"),
    [("panes_per_window", 2), ("burn_in", -1), ("max_skew_us", -1), ("expected_delay_us", -1), ("max_series", 0)],
)
def test_numbers_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        StreamSpec(windows=(WindowSpec("5m", 300_000_000),), **{name: value})

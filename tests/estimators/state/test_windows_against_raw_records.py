"""Windows are queries: what they show is recomputed from the raw records of all partitions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimators.evaluation import estimate
from estimators.partitions import begin, new_state
from estimators.windows import evaluate

seeded = settings(max_examples=70, deadline=None, derandomize=True)
COLUMNS = ("value", "standard_error", "lower", "upper")
OF_WINDOW = ("blocks", "ratio_mean", "support_gap", "comparable", "infinite", "effective_sample_ratio")


@seeded
@given(data=st.data())
def test_windows_equal_a_recomputation_from_the_raw_records_of_all_partitions(brute, data):
    spec = data.draw(brute.specs())
    log, partitions = data.draw(brute.logs()), data.draw(st.integers(1, 3))
    owner = data.draw(st.lists(st.integers(0, partitions - 1), min_size=len(log), max_size=len(log)))
    logs = [[r for r, p in zip(log, owner, strict=True) if p == number] for number in range(partitions)]
    states = [brute.state_of(spec, log, data.draw(brute.cuts()), p)[0] for p, log in enumerate(logs)]
    truths = [(p, brute.replay(spec, log)) for p, log in enumerate(logs)]
    now_us = max(truth.clock or 0 for _, truth in truths) + data.draw(
        st.one_of(st.integers(-30, 30), st.integers(-200, 600))
    )
    view = evaluate(data.draw(st.permutations(states)), spec, now_us, resolution=1e-13, min_messages=3)
    at_us = now_us - spec.expected_delay_us
    longest = max(window.length_us for window in spec.windows)
    spans = merged_spans([truth.live for _, truth in truths])
    assert view.keys == tuple(sorted(key for key, (_, last) in spans.items() if last >= at_us - longest))
    assert view.first_event_us.tolist() == [spans[key][0] for key in view.keys]
    assert view.last_event_us.tolist() == [spans[key][1] for key in view.keys]
    for index, window in enumerate(view.windows):
        newest = brute.pane(spec, index, at_us)
        history = brute.ring_size(spec, index) + 1
        panes = range(newest - spec.panes_per_window - history + 1, newest + 1)
        expected = estimate(
            brute.moments_of(spec, [t for t in truths if t[1].clock is not None], index, view.keys, panes),
            first=history, panes_per_window=spec.panes_per_window, sampled_from="q", resolution=1e-13, min_messages=3,
        )  # fmt: skip
        brute.assert_same_moments(window.estimates.total, expected.total)
        for name in OF_WINDOW:
            same(getattr(window.estimates, name), getattr(expected, name))
        for direction in brute.DIRECTIONS:
            for estimator in ("naive", "fixed", "fitted", "adaptive"):
                for column in COLUMNS:
                    got, want = (e.of(direction).of(estimator) for e in (window.estimates, expected))
                    same(getattr(got, column), getattr(want, column))


def merged_spans(tables):
    spans = {}
    for table in tables:
        for key, (first, last) in table.items():
            a, b = spans.get(key, (first, last))
            spans[key] = (min(a, first), max(b, last))
    return spans


def same(got, want):
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


@seeded
@given(data=st.data())
def test_means_of_a_window_are_those_of_the_raw_pairs_in_its_range(brute, data):
    spec, log = data.draw(brute.specs()), data.draw(brute.logs())
    state, _ = brute.state_of(spec, log, data.draw(brute.cuts()))
    truth = brute.replay(spec, log)
    view = evaluate([state], spec, (truth.clock or 0) + spec.expected_delay_us, resolution=1e-13, min_messages=1)
    for index, window in enumerate(view.windows):
        end_us = window.end_seconds * 1e6
        length_us = spec.windows[index].length_us
        for column, key in enumerate(view.keys):
            us = [
                u
                for message in truth.accepted
                if message.owner == key and end_us - length_us - 1e-3 <= message.event_us < end_us - 1e-3
                for u in message.us
            ]
            estimates = window.estimates
            assert estimates.total.count_of("pairs")[column] == len(us)
            finite = [u for u in us if u > -math.inf]
            if not us:
                assert np.isnan(estimates.ratio_mean[column])
                continue
            ratio = math.fsum(map(math.exp, finite)) / len(us)
            assert estimates.ratio_mean[column] == pytest.approx(ratio, abs=1e-9)
            if len(finite) == len(us):
                naive = -math.fsum(us) / len(us)
                assert estimates.reverse.naive.value[column] == pytest.approx(naive, abs=1e-9)
                assert estimates.reverse.fixed.value[column] == pytest.approx(naive + ratio - 1, abs=1e-9)
            else:
                assert estimates.infinite[column] == 1


def test_a_window_holds_its_panes_up_to_the_open_one(brute):
    #        panes of 25 us:  |0    |25   |50   |75   |100  |125  |150
    #        events:           0 24  25 49 50    75    100   125
    #        T = 110 is in:                            ^open
    #        window 4 panes:        [25 ................125)
    spec = brute.spec_of(length_us=100, panes=4)
    log = [brute.plain(n, time_us) for n, time_us in enumerate((0, 24, 25, 49, 50, 75, 100, 124, 125))]
    state, _ = brute.state_of(spec, log)
    (window,) = evaluate([state], spec, 110, resolution=1e-13, min_messages=1).windows
    assert (window.start_us, window.end_seconds) == (25, 125e-6)
    assert window.estimates.total.count_of("messages").tolist() == [6]
    assert window.estimates.total.count_of("offset_sum").tolist() == [2 + 3 + 4 + 5 + 6 + 7]


def test_a_border_between_microseconds_belongs_to_the_pane_that_holds_the_next_one(brute):
    #        panes of 100/3 us:  |0       |33.3     |66.7     |100
    #        events:              0     33 34     66 67     99 100
    #        T = 99, 3 panes:    [0 ........................100)
    spec = brute.spec_of(length_us=100, panes=3)
    state, _ = brute.state_of(spec, [brute.plain(n, t) for n, t in enumerate((0, 33, 34, 66, 67, 99, 100))])
    (window,) = evaluate([state], spec, 67 + 33, resolution=1e-13, min_messages=1).windows
    assert window.start_us == 34
    assert window.end_seconds == pytest.approx(400 / 3 * 1e-6, rel=1e-15)
    assert window.estimates.total.count_of("messages").tolist() == [5]


def test_expected_delay_moves_the_window_into_the_past(brute):
    spec = brute.spec_of(length_us=100, panes=4, delay_us=50)
    state, _ = brute.state_of(spec, [brute.plain(n, t) for n, t in enumerate((10, 30, 110, 130))])
    (window,) = evaluate([state], spec, 165, resolution=1e-13, min_messages=1).windows
    assert (window.start_us, window.end_seconds) == (25, 125e-6)
    assert window.estimates.total.count_of("messages").tolist() == [2]


def test_a_series_is_left_out_once_its_last_event_is_older_than_the_longest_window(brute):
    spec = brute.spec_of((1, 3), length_us=100)
    state, _ = brute.state_of(spec, [brute.plain(0, 0, ("old",)), brute.plain(1, 200, ("new",))])
    keys = [evaluate([state], spec, now, resolution=1e-13, min_messages=1).keys for now in (300, 301, 500, 501)]
    assert keys == [(("new",), ("old",)), (("new",),), (("new",),), ()]


def test_the_order_of_the_states_does_not_change_a_bit(brute):
    spec = brute.spec_of((1, 6), length_us=1000)
    states = [
        brute.state_of(spec, [brute.plain(n, 7 * n, u=0.1 * 3.0 ** -((n + p) % 29)) for n in range(1, 150)], (), p)[0]
        for p in range(3)
    ]
    views = [evaluate(order, spec, 1050, resolution=1e-13, min_messages=1) for order in (states, states[::-1])]
    for one, two in zip(views[0].windows, views[1].windows, strict=True):
        assert one.estimates.total.sums.tobytes() == two.estimates.total.sums.tobytes()
        assert one.estimates.reverse.adaptive.value.tobytes() == two.estimates.reverse.adaptive.value.tobytes()


def test_an_idle_partition_does_not_lengthen_the_evaluation(brute):
    spec = brute.spec_of(length_us=100)
    idle, _ = brute.state_of(spec, [brute.plain(0, 0)], (), 0)
    busy, _ = brute.state_of(spec, [brute.plain(0, 10**12)], (), 1)
    view = evaluate([idle, busy], spec, 10**12, resolution=1e-13, min_messages=1)
    assert view.windows[0].estimates.total.count_of("messages").tolist() == [1]


def test_covered_needs_every_partition_complete_from_the_windows_start(brute):
    spec = brute.spec_of((1, 3), length_us=100, panes=4, max_skew_us=20)
    whole, _ = brute.state_of(spec, [brute.plain(0, 400)], (), 0)
    part = new_state(spec, 1)
    begin(part, spec, 260)  # + 2 x 20 = 300, a border of the longest ring's panes of 75 us
    assert part.complete_from_us == 300
    brute.state_of(spec, [brute.plain(9, 300)], (), 1, part)
    for now_us, covered in ((399, [True, False]), (374, [False, False]), (599, [True, True]), (524, [True, False])):
        view = evaluate([whole, part], spec, now_us, resolution=1e-13, min_messages=1)
        assert [window.covered for window in view.windows] == covered, now_us
    assert all(window.covered for window in evaluate([whole], spec, 399, resolution=1e-13, min_messages=1).windows)


def test_overflowed_lasts_as_long_as_the_overflow_is_within_the_window(brute):
    spec = brute.spec_of((1, 3), length_us=100, panes=4, cap=1)
    state, _ = brute.state_of(spec, [brute.plain(0, 100, ("a",)), brute.plain(1, 125, ("b",))])
    assert state.overflow_clock_us == 125
    for now_us, overflowed in (
        (130, [True, True]),
        (224, [True, True]),  # the short window begins at 125
        (225, [False, True]),
        (374, [False, True]),
        (375, [False, False]),
        (450, [False, False]),
    ):
        view = evaluate([state], spec, now_us, resolution=1e-13, min_messages=1)
        assert [window.overflowed for window in view.windows] == overflowed, now_us


def test_no_partition_and_no_record_show_no_series(brute):
    spec = brute.spec_of((1, 3))
    for states in ([], [new_state(spec, 0)]):
        view = evaluate(states, spec, 10**15, resolution=1e-13, min_messages=1)
        assert view.keys == ()
        assert [window.estimates.ratio_mean.shape for window in view.windows] == [(0,), (0,)]


def test_default_windows_hold_the_events_of_their_real_lengths(brute):
    hour = 3_600_000_000
    spec = brute.spec_of((1, 12, 288), length_us=hour // 12, panes=30, burn_in=15, max_skew_us=60_000_000)
    assert [ring.size for ring in spec.rings] == [51, 46, 46]
    start = 1_700_000_000_000_000
    rng = np.random.default_rng(7)
    times = start + np.sort(rng.integers(0, 40 * hour, 3000))
    log = [
        brute.plain(n, int(t), (f"m{n % 5}",), float(u))
        for n, (t, u) in enumerate(zip(times, rng.normal(0, 0.3, 3000), strict=True))
    ]
    state, _ = brute.state_of(spec, log, range(0, 3000, 171))
    now_us = int(times[-1]) + 1_000_000
    view = evaluate([state], spec, now_us, resolution=1e-13, min_messages=1)
    for spec_window, window in zip(spec.windows, view.windows, strict=True):
        end_us = round(window.end_seconds * 1e6)
        assert now_us < end_us <= now_us + spec_window.length_us // 30
        inside = [r for r in log if end_us - spec_window.length_us <= r.event_us < end_us]
        counts = [sum(r.messages[0][0] == key for r in inside) for key in view.keys]
        assert window.estimates.total.count_of("messages").tolist() == counts
        assert sum(counts) > 0

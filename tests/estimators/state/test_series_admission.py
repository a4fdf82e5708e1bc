"""Which series a partition holds: the cap, `__other__`, expiry, reuse of slots, and what it costs in memory."""

import numpy as np

from estimators.rings import CAPACITY_MIN


def plain_keys(state):
    return sorted(key[0] for key in state.series.slots)


def test_above_the_cap_messages_count_for_other_and_nothing_is_lost(brute):
    spec = brute.spec_of(cap=2)
    log = [brute.plain(n, 10 + n, (name,)) for n, name in enumerate("abcadc")]
    state, (answer,) = brute.state_of(spec, log)
    assert plain_keys(state) == ["__other__", "a", "b"]
    assert (answer.overflow, answer.messages) == (3, 6)
    assert dict(zip(answer.keys, answer.moments.count_of("messages").tolist(), strict=True)) == {
        ("a",): 2, ("b",): 1, ("__other__",): 3,
    }  # fmt: skip
    assert state.overflow_clock_us == 15


def test_other_stands_besides_the_cap_and_a_producer_may_name_it(brute):
    spec = brute.spec_of(cap=1)
    state, (answer,) = brute.state_of(spec, [brute.plain(0, 10, ("__other__",)), brute.plain(1, 11, ("a",))])
    assert plain_keys(state) == ["__other__", "a"]
    assert (answer.overflow, state.overflow_clock_us) == (0, None)


def test_only_accepted_messages_admit_a_series(brute):
    spec = brute.spec_of(cap=1)
    bad = brute.Record(0, 10, 10, ((("a",), (brute.BAD_PAIRS["nan"],)),))
    late_and_future = [brute.plain(2, -9000, ("b",)), brute.plain(3, 5000, ("c",), append_us=11)]
    state, _ = brute.state_of(spec, [bad, brute.plain(1, 11, ("d",)), *late_and_future])
    assert plain_keys(state) == ["d"]


def test_a_slot_is_freed_when_the_last_pane_of_the_longest_ring_expires(brute):
    #   longest ring: panes of 75 us, 4 + 2 + ceil(20 / 75) = 7 of them; "a" is last heard in pane 1
    spec = brute.spec_of((1, 3), length_us=100, panes=4, burn_in=2, max_skew_us=20, cap=1)
    log = [brute.plain(0, 80, ("a",)), brute.plain(1, 149, ("a",)), brute.plain(2, 100, ("a",))]
    before, _ = brute.state_of(spec, [*log, brute.plain(3, 8 * 75 - 1, ("b",))])
    after, _ = brute.state_of(spec, [*log, brute.plain(3, 8 * 75, ("b",))])
    assert (plain_keys(before), plain_keys(after)) == (["__other__", "a"], ["b"])


def test_a_record_without_an_accepted_pair_still_moves_the_clock_and_expires_series(brute):
    spec = brute.spec_of(cap=1)
    bad = brute.Record(1, 10**6, 10**6, ((("b",), (brute.BAD_PAIRS["nan"],)),))
    state, _ = brute.state_of(spec, [brute.plain(0, 10, ("a",)), bad])
    assert (plain_keys(state), state.clock_us) == ([], 10**6)


def test_a_series_that_returns_within_one_batch_starts_anew(brute):
    spec = brute.spec_of(length_us=100)
    log = [brute.plain(0, 10), brute.plain(1, 10**6, ("b",)), brute.plain(2, 10**6 + 5)]
    for cuts in ((), (1, 2)):
        state, _ = brute.state_of(spec, log, cuts)
        assert int(state.series.first_us[state.series.slots["a",]]) == 10**6 + 5


def test_expiry_makes_room_in_the_middle_of_a_batch(brute):
    spec = brute.spec_of(length_us=100, cap=1)
    log = [brute.plain(n, 10**6 * (1 + n // 2), (f"s{n}",)) for n in range(8)]
    for cuts in ((), range(8)):
        state, answers = brute.state_of(spec, log, cuts)
        assert plain_keys(state) == ["__other__", "s6"]
        assert sum(answer.overflow for answer in answers) == 4


def test_a_reused_slot_holds_nothing_of_its_former_series(brute):
    spec = brute.spec_of((1, 6), length_us=100, cap=3)
    quiet = [brute.plain(10 + n, 10**6 + n, (name,), u=1e-3) for n, name in enumerate("xyz")]
    loud = [brute.plain(n, 10 + n, (name,), u=250.0) for n, name in enumerate("abc")]
    for cuts in ((), (3,), range(6)):
        reused, _ = brute.state_of(spec, [*loud, *quiet], cuts)
        fresh, _ = brute.state_of(spec, quiet)
        for ring, clean in zip(reused.rings, fresh.rings, strict=True):
            for key, slot in fresh.series.slots.items():
                got, want = ring.moments[:, reused.series.slots[key]], clean.moments[:, slot]
                np.testing.assert_allclose(got.sums, want.sums, rtol=1e-12, atol=0)
                np.testing.assert_array_equal(got.counts, want.counts)
                np.testing.assert_array_equal(got.max_u, want.max_u)


def state_bytes(state):
    rings = sum(m.sums.nbytes + m.counts.nbytes + m.max_u.nbytes for m in (ring.moments for ring in state.rings))
    return rings + state.series.first_us.nbytes + state.series.last_us.nbytes


def test_a_flood_of_series_takes_no_more_memory_than_the_cap(brute):
    spec = brute.spec_of((1, 6), length_us=100, cap=100)
    at_cap, _ = brute.state_of(spec, [brute.plain(n, n % 50, (f"s{n}",)) for n in range(101)])
    state, overflow = None, 0
    for start in range(0, 100_000, 4000):
        log = [brute.plain(n, n % 50, (f"s{n}",)) for n in range(start, start + 4000)]
        state, answers = brute.state_of(spec, log, state=state)
        overflow += answers[0].overflow
    assert len(state.series.slots) == 101
    assert overflow == 100_000 - 100
    assert state_bytes(state) == state_bytes(at_cap)
    assert len(state.series.keys) == 101


def test_a_flood_of_short_lived_series_takes_no_more_memory_than_the_live_ones(brute):
    spec = brute.spec_of((1, 6), length_us=100, cap=100)
    log = [brute.plain(n, 500 * n, (f"s{n}",)) for n in range(20_000)]
    state, answers = brute.state_of(spec, log, range(0, 20_000, 1000))
    assert len(state.series.slots) < 10
    assert {ring.capacity for ring in state.rings} == {state.series.capacity} == {CAPACITY_MIN}
    assert sum(answer.overflow for answer in answers) == 0


def test_slots_are_reused_while_series_come_and_go(brute):
    spec = brute.spec_of((1, 6), length_us=100, cap=100)
    #   one series each 25 us; the longest ring holds 4 + 2 + 1 panes of 150 us: at most 42 + 6 of them are live
    log = [brute.plain(n, 25 * n, (f"s{n}",)) for n in range(2000)]
    state, _ = brute.state_of(spec, log, range(0, 2000, 7))
    assert 30 <= len(state.series.slots) <= 48
    assert len(state.series.keys) <= 48 + 7
    assert state.series.quietest_us() == min(
        int(state.series.last_us[slot]) for slot in state.series.slots.values()
    )  # an expired series no longer counts as quiet: columns are admitted at once again


def test_room_is_given_back_when_most_series_have_expired(brute):
    spec = brute.spec_of((1, 6), length_us=100, cap=1000)
    state, _ = brute.state_of(spec, [brute.plain(n, n // 10, (f"s{n}",)) for n in range(1000)])
    grown = state_bytes(state)
    kept = [brute.plain(2000, 900, ("s7",)), brute.plain(2001, 1100, ("new",))]
    state, _ = brute.state_of(spec, kept, (1,), state=state)
    assert plain_keys(state) == ["new", "s7"]
    assert state_bytes(state) * 32 < grown
    fresh, _ = brute.state_of(spec, [brute.plain(7, 0, ("s7",)), *kept])
    for ring, clean in zip(state.rings, fresh.rings, strict=True):
        for key in (("s7",), ("new",)):
            got, want = ring.moments[:, state.series.slots[key]], clean.moments[:, fresh.series.slots[key]]
            np.testing.assert_array_equal(got.counts, want.counts)
            np.testing.assert_allclose(got.sums, want.sums, rtol=1e-12)

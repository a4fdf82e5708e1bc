"""The second fold against the real state, and against formulas at 50 digits; and every fault told at its place."""

import copy
import math

import mpmath
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.verification.comparison import compare
from daemon.verification.recount import Recount
from daemon.verification.spans import Asked, plan_of
from daemon.verification.terms import COUNT_NAMES, SUM_NAMES, record_hashes, terms_of
from estimators.moments import COUNT, COUNTS, SUM, SUMS
from estimators.pairs import Pairs
from estimators.partitions import begin
from estimators.spec import WindowSpec
from estimators.validation import Rules

EVER = Asked(0, 2**60)
SHARES = st.lists(st.floats(0, 1), max_size=4)
quiet = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def checked(state, spec, pairs, logs, asked=EVER, cuts=(), **more):
    """Compare a state with a log."""
    plan = plan_of(state, spec, asked)
    recount = Recount(plan, spec, state.partition)
    for batch in logs.in_batches(pairs, cuts):
        recount.add(batch)
    return compare(state, spec, plan, recount, **more)


@quiet
@given(seed=st.integers(0, 2**32), ours=SHARES, theirs=SHARES, weighted=st.booleans(), sampled=st.sampled_from("pq"))
def test_an_intact_state_equals_its_log_wherever_batches_are_cut(logs, seed, ours, theirs, weighted, sampled):
    rules = Rules(sampled_from=sampled, nats_per_unit=math.log(2) if seed % 2 else 1.0)
    spec = logs.spec(rules=rules)
    pairs = logs.pairs(seed, weighted=weighted)
    compared = checked(logs.absorbed(pairs, spec, cuts=ours), spec, pairs, logs, cuts=theirs)
    assert compared.differences == []
    assert min(compared.panes_by_window.values()) >= 13
    assert compared.messages > 50


@quiet
@given(seed=st.integers(0, 2**32), cap=st.integers(1, 4))
def test_series_above_the_cap_are_compared_as_totals_until_the_last_overflow(logs, seed, cap):
    spec = logs.spec(max_series=cap)
    pairs = logs.pairs(seed, series=8)
    late = pairs.append_time_us > logs.start_us + 30 * logs.second_us
    before = logs.absorbed(logs.rows(pairs, ~late), spec)
    admitted = next(key for key in before.series.slots if key != ("__other__",))
    pairs.keys[:] = [admitted if calm else key for key, calm in zip(pairs.keys, late, strict=True)]
    state = logs.absorbed(pairs, spec)
    assert state.overflow_clock_us is not None
    assert checked(state, spec, pairs, logs).differences == []
    whole = [each.whole for each in plan_of(state, spec, EVER).rings]
    assert whole[0] == sorted(whole[0], reverse=True)
    assert not all(whole[0])


def test_more_series_than_were_admitted_do_not_pass_as_each_their_own(logs):
    spec, pairs = logs.spec(max_series=2), logs.pairs(4, series=6)
    state = logs.absorbed(pairs, spec)
    state.overflow_clock_us = None
    assert checked(state, spec, pairs, logs).different > 0


@pytest.mark.parametrize("many", [1, 3])
def test_one_record_more_or_less_or_doubled_is_told_with_its_offset(logs, many):
    spec, pairs = logs.spec(), logs.pairs(7, weighted=False)
    state = logs.absorbed(pairs, spec)
    accepted = terms_of(pairs, spec.rules, 3).message
    newest = [
        each
        for each in accepted
        if logs.start_us + 35 * logs.second_us < pairs.event_time_us[each] <= pairs.append_time_us[each]
    ]
    alone = next(each for each in newest if np.count_nonzero(pairs.offset == pairs.offset[each]) == 1)
    lost = logs.rows(pairs, np.arange(len(pairs.offset)) != alone)
    doubled = logs.rows(pairs, sorted([*range(len(pairs.offset)), *[alone] * many]))
    for log, sign in ((lost, 1), (doubled, -many)):
        compared = checked(state, spec, log, logs)
        counts = [each for each in compared.differences if each.name == "messages"]
        assert "clock_us" not in {each.name for each in compared.differences}
        assert {each.window for each in counts} == {"7s", "21s"}
        for each in counts:
            assert each.pane_start_us <= pairs.event_time_us[alone] < each.pane_end_us
            assert each.key == pairs.keys[alone]
            assert each.in_snapshot - each.in_log == sign
            assert each.record == pairs.offset[alone]


def test_two_swapped_offsets_keep_counts_and_sums_but_not_the_audit(logs):
    spec, pairs = logs.spec(), logs.pairs(11, series=2)
    state = logs.absorbed(pairs, spec)
    terms = terms_of(pairs, spec.rules, 3)
    fresh = [each for each in terms.message.tolist() if pairs.event_time_us[each] > logs.start_us + 36 * logs.second_us]
    first = fresh[0]
    second = next(
        each for each in fresh if pairs.keys[each] != pairs.keys[first] and pairs.offset[each] != pairs.offset[first]
    )
    swapped = pairs.offset.copy()
    swapped[[first, second]] = swapped[[second, first]]
    log = Pairs(
        pairs.log_p,
        pairs.log_q,
        pairs.weight,
        pairs.first_pair,
        pairs.keys,
        swapped,
        pairs.event_time_us,
        pairs.append_time_us,
    )
    plan = plan_of(state, spec, EVER)
    recount = Recount(plan, spec, 3)
    recount.add(log)
    names = {each.name for each in compare(state, spec, plan, recount).differences}
    assert "hash_sum" in names
    assert names <= {"offset_sum", "hash_sum"}


@pytest.mark.parametrize("name", SUMS)
def test_a_flipped_bit_of_any_sum_is_told_at_its_pane_and_series(logs, name):
    spec, pairs = logs.spec(), logs.pairs(5)
    state = logs.absorbed(pairs, spec)
    ring, slot = state.rings[1], state.series.slots["s1",]
    row = ring.newest % ring.size
    bits = ring.moments.sums[:, :, SUM[name]].view(np.uint64)
    # The lowest bit that is worth more than the bound: of 52, some 13 are rounding's.
    bits[row, slot] ^= np.uint64(1 << 24)
    compared = checked(state, spec, pairs, logs)
    assert [(each.window, each.key, each.name) for each in compared.differences] == [("21s", ("s1",), name)]
    assert compared.differences[0].pane_end_us > state.clock_us


@pytest.mark.parametrize("name", COUNTS)
def test_a_flipped_bit_of_any_count_is_told(logs, name):
    spec, pairs = logs.spec(), logs.pairs(6)
    state = logs.absorbed(pairs, spec)
    ring, slot = state.rings[0], state.series.slots["s2",]
    ring.moments.counts[(ring.newest - 3) % ring.size, slot, COUNT[name]] ^= np.uint64(1)
    found = checked(state, spec, pairs, logs).differences
    assert [(each.window, each.key, each.name) for each in found] == [("7s", ("s2",), name)]


def test_the_largest_log_ratio_is_compared_too(logs):
    spec, pairs = logs.spec(), logs.pairs(6)
    state = logs.absorbed(pairs, spec)
    ring, slot = state.rings[0], state.series.slots["s2",]
    filled = np.isfinite(ring.moments.max_u[:, slot])
    ring.moments.max_u[filled, slot] += 1e-6
    assert [each.name for each in checked(state, spec, pairs, logs).differences] == ["max_u"] * filled.sum()


def test_a_series_that_only_the_log_knows_is_told(logs):
    spec, pairs = logs.spec(), logs.pairs(8)
    state = logs.absorbed(logs.rows(pairs, np.array([key != ("s4",) for key in pairs.keys])), spec)
    found = checked(state, spec, pairs, logs).differences
    assert {each.key for each in found} == {("s4",)}
    assert {each.in_snapshot for each in found if each.name == "messages"} == {0}


def test_panes_before_complete_from_and_what_is_not_asked_are_left_out(logs):
    spec, pairs = logs.spec(), logs.pairs(9)
    state = logs.absorbed(logs.rows(pairs, pairs.append_time_us > logs.start_us + 22 * logs.second_us), spec)
    assert checked(state, spec, pairs, logs).different > 0
    begin(state, spec, logs.start_us + 22 * logs.second_us)
    whole = checked(state, spec, pairs, logs)
    assert whole.differences == []
    assert whole.from_us >= state.complete_from_us
    part = checked(
        state, spec, pairs, logs, Asked(logs.start_us + 30 * logs.second_us, logs.start_us + 33 * logs.second_us)
    )
    assert part.from_us >= logs.start_us + 30 * logs.second_us - 7 * logs.second_us // 9 - 1
    assert 0 < part.panes_by_window["7s"] <= 5
    later = checked(state, spec, pairs, logs, not_before_us=logs.start_us + 35 * logs.second_us)
    assert later.from_us >= logs.start_us + 35 * logs.second_us
    assert later.panes < whole.panes


def test_a_state_before_its_first_record_has_nothing_to_compare(logs):
    spec = logs.spec()
    plan = plan_of(logs.absorbed(logs.rows(logs.pairs(1), []), spec), spec, EVER)
    assert (plan.panes, plan.first_us, plan.end_us) == (0, None, None)


def test_every_pane_holds_the_times_from_its_edge_to_the_next_in_exact_fractions(logs):
    from fractions import Fraction

    spec = logs.spec(windows=(WindowSpec("a", 1_000_003), WindowSpec("b", 3_000_009)), panes_per_window=7)
    pairs = logs.pairs(2)
    plan = plan_of(logs.absorbed(pairs, spec), spec, EVER)
    for ring, geometry in zip(plan.rings, spec.rings, strict=True):
        for pane, edge in enumerate(ring.edges_us.tolist(), ring.first):
            index = lambda time_us: math.floor(Fraction(time_us) * 7 / geometry.length_us)  # noqa: E731, B023
            assert (index(edge - 1), index(edge)) == (pane - 1, pane)


def test_the_hash_is_the_one_of_the_law():
    assert int(record_hashes(3, np.array([17]))[0]) == 0xD65F67E17739


def test_the_names_are_those_of_the_moments():
    assert sorted(SUM_NAMES) == sorted(SUMS)
    assert COUNT_NAMES == COUNTS


@pytest.mark.parametrize(
    "u", [1e-300, 1e-12, -1e-8, 3e-5, -0.02, 0.3, 0.4999, -0.4999, 0.5, -0.5, 0.7, -3.0, 20.0, 299.0, 300.0]
)
def test_the_terms_of_one_pair_agree_with_50_digits(u):
    pairs = Pairs(
        np.array([u - 700.0]),
        np.array([-700.0]),
        None,
        np.array([0]),
        [()],
        np.array([5]),
        np.array([0]),
        np.array([0]),
    )
    exact = pairs.log_p[0] - pairs.log_q[0]
    terms = terms_of(pairs, Rules(), 0)
    with mpmath.workdps(50):
        x = mpmath.mpf(float(exact))
        c = mpmath.expm1(x)
        truth = {"C": c, "SF": c - x, "OF": x * mpmath.exp(x) - c, "U": x, "K2": x * x / 2, "W": 1, "CC": c * c}
        for name, value in truth.items():
            assert abs(terms.sums[0, SUM_NAMES.index(name)] - value) <= 3e-15 * abs(value), name


def test_comparing_changes_neither_state_nor_result(logs):
    spec, pairs = logs.spec(), logs.pairs(3)
    state = logs.absorbed(pairs, spec)
    before = copy.deepcopy(state)
    first, second = (checked(state, spec, pairs, logs) for _ in range(2))
    assert first == second
    assert np.array_equal(before.rings[0].moments.sums, state.rings[0].moments.sums)


def test_an_event_at_the_edge_of_a_pane_is_in_the_pane_that_begins_there(logs):
    spec, second = logs.spec(windows=(WindowSpec("9s", 9 * logs.second_us),)), logs.second_us
    times = logs.start_us // second * second + second * np.array([0, 1, 2, 3]) - np.array([0, 1, 0, 0])
    ones = np.full(4, -1.0)
    pairs = Pairs(ones, ones, None, np.arange(4), [("a",)] * 4, np.arange(4), times, times)
    plan = plan_of(logs.absorbed(pairs, spec), spec, EVER)
    recount = Recount(plan, spec, 3)
    recount.add(pairs)
    edges = plan.rings[0].edges_us.tolist()
    counted = {edges[pane]: recount.pane(0, pane).counts[:, 0].tolist() for pane in range(plan.rings[0].panes)}
    start = int(times[0])
    assert counted[start] == [2]
    assert counted[start + 2 * second] == counted[start + 3 * second] == [1]
    assert checked(logs.absorbed(pairs, spec), spec, pairs, logs).differences == []


def test_many_batches_cost_no_digit(logs):
    spec, batches = logs.spec(), 1000
    plan = plan_of(logs.absorbed(logs.pairs(1), spec), spec, EVER)
    recount = Recount(plan, spec, 3)
    time_us = plan.rings[0].edges_us[:1]
    drawn = np.random.default_rng(1).normal(0, 1, batches) - 3
    for u in drawn:
        at_q = np.array([-9.0])
        recount.add(Pairs(at_q + u, at_q, None, np.zeros(1, int), [("a",)], np.zeros(1, int), time_us, time_us))
    exact = [(-9.0 + u) + 9.0 for u in drawn]
    assert recount.pane(0, 0).sums[0, SUM_NAMES.index("U")] == math.fsum(exact)


def test_a_lost_record_that_is_newer_than_all_others_is_told_by_the_clock(logs):
    spec, pairs = logs.spec(), logs.pairs(12)
    newest = int(np.argmax(np.minimum(pairs.event_time_us, pairs.append_time_us + spec.max_skew_us)))
    pairs.event_time_us[newest] = pairs.append_time_us[newest] + spec.max_skew_us
    state = logs.absorbed(logs.rows(pairs, pairs.offset != pairs.offset[newest]), spec)
    late = [each for each in checked(state, spec, pairs, logs).differences if each.name == "clock_us"]
    assert [(each.in_snapshot, each.in_log) for each in late] == [(state.clock_us, pairs.event_time_us[newest])]
    assert late[0].record == pairs.offset[newest]


def test_a_clock_that_no_record_explains_is_told_unless_records_are_missing(logs):
    spec, pairs = logs.spec(), logs.pairs(12)
    state = logs.absorbed(pairs, spec)
    state.clock_us += 1
    assert [each.name for each in checked(state, spec, pairs, logs).differences] == ["clock_us"]
    assert checked(state, spec, pairs, logs, not_before_us=0).differences == []

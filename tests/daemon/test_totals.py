"""Process counters per series: they add, they never fall while exported, and they are bounded."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.totals import SeriesTotals
from estimators.moments import COUNT, SUM, Moments


def moments(messages, kl, weight=1.0):
    """Moments of some series with one pair a message."""
    made = Moments.zero(len(messages))
    made.counts[:, COUNT["messages"]] = messages
    made.counts[:, COUNT["pairs"]] = messages
    made.sums[:, SUM["W"]] = weight
    made.sums[:, SUM["SF"]] = kl
    made.sums[:, SUM["OF"]] = np.asarray(kl) * 2
    return made


def test_the_sampler_side_is_reverse_when_q_is_the_sampler_and_forward_when_p_is():
    totals = SeriesTotals()
    totals.add([("a",)], moments([1], [0.5]), now=0)
    _, as_q = totals.board("q")
    _, as_p = totals.board("p")
    assert (as_q.kl_nats_sum["reverse"][0], as_q.kl_nats_sum["forward"][0]) == (0.5, 1.0)
    assert (as_p.kl_nats_sum["reverse"][0], as_p.kl_nats_sum["forward"][0]) == (1.0, 0.5)


@given(st.lists(st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), max_size=30, unique=True), max_size=8))
def test_totals_equal_a_plain_count_whatever_the_batches(batches):
    totals, expected = SeriesTotals(), {}
    for batch in batches:
        keys = [(name,) for name in batch]
        totals.add(keys, moments([1] * len(keys), [0.25] * len(keys)), now=1)
        for key in keys:
            expected[key] = expected.get(key, 0) + 1
    keys, counters = totals.board("q")
    assert dict(zip(keys, counters.messages, strict=True)) == expected
    assert np.allclose(counters.kl_nats_sum["reverse"], 0.25 * counters.messages)


def test_an_idle_series_is_dropped_and_starts_at_0_when_it_returns_while_others_keep_theirs():
    totals = SeriesTotals()
    totals.add([("idle",), ("busy",)], moments([3, 5], [0.0, 0.0]), now=10)
    totals.add([("busy",)], moments([1], [0.0]), now=100)
    totals.drop_idle(before=50)
    assert totals.board("q")[0] == (("busy",),)
    totals.add([("idle",)], moments([2], [0.0]), now=110)
    keys, counters = totals.board("q")
    assert dict(zip(keys, counters.messages, strict=True)) == {("busy",): 6, ("idle",): 2}


def test_a_published_board_does_not_change_when_more_is_added():
    totals = SeriesTotals()
    totals.add([("a",)], moments([1], [0.5]), now=0)
    _, before = totals.board("q")
    totals.add([("a",)], moments([1], [0.5]), now=0)
    assert before.messages[0] == 1


def test_memory_is_bounded_by_live_series_not_by_all_that_ever_were():
    totals = SeriesTotals()
    for round_number in range(50):
        keys = [(f"{round_number}-{index}",) for index in range(1000)]
        totals.add(keys, moments([1] * 1000, [0.0] * 1000), now=round_number)
        totals.drop_idle(before=round_number - 1)
    assert len(totals) <= 2000
    assert len(totals._sums) <= 4096

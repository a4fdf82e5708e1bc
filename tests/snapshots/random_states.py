"""Logs that make every kind of state: growth, expiry, overflow, slots that are given again, shrinking, late events."""

import numpy as np
from hypothesis import strategies as st

from estimators.pairs import Pairs
from estimators.spec import StreamSpec, WindowSpec

PARTITION = 3
SPEC = StreamSpec(
    windows=(WindowSpec("1x", 400), WindowSpec("2x", 800), WindowSpec("6x", 2400)),
    panes_per_window=4, burn_in=2, max_skew_us=100, max_series=60,
)  # fmt: skip


@st.composite
def batches(draw, count=8):
    """Batches of one log, each of up to 80 messages; event times may go far ahead, so that series expire."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    offset, now, made = 0, 1_000_000, []
    for _ in range(draw(st.integers(1, count))):
        messages = draw(st.integers(1, 80))
        series = draw(st.sampled_from([1, 3, 12, 40, 90]))
        step = draw(st.sampled_from([0, 1, 20, 200]))
        now += draw(st.sampled_from([0, 0, 90, 900, 3000, 9000]))
        made.append(batch(rng, offset, now, messages, series, step))
        offset, now = offset + messages, now + step * messages
    return made


def batch(rng, offset, now, messages, series, step):
    """Columns of single pairs; about one in six is late, out of order or from the future."""
    event_us = now + step * np.arange(messages) + rng.choice([0, 0, 0, 0, -150, -4000, 3000], messages)
    log_q = -rng.exponential(2.0, messages)
    log_p = np.where(rng.random(messages) < 0.05, -np.inf, log_q + rng.normal(0, 0.5, messages) - 2.0)
    return Pairs(
        log_p=log_p,
        log_q=log_q,
        weight=None,
        first_pair=np.arange(messages),
        keys=[(f"m{number}", "v1") for number in rng.integers(0, series, messages)],
        offset=np.arange(offset, offset + messages),
        event_time_us=event_us,
        append_time_us=np.minimum(event_us, now + step * np.arange(messages)),
    )


def assert_same_state(state, other):
    """Equal to the bit, the orders that decide about newcomers' slots included."""
    assert list(state.series.slots.items()) == list(other.series.slots.items())
    assert state.series.keys == other.series.keys
    assert state.series.free == other.series.free
    assert state.series.capacity == other.series.capacity
    live = list(state.series.slots.values())
    np.testing.assert_array_equal(state.series.first_us[live], other.series.first_us[live])
    np.testing.assert_array_equal(state.series.last_us, other.series.last_us)
    for ring, its in zip(state.rings, other.rings, strict=True):
        assert ring.newest == its.newest
        for name in ("sums", "counts", "max_u"):
            np.testing.assert_array_equal(getattr(ring.moments, name), getattr(its.moments, name), strict=True)
    for name in ("partition", "clock_us", "clock_jumps", "complete_from_us", "overflow_clock_us"):
        assert getattr(state, name) == getattr(other, name), name

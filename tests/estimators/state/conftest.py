"""A second program that keeps no state: plain lists, Fractions and math.fsum over all raw records, nothing of ours."""

import itertools
import math
from dataclasses import dataclass, field
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import strategies as st

from estimators.estimates import DIRECTIONS
from estimators.moments import COUNTS, SUMS, Moments
from estimators.pairs import Pairs
from estimators.partitions import absorb, new_state
from estimators.spec import StreamSpec, WindowSpec

BAD_PAIRS = {"nan": (math.nan, -1.0), "sampler_zero": (-1.0, -math.inf), "positive": (-1.0, 0.5)}
MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Record:
    """A raw record; messages are (key, [(log_p, log_q)]), q being the sampler."""

    offset: int
    append_us: int
    event_us: int
    messages: tuple


@dataclass(frozen=True)
class Accepted:
    owner: tuple
    offset: int
    event_us: int
    us: tuple


@dataclass
class Outcome:
    accepted: list = field(default_factory=list)
    rejected: dict = field(default_factory=dict)
    pairs_rejected: dict = field(default_factory=dict)
    overflow: int = 0
    jumps: int = 0
    clock: int | None = None
    overflow_clock: int | None = None
    live: dict = field(default_factory=dict)


def spec_of(multiples=(1,), *, length_us=100, panes=4, burn_in=2, max_skew_us=20, delay_us=0, cap=100):
    """Windows named after how many times as long as the first one they are."""
    return StreamSpec(
        windows=tuple(WindowSpec(f"{multiple}x", multiple * length_us) for multiple in multiples),
        panes_per_window=panes, burn_in=burn_in, max_skew_us=max_skew_us, expected_delay_us=delay_us, max_series=cap,
    )  # fmt: skip


def pane(spec, window, time_us):
    return math.floor(Fraction(time_us * spec.panes_per_window, spec.windows[window].length_us))


def ring_size(spec, window):
    moved = Fraction((spec.max_skew_us + spec.expected_delay_us) * spec.panes_per_window)
    return spec.panes_per_window + spec.burn_in + math.ceil(moved / spec.windows[window].length_us)


def reason_of(log_p, log_q):
    for reason, (bad_p, bad_q) in BAD_PAIRS.items():
        if (repr(log_p), repr(log_q)) == (repr(bad_p), repr(bad_q)):
            return reason
    return None


def replay(spec, records):
    """Judge every record from the whole list of those before it."""
    out = Outcome()
    longest = max(range(len(spec.windows)), key=lambda window: spec.windows[window].length_us)
    for record in records:
        before, seen = out.clock, min(record.event_us, record.append_us + spec.max_skew_us)
        out.clock = seen if before is None else max(before, seen)
        out.jumps += before is not None and out.clock - before > spec.windows[longest].length_us
        held = pane(spec, longest, out.clock) - ring_size(spec, longest)
        out.live = {k: span for k, span in out.live.items() if pane(spec, longest, span[1]) > held}
        if record.event_us > record.append_us + spec.max_skew_us:
            reject(out, "future", record)
        elif pane(spec, longest, record.event_us) <= held:
            reject(out, "late", record)
        else:
            admit_record(spec, out, record)
    return out


def reject(out, reason, record):
    out.rejected.setdefault(reason, []).append(record.offset)


def admit_record(spec, out, record):
    any_accepted = False
    for key, pairs in record.messages:
        us = []
        for log_p, log_q in pairs:
            reason = reason_of(log_p, log_q)
            if reason is None:
                us.append(log_p - log_q)
            else:
                out.pairs_rejected[reason] = out.pairs_rejected.get(reason, 0) + 1
        if not us:
            continue
        any_accepted = True
        other = ("__other__",) * len(key)
        owner = key
        if key not in out.live and key != other and len(out.live.keys() - {other}) >= spec.max_series:
            owner, out.overflow, out.overflow_clock = other, out.overflow + 1, out.clock
        first, last = out.live.get(owner, (record.event_us, record.event_us))
        out.live[owner] = (min(first, record.event_us), max(last, record.event_us))
        out.accepted.append(Accepted(owner, record.offset, record.event_us, tuple(us)))
    if not any_accepted:
        reject(out, "empty", record)


def mixed(partition, offset):
    x = (((partition << 44) ^ offset) + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return (x ^ (x >> 31)) & ((1 << 48) - 1)


def message_sums(message):
    """W, C, the two F and U of one message, and its pair sums; pairs with O(x) = 0 as DESIGN.md section 4 has it."""
    finite = [u for u in message.us if u > -math.inf]
    zero = len(message.us) - len(finite)
    w = len(message.us)
    c = math.fsum(map(math.expm1, finite)) - zero
    sf = math.fsum(math.expm1(u) - u for u in finite)
    of = math.fsum(math.exp(u) * (math.expm1(-u) + u) for u in finite) + zero
    total_u = math.fsum(finite)
    w2cc = math.fsum(math.expm1(u) ** 2 for u in finite) + zero
    return {
        "W": w, "C": c, "WW": w * w, "WC": w * c, "CC": c * c, "W2": w, "W2C": c, "W2CC": w2cc, "WZ": zero,
        "K2": math.fsum(u * u / 2 for u in finite), "U": total_u, "UU": total_u**2, "UW": total_u * w,
        "SF": sf, "SFF": sf * sf, "SFW": sf * w, "SFC": sf * c, "OF": of, "OFF": of * of, "OFW": of * w, "OFC": of * c,
    }  # fmt: skip


def cell_of(messages, partition):
    """Moments of a list of messages, and the sum of the sizes of the terms behind each sum."""
    sums = [message_sums(message) for message in messages]
    return SimpleNamespace(
        sums=np.array([math.fsum(s[name] for s in sums) for name in SUMS]),
        sizes=np.array([math.fsum(abs(s[name]) for s in sums) for name in SUMS]),
        counts=[
            {
                "messages": len(messages),
                "pairs": sum(len(m.us) for m in messages),
                "zero_other": sum(u == -math.inf for m in messages for u in m.us),
                "clamped": 0,
                "offset_sum": sum(m.offset for m in messages) & MASK,
                "hash_sum": sum(mixed(partition, m.offset) for m in messages) & MASK,
            }[name]
            for name in COUNTS
        ],
        max_u=max((u for m in messages for u in m.us), default=-math.inf),
    )


def cells(spec, outcome, window):
    """Accepted messages by (pane, series), of the panes that the window's ring holds at the end."""
    held = pane(spec, window, outcome.clock) - ring_size(spec, window)
    by_cell = {}
    for message in outcome.accepted:
        index = pane(spec, window, message.event_us)
        if index > held:
            by_cell.setdefault((index, message.owner), []).append(message)
    return by_cell


def pairs_of(records):
    """The columns that a decoder would hand over."""
    messages = [(record, key, pairs) for record in records for key, pairs in record.messages]
    flat = [pair for _, _, pairs in messages for pair in pairs]
    lengths = [len(pairs) for _, _, pairs in messages]
    ints = lambda values: np.array(list(values), np.int64)  # noqa: E731
    return Pairs(
        log_p=np.array([p for p, _ in flat], float),
        log_q=np.array([q for _, q in flat], float),
        weight=None,
        first_pair=np.cumsum([0, *lengths[:-1]]).astype(np.int64) if lengths else ints([]),
        keys=[key for _, key, _ in messages],
        offset=ints(record.offset for record, _, _ in messages),
        event_time_us=ints(record.event_us for record, _, _ in messages),
        append_time_us=ints(record.append_us for record, _, _ in messages),
    )


def state_of(spec, records, cuts=(), partition=0, state=None):
    """Absorb records in batches that end at the given cuts; return the state and every answer."""
    state = state or new_state(spec, partition)
    borders = [0, *sorted(min(cut, len(records)) for cut in cuts), len(records)]
    answers = [absorb(state, spec, pairs_of(records[a:b])) for a, b in itertools.pairwise(borders)]
    return state, answers


def plain(offset, time_us, key=("a",), u=0.5, append_us=None):
    """A record of one message with one good pair."""
    pair = (min(u, 0.0) - 1.0, -max(u, 0.0) - 1.0)  # neither log-probability is positive, whatever u
    return Record(offset, time_us if append_us is None else append_us, time_us, ((key, (pair,)),))


def assert_close(got, want, sizes):
    """Equal to 1e-12 of the sum of the sizes of the terms."""
    assert np.all(np.abs(got - want) <= 1e-12 * sizes), (got, want, sizes)


def assert_same_moments(got, want):
    """Counts, audit and maxima equal, sums within 1e-12 of their size."""
    np.testing.assert_array_equal(got.counts, want.counts)
    np.testing.assert_array_equal(got.max_u, want.max_u)
    np.testing.assert_allclose(got.sums, want.sums, rtol=1e-11, atol=1e-13)


def moments_of(spec, outcomes, window, keys, panes):
    """Moments [panes, keys] of several (partition, outcome), straight from the raw messages."""
    moments = Moments.zero(len(panes), len(keys))
    by_partition = [(partition, cells(spec, outcome, window)) for partition, outcome in outcomes]
    for row, index in enumerate(panes):
        for column, key in enumerate(keys):
            parts = [(p, by[index, key]) for p, by in by_partition if (index, key) in by]
            if not parts:
                continue
            whole = cell_of([m for _, messages in parts for m in messages], 0)
            moments.sums[row, column] = whole.sums
            moments.max_u[row, column] = whole.max_u
            counts = [cell_of(messages, partition).counts for partition, messages in parts]
            moments.counts[row, column] = [sum(column) & MASK for column in zip(*counts, strict=True)]
    return moments


GOOD_PAIRS = (*((u / 8 - 1.0, -1.0) for u in range(-16, 8) if u), (-math.inf, -1.0))
KEYS = (*((name, "x") for name in "abcde"), ("__other__", "__other__"))


@st.composite
def specs(draw):
    """Small windows whose pane borders rarely are whole microseconds, in any order after the first."""
    panes = draw(st.integers(3, 6))
    return spec_of(
        draw(st.sampled_from([(1,), (1, 1), (1, 3), (1, 6, 2), (1, 2, 5)])),
        length_us=draw(st.integers(panes, 150)), panes=panes, burn_in=draw(st.integers(0, 3)),
        max_skew_us=draw(st.integers(0, 60)), delay_us=draw(st.integers(0, 40)), cap=draw(st.integers(1, 5)),
    )  # fmt: skip


def pair_lists():
    good, bad = st.sampled_from(GOOD_PAIRS), st.sampled_from(tuple(BAD_PAIRS.values()))
    return st.lists(st.one_of(good, good, good, bad), min_size=1, max_size=3).map(tuple)


@st.composite
def logs(draw, *, append_order=False, max_size=40):
    """Records in log order: append times that creep, leap and (unless in order) fall back; events before and ahead."""
    steps = st.one_of(st.integers(0, 9), st.integers(0, 9), st.integers(0 if append_order else -30, 150))
    messages = st.lists(st.tuples(st.sampled_from(KEYS), pair_lists()), min_size=1, max_size=2).map(tuple)
    size = draw(st.integers(0, max_size))  # drawn apart: left to itself, hypothesis mostly draws short lists
    record = st.tuples(steps, st.integers(-300, 60), st.integers(1, 3), messages)
    drawn = draw(st.lists(record, min_size=size, max_size=size))
    records, append_us, offset = [], draw(st.integers(-50, 500)), 0
    for step, ahead, offsets, contents in drawn:
        append_us, offset = append_us + step, offset + offsets
        records.append(Record(offset, append_us, append_us + ahead, contents))
    return records


def cuts():
    """Poll borders."""
    return st.lists(st.integers(0, 40), max_size=6)


@pytest.fixture(scope="session")
def brute():
    """The brute-force program and the makers of its input."""
    return SimpleNamespace(
        BAD_PAIRS=BAD_PAIRS, DIRECTIONS=DIRECTIONS, KEYS=KEYS, Record=Record, assert_close=assert_close,
        assert_same_moments=assert_same_moments, cell_of=cell_of, cells=cells, cuts=cuts, logs=logs,
        moments_of=moments_of, pairs_of=pairs_of, pane=pane, plain=plain, replay=replay, ring_size=ring_size,
        reason_of=reason_of, spec_of=spec_of, specs=specs, state_of=state_of,
    )  # fmt: skip

"""Whatever the bytes of sections are, they are a state or damaged, and cost no more memory than they earn."""

import tracemalloc
from dataclasses import replace
from struct import pack, pack_into

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.snapshots.capturing import KEYS, TIMES, capture, state_of
from daemon.snapshots.damage import DamagedSnapshotError, UnknownVersionError
from daemon.snapshots.parsing import FORMAT_VERSION, VERSION
from daemon.snapshots.values import SectionId
from estimators.moments import COUNT, SUMS
from estimators.pairs import Pairs
from estimators.partitions import absorb, new_state
from tests.snapshots.damaged_bytes import HASH, IMAGE, STATE, damaged, profile
from tests.snapshots.random_states import PARTITION, SPEC, assert_same_state, batch


@given(st.data())
@profile
def test_a_damaged_section_is_another_state_or_an_error(data):
    section = data.draw(st.sampled_from(sorted(IMAGE.sections)))
    content = data.draw(st.one_of(st.binary(max_size=300), damaged(IMAGE.sections[section])))
    image = replace(IMAGE, sections={**IMAGE.sections, section: content})
    try:
        state, _ = state_of(image, SPEC, PARTITION)
    except DamagedSnapshotError:
        return
    again, _ = state_of(capture(state, SPEC, HASH, None)[0], SPEC, PARTITION)
    assert_same_state(again, state)
    with np.errstate(all="ignore"):  # sums may be anything; digests are there for that
        absorb(state, SPEC, batch(np.random.default_rng(1), 10**6, 1_009_000, 50, 40, 9))


@pytest.mark.parametrize("section", sorted(IMAGE.sections))
def test_a_section_that_is_cut_short_or_too_long_is_damaged(section):
    content = IMAGE.sections[section]
    for wrong in (content[:-1], content + b"\0", content[:3], b""):
        with pytest.raises(DamagedSnapshotError):
            state_of(replace(IMAGE, sections={**IMAGE.sections, section: wrong}), SPEC, PARTITION)


@pytest.mark.parametrize("kind", ["keys", "times"])
def test_a_state_without_its_series_is_damaged(kind):
    sections = {section: content for section, content in IMAGE.sections.items() if section.kind != kind}
    with pytest.raises(DamagedSnapshotError, match=f"lacks its section {kind}"):
        state_of(replace(IMAGE, sections=sections), SPEC, PARTITION)


@pytest.mark.parametrize(
    "changes",
    [
        {"clock_us": 2**62},
        {"clock_us": None},
        {"clock_us": STATE.clock_us + 10_000},
        {"clock_jumps": -1},
        {"complete_from_us": -(2**62) - 1},
        {"overflow_clock_us": STATE.clock_us + 1},
        {"newest": (None, None, None)},
        {"newest": IMAGE.head.newest[:2]},
        {"newest": tuple(newest + 1 for newest in IMAGE.head.newest)},
        {"slots": IMAGE.head.slots + 1},
    ],
)
def test_a_head_that_no_state_has_is_damaged(changes):
    with pytest.raises(DamagedSnapshotError, match="snapshot"):
        state_of(replace(IMAGE, head=replace(IMAGE.head, **changes)), SPEC, PARTITION)


def test_more_series_than_the_cap_are_damage():
    with pytest.raises(DamagedSnapshotError, match="more series than the cap"):
        state_of(IMAGE, replace(SPEC, max_series=10), PARTITION)


RUN = next(section for section in sorted(IMAGE.sections) if section.kind == "panes")


@pytest.mark.parametrize(
    "moved",
    [
        RUN._replace(ring=3),
        RUN._replace(first_pane=RUN.first_pane + 1),
        RUN._replace(first_pane=RUN.first_pane + 16),  # the bytes are of panes that lie ahead of the clock
        RUN._replace(panes=4),
        RUN._replace(panes=0),
    ],
)
def test_panes_in_another_place_are_damage(moved):
    sections = {section: IMAGE.sections[section] for section in (KEYS, TIMES)} | {moved: IMAGE.sections[RUN]}
    with pytest.raises(DamagedSnapshotError):
        state_of(replace(IMAGE, sections=sections), SPEC, PARTITION)


def test_panes_that_overlap_are_damage():
    within = SectionId("panes", RUN.ring, RUN.first_pane + 2, 1)
    sections = {**IMAGE.sections, within: VERSION.pack(FORMAT_VERSION) + bytes(4)}
    with pytest.raises(DamagedSnapshotError, match="overlap"):
        state_of(replace(IMAGE, sections=sections), SPEC, PARTITION)


def test_sums_of_a_freed_slot_are_damage():
    freed = STATE.series.free[0]
    panes = bytearray(IMAGE.sections[RUN])
    slots_at = 2 + 4 * RUN.panes
    rows = np.frombuffer(panes, "<u4", RUN.panes, 2)
    first = next(int(count) for count in rows if count)
    slots = np.frombuffer(panes, "<u4", first, slots_at).tolist()
    assert freed not in slots
    wrong = sorted([*slots[:-1], freed])
    pack_into(f"<{first}I", panes, slots_at, *wrong)
    with pytest.raises(DamagedSnapshotError):
        state_of(replace(IMAGE, sections={**IMAGE.sections, RUN: bytes(panes)}), SPEC, PARTITION)


@pytest.mark.parametrize("section", [KEYS, TIMES, max(IMAGE.sections)])
def test_a_section_of_a_newer_program_is_told_from_damage(section):
    newer = b"\2\0" + IMAGE.sections[section][2:]
    with pytest.raises(UnknownVersionError, match="of version 2, and this program reads 1"):
        state_of(replace(IMAGE, sections={**IMAGE.sections, section: newer}), SPEC, PARTITION)


def test_a_lie_about_counts_needs_no_memory():
    lies = {
        KEYS: b"\1\0" + pack("<IIII", 16, 1, 0, 2**32 - 1) + bytes(60),
        TIMES: b"\1\0" + bytes(10),
        RUN: b"\1\0" + pack("<8I", *[2**32 - 1] * 8) + bytes(200),
    }
    for section, lie in lies.items():
        tracemalloc.start()
        try:
            with pytest.raises(DamagedSnapshotError):
                state_of(replace(IMAGE, sections={**IMAGE.sections, section: lie}), SPEC, PARTITION)
            assert tracemalloc.get_traced_memory()[1] < 4 * sum(map(len, IMAGE.sections.values())) + (1 << 20)
        finally:
            tracemalloc.stop()


def restore_with(section, content):
    return state_of(replace(IMAGE, sections={**IMAGE.sections, section: content}), SPEC, PARTITION)


@pytest.mark.parametrize(
    ("first_us", "last_us", "said"),
    [
        (STATE.clock_us, STATE.clock_us + 1, "times that cannot be"),
        (-(2**63), STATE.clock_us, "times that cannot be"),
        (0, SPEC.longest_ring.oldest_us(STATE.clock_us) - 1, "has expired"),
        (STATE.clock_us, STATE.clock_us - 1, "ends before it begins"),
    ],
)
def test_a_series_whose_times_contradict_the_clock_is_damage(first_us, last_us, said):
    times = np.frombuffer(IMAGE.sections[TIMES], "<i8", offset=2).reshape(2, -1).copy()
    times[:, 0] = first_us, last_us
    with pytest.raises(DamagedSnapshotError, match=said):
        restore_with(TIMES, IMAGE.sections[TIMES][:2] + times.tobytes())


@pytest.mark.parametrize(
    ("capacity", "slots", "free", "labels", "said"),
    [
        (16, [0, 1], [], "aa", "a series twice"),
        (16, [0, 0], [], "ab", "missing or there twice"),
        (16, [0, 2], [], "ab", "missing or there twice"),
        (16, [0, 1], [1], "ab", "missing or there twice"),
        (32, [0, 1], [], "ab", "impossible capacity of 32"),  # it would have shrunk
        (20, list(range(10)), [], "abcdefghij", "impossible capacity of 20"),
        (8, [0, 1], [], "ab", "impossible capacity of 8"),
    ],
)
def test_a_table_that_cannot_be_is_damage(capacity, slots, free, labels, said):
    numbers = (capacity, len(slots), len(free), 1, *slots, *free, *[1] * len(slots))
    with pytest.raises(DamagedSnapshotError, match=said):
        restore_with(KEYS, b"\1\0" + pack(f"<{len(numbers)}I", *numbers) + labels.encode())


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("messages", 0, "a row without a message"),
        ("pairs", 0, "counts or ratios that cannot be"),
        ("zero_other", 2**40, "counts or ratios that cannot be"),
        ("clamped", 2**40, "counts or ratios that cannot be"),
    ],
)
def test_counts_that_contradict_one_another_are_damage(name, value, said):
    panes = bytearray(IMAGE.sections[RUN])
    first = next(count for count in np.frombuffer(panes, "<u4", RUN.panes, 2).tolist() if count)
    counts_at = 2 + 4 * RUN.panes + first * (4 + 8 * len(SUMS))
    pack_into("<Q", panes, counts_at + 8 * COUNT[name], value)
    with pytest.raises(DamagedSnapshotError, match=said):
        restore_with(RUN, bytes(panes))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_sum_that_no_state_can_have_is_damage(value):
    panes = bytearray(IMAGE.sections[RUN])
    first = next(count for count in np.frombuffer(panes, "<u4", RUN.panes, 2).tolist() if count)
    pack_into("<d", panes, 2 + 4 * RUN.panes + 4 * first, value)
    with pytest.raises(DamagedSnapshotError, match="a sum that is not finite"):
        restore_with(RUN, bytes(panes))


def test_the_largest_messages_that_can_be_logged_have_finite_sums():
    """Log ratios of 300 and more, weights of 1e12, 65,536 pairs a message, a thousand messages in one pane."""
    state, messages = new_state(SPEC, PARTITION), 1000
    pairs = 65_536
    one = Pairs(
        log_p=np.zeros(pairs), log_q=np.full(pairs, -400.0), weight=np.full(pairs, 1e12), first_pair=np.array([0]),
        keys=[("m", "v1")], offset=np.array([0]), event_time_us=np.array([1_000_000]),
        append_time_us=np.array([1_000_000]),
    )  # fmt: skip
    absorb(state, SPEC, one)
    assert state.rings[0].moments.counts[..., COUNT["pairs"]].max() == pairs
    sums = np.abs(state.rings[0].moments.sums)
    assert np.isfinite(sums * messages * 1000).all()
    assert sums.max() > 1e299

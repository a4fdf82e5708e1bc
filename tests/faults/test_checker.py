"""The checker itself: it agrees with the daemon on right states, and tells one record lost, doubled or moved."""

import dataclasses

import numpy as np
import pytest

from daemon.codec import Format, compile_decoder
from daemon.source import Batch, Partition
from estimators.partitions import absorb, new_state
from estimators.spec import StreamSpec, WindowSpec
from tests.faults.cells import differences, fold
from tests.faults.checks import SLACK_S, check_owners, check_windows
from tests.faults.messages import SERIES, Messages
from tests.faults.scrapes import Scrape
from tests.faults.states import cells_of
from tests.faults.truth import audit_hash, judge
from tests.faults.wire import MalformedError, pack, unpack
from tests.faults.world import GEOMETRY, WINDOWS_US

START_MS = 1_790_000_000_000
SPEC = StreamSpec(windows=tuple(WindowSpec(label, length) for label, length in WINDOWS_US.items()))


@pytest.fixture(scope="module")
def log():
    """Two hours of one partition, hostile records among it: [(offset, append_ms, value)] with holes in the offsets."""
    messages = Messages(5, 4, hostile_share=0.2, odd_time_share=0.05)
    times = [START_MS + 4_000 * step for step in range(1800)]
    return [(3 * step + 7, now, messages.value(now * 1000)) for step, now in enumerate(times)]


@pytest.fixture(scope="module")
def state(log):
    """What the daemon makes of it, in batches of uneven length."""
    decoder = compile_decoder(Format(encoding="msgpack-f32", label_names=("model", "version")))
    state, rejected, at = new_state(SPEC, 3), 0, 0
    for size in (1, 2, 500, 7, 900, 10_000):
        part, at = log[at : at + size], at + size
        if part:
            offsets, stamps, values = zip(*part, strict=True)
            batch = Batch(Partition("pairs", 3), np.array(offsets), np.array(stamps), list(values))
            decoded = decoder.decode(batch)
            absorbed = absorb(state, SPEC, decoded.pairs)
            rejected += sum(tally.count for tally in decoded.rejected.values())
            rejected += sum(tally.count for tally in absorbed.rejected.values())
    return state, rejected


def compared(state, log):
    """What the checker tells of a state beside a log."""
    truth = judge(3, log, GEOMETRY)
    expected = fold(truth, GEOMETRY, log[-1][0] + 1, state.complete_from_us)
    return differences(cells_of(state, SPEC), expected, "partition 3")


def test_the_daemons_state_and_the_checkers_fold_agree_to_the_bit_in_counts_and_to_1e_12_in_sums(log, state):
    found, rejected = state
    assert compared(found, log) == []
    truth = judge(3, log, GEOMETRY)
    assert len(truth.rejected) == rejected
    reasons = set(truth.rejected.values())
    assert reasons == {"tombstone", "syntax", "schema", "label", "length_mismatch", "empty", "future", "late"}
    assert {"excluder", "far"} <= {model for _, (model, _), _ in cells_of(found, SPEC)}


def accepted(log):
    truth = judge(3, log, GEOMETRY)
    newest = truth.messages[-1].offset
    return next(index for index, record in enumerate(log) if record[0] == newest)


def test_one_record_lost_is_told(log, state):
    index = accepted(log)
    assert any("messages" in words for words in compared(state[0], log[:index] + log[index + 1 :]))


def test_one_record_doubled_is_told(log, state):
    index = accepted(log)
    assert any("messages" in words for words in compared(state[0], [*log[: index + 1], *log[index:]]))


def test_a_record_lost_and_another_doubled_is_told_by_the_audit_though_the_count_is_right(log, state):
    index = accepted(log)
    offset, append_ms, value = log[index]
    told = compared(state[0], [*log[:index], (offset + 1, append_ms, value), *log[index + 1 :]])
    assert any("offset_sum" in words for words in told)
    assert any("hash_sum" in words for words in told)
    assert not any(" messages:" in words for words in told)


def test_a_sum_that_is_off_by_a_part_in_1e11_is_told(log, state):
    cells = cells_of(state[0], SPEC)
    cell = next(cell for cell in sorted(cells, key=str) if cell[1] == SERIES[0])
    counts, sums = cells[cell]
    cells[cell] = counts, sums | {"SF": sums["SF"] * (1 + 1e-11)}
    expected = fold(judge(3, log, GEOMETRY), GEOMETRY, log[-1][0] + 1, state[0].complete_from_us)
    assert [words for words in differences(cells, expected, "here") if "SF" in words]


def test_the_checkers_hash_is_the_documents():
    assert audit_hash(3, 17) == 0xD65F67E17739


@pytest.mark.parametrize("data", [b"", b"\x81", b"\xc1", b"\xd9\x05ab", b"\x91" * 60_000, pack({"a": 1}) + b"\x00"])
def test_what_is_no_whole_value_is_malformed(data):
    with pytest.raises(MalformedError):
        unpack(data)


def test_what_is_packed_is_unpacked():
    fields = {"model": "a" * 100, "version": "1", "ts": START_MS * 1000, "logp": b"\x00\xff" * 300, "x": 0.25}
    assert unpack(pack(fields)) == fields


PUBLISHED = START_MS / 1000 + 7200.5


def scrape(log, **changed):
    """One publish of a replica that owns the partition, right but for what is changed: messages or pairs."""
    truths = {3: judge(3, log, GEOMETRY)}
    windows, ends = {}, {}
    for label, length_us in WINDOWS_US.items():
        pane = GEOMETRY.pane(label, int(PUBLISHED * 1e6))
        ends[label] = (pane + 1) * length_us // GEOMETRY.panes / 1e6
        for series in SERIES:
            inside = [
                one for one in truths[3].messages
                if one.series == series and ends[label] * 1e6 - length_us <= one.event_us < ends[label] * 1e6
            ]  # fmt: skip
            weight = sum(one.pairs for one in inside)
            cell = {"messages": len(inside), "pairs": weight, "complete": 1}
            if weight:
                cell["reverse"] = sum(one.sums["SF"] for one in inside) / weight
                cell["forward"] = sum(one.sums["OF"] for one in inside) / weight
            windows[label, series] = cell
    for name, more in changed.items():
        windows["10m", SERIES[0]][name] += more
    kept = Scrape(PUBLISHED, 0, 0, PUBLISHED, frozenset({3}), ends, windows, {}, {})
    return kept, {3: dataclasses.replace(truths[3], messages=[m for m in truths[3].messages if m.series in SERIES])}


def test_a_right_publish_is_compared_exactly_and_found_right(log):
    kept, truths = scrape(log)
    verdict = check_windows([kept], truths, GEOMETRY)
    assert verdict.violations == []
    assert (verdict.compared, verdict.exact) == (3 * len(SERIES), 3 * len(SERIES))


@pytest.mark.parametrize(
    ("changed", "kind"),
    [({"messages": 1}, "double"), ({"messages": -1}, "lost"), ({"pairs": 1}, "double"), ({"reverse": 1e-6}, "other")],
)
def test_a_window_with_a_record_too_many_or_too_few_or_another_value_is_told(log, changed, kind):
    kept, truths = scrape(log, **changed)
    assert [found[1] for found in check_windows([kept], truths, GEOMETRY).violations] == [kind]


def test_a_window_that_does_not_say_that_it_is_complete_is_not_judged(log):
    kept, truths = scrape(log, messages=-1)
    kept.windows["10m", SERIES[0]]["complete"] = 0
    assert check_windows([kept], truths, GEOMETRY).violations == []


def owners(*rows):
    return [Scrape(at, replica, 0, at, frozenset(owned), {}, {}, {}, {}) for at, replica, owned in rows]


def test_two_owners_for_longer_than_a_session_are_told_and_a_handover_is_not():
    handed_over = owners((0.0, 0, {3}), (1.0, 0, {3}), (1.5, 1, {3}), (2.0, 0, ()), (2.5, 1, {3}))
    verdict, shared_s = check_owners(handed_over, 6.0)
    assert (verdict.violations, shared_s) == ([], 0.0)
    both = [row for second in range(9) for row in ((second, 0, {3}), (second + 0.5, 1, {3}))]
    verdict, shared_s = check_owners(owners(*both), 6.0)
    assert verdict.violations
    assert shared_s == 8.0


def test_a_series_that_is_not_there_though_the_log_has_it_is_lost(log):
    kept, truths = scrape(log)
    del kept.windows["10m", SERIES[0]]
    assert [found[1] for found in check_windows([kept], truths, GEOMETRY).violations] == ["lost"]


def appended_again(truths, series, before_s):
    """Move the appending of a series' newest record to some seconds before the publish."""
    newest = max((one for one in truths[3].messages if one.series == series), key=lambda one: one.append_us)
    moved = dataclasses.replace(newest, append_us=round((PUBLISHED - before_s) * 1e6))
    messages = [moved if one is newest else one for one in truths[3].messages]
    return {3: dataclasses.replace(truths[3], messages=messages)}


@pytest.mark.parametrize(
    ("before_s", "limit_s", "kinds", "stale"),
    [
        (2.9, 0.0, [], 0),  # within what reading takes: expected neither to be there nor to be missing
        (3.1, 0.0, ["lost"], 0),
        (3.1, SLACK_S, ["lost"], 0),
        (3.1, 3.2, [], 1),
        (3.3, 3.2, ["lost"], 0),
        (9.9, 10.0, [], 1),
        (10.1, 10.0, ["lost"], 0),
    ],
)
def test_what_is_missing_is_stale_up_to_the_limit_and_lost_beyond_it(log, before_s, limit_s, kinds, stale):
    kept, truths = scrape(log, messages=-1)
    truths = appended_again(truths, SERIES[0], before_s)
    verdict = check_windows([kept], truths, GEOMETRY, limit_s=lambda _at: limit_s)
    assert ([found[1] for found in verdict.violations], verdict.stale) == (kinds, stale)

"""What exactness rests on: audit counters that no estimate can stand in for, and panes that leave nothing behind."""

import numpy as np
import pytest

from estimators.moments import COUNT
from estimators.windows import evaluate


def window_of(brute, log):
    spec = brute.spec_of(length_us=1000, max_skew_us=0)
    state, _ = brute.state_of(spec, log)
    (window,) = evaluate([state], spec, 999, resolution=1e-13, min_messages=1).windows
    return window.estimates


def audit(estimates):
    return estimates.total.counts[0].tolist()


def test_a_lost_record_and_a_doubled_one_show_in_the_audit_though_the_estimate_agrees(brute):
    log = [brute.plain(n, 900, u=0.25) for n in range(50)]
    whole = window_of(brute, log)
    faulty = window_of(brute, [*log[:10], *log[11:30], log[29], *log[30:]])  # 10 is lost, 29 counted twice
    # Negative control: the estimate and the number of messages show nothing.
    assert faulty.reverse.fixed.value[0] == pytest.approx(whole.reverse.fixed.value[0], rel=1e-14)
    assert audit(faulty)[COUNT["messages"]] == audit(whole)[COUNT["messages"]]
    assert audit(faulty)[COUNT["offset_sum"]] == audit(whole)[COUNT["offset_sum"]] - 10 + 29
    assert audit(faulty)[COUNT["hash_sum"]] != audit(whole)[COUNT["hash_sum"]]


def test_losses_and_doubles_whose_offsets_cancel_show_in_the_hashes(brute):
    log = [brute.plain(n, 900, u=0.25) for n in range(50)]
    whole = audit(window_of(brute, log))
    swapped = audit(window_of(brute, [r for r in log if r.offset not in (10, 20)] + [log[14], log[16]]))
    assert [a == b for a, b in zip(swapped, whole, strict=True)] == [True] * 5 + [False]


@pytest.mark.parametrize("lost", [0, 17, 49])
def test_one_lost_or_doubled_record_shows_in_the_count(brute, lost):
    log = [brute.plain(n, 900, u=0.25) for n in range(50)]
    assert audit(window_of(brute, log[:lost] + log[lost + 1 :]))[COUNT["messages"]] == 49
    assert audit(window_of(brute, [*log, log[lost]]))[COUNT["messages"]] == 51


def test_the_same_offset_of_another_partition_is_another_record(brute):
    spec, log = brute.spec_of(length_us=1000), [brute.plain(17, 900)]
    hashes = [int(brute.state_of(spec, log, (), p)[1][0].moments.count_of("hash_sum")[0]) for p in (3, 4)]
    assert hashes[0] == 0xD65F67E17739 != hashes[1]


def test_a_loud_pane_leaves_no_residue_after_its_expiry(brute):
    #   u = 40: e^40 = 2.4e17, its square 5.5e34; beside it the quiet pairs' sums would be rounded away for good
    spec = brute.spec_of((1, 3), length_us=1000, cap=10)
    quiet_before = [brute.plain(n, 10 * n, u=1e-4) for n in range(50)]
    loud = [brute.plain(100, 510, u=40.0)]
    quiet_after = [brute.plain(200 + n, 520 + 10 * n, u=1e-4 * (1 + n % 3)) for n in range(700)]
    with_loud, _ = brute.state_of(spec, [*quiet_before, *loud, *quiet_after], range(0, 800, 90))
    without, _ = brute.state_of(spec, [*quiet_before, *quiet_after], range(0, 800, 90))
    during = brute.state_of(spec, [*quiet_before, *loud, *quiet_after[:40]])[0]
    assert evaluate([during], spec, 910, resolution=1e-13, min_messages=1).windows[0].estimates.ratio_mean[0] > 1e15
    views = [evaluate([state], spec, 7510, resolution=1e-13, min_messages=1) for state in (with_loud, without)]
    for one, two in zip(views[0].windows, views[1].windows, strict=True):
        np.testing.assert_allclose(one.estimates.total.sums, two.estimates.total.sums, rtol=1e-12)
        assert one.estimates.reverse.fixed.value[0] == pytest.approx(two.estimates.reverse.fixed.value[0], rel=1e-12)


def test_series_do_not_leak_into_each_other(brute):
    spec = brute.spec_of((1, 3), length_us=1000)
    mixed = [brute.plain(n, n, (f"s{n % 40}",), u=0.01 * (n % 40) - 0.2) for n in range(800)]
    state, _ = brute.state_of(spec, mixed, range(0, 800, 33))
    view = evaluate([state], spec, 799, resolution=1e-13, min_messages=1)
    expected = [0.2 - 0.01 * int(key[0][1:]) for key in view.keys]
    np.testing.assert_allclose(view.windows[1].estimates.reverse.naive.value, expected, rtol=1e-12, atol=1e-13)

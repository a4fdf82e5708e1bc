"""History: the last hour of every series, bounded, immutable, through series that come and go."""

import numpy as np
import pytest

from daemon.history import COLUMNS, HISTORY_SECONDS, POINTS_MOST, extended
from tests.daemon.loop_world import World

START = 1_700_000_000.0


def point(value, series=1):
    """One newest point: each column holds the value plus its own place, so that a mix-up shows."""
    return np.add.outer(np.arange(len(COLUMNS)) / 10, np.full(series, float(value)))


def played(times, keys=(("a",),), before=None, values=None):
    """History after publishes at these seconds from the start; the value is the time."""
    for number, time in enumerate(times):
        value = time if values is None else values[number]
        before = extended(before, START + time, "reverse", keys, point(value, len(keys)))
    return before


def test_every_publish_of_the_first_minutes_is_a_point():
    history = played(range(0, 600, 10))
    assert history.since_seconds == START
    assert (history.timestamp_seconds - START).tolist() == list(range(0, 600, 10))
    for place, column in enumerate(COLUMNS):
        assert np.array_equal(history.of(column)[:, 0], np.arange(0, 600, 10) + place / 10)


@pytest.mark.parametrize("interval", [0.05, 1, 7, 10, 30, 61, 300])
def test_any_publish_interval_keeps_the_hour_evenly_and_at_most_120_points(interval):
    most, times = 0, np.arange(0, 3 * HISTORY_SECONDS if interval >= 1 else 300, interval)
    history = None
    for time in times:
        history = extended(history, START + time, "reverse", (("a",),), point(START + time - START))
        most = max(most, history.timestamp_seconds.size)
    assert most <= POINTS_MOST
    kept = history.timestamp_seconds - START
    assert np.array_equal(history.of("value")[:, 0], kept)  # a point is one that was published, never a mean
    assert kept[-1] == pytest.approx(times[-1])
    span = min(times[-1], HISTORY_SECONDS)
    assert kept[0] <= times[-1] - span + max(64, 2 * interval)
    assert np.diff(kept).max() <= max(64, interval * 1.0001)


def test_points_leave_after_an_hour():
    history = played([0, 10, 3599, 3600, 3605, 3611])
    assert (history.timestamp_seconds - START).tolist() == [3599, 3600, 3605, 3611]
    assert history.since_seconds == START


def test_a_series_that_goes_and_returns_has_a_gap_and_its_past():
    both, one = (("a",), ("b",)), (("b",),)
    history = played([0, 10], keys=both)
    history = played([20, 30], keys=one, before=history)
    assert history.keys == (("b",), ("a",))
    history = played([40], keys=both, before=history)
    assert history.keys == both
    assert np.array_equal(history.of("value")[:, 0], [0, 10, np.nan, np.nan, 40], equal_nan=True)
    assert np.array_equal(history.of("value")[:, 1], [0, 10, 20, 30, 40])


def test_a_series_that_is_gone_for_an_hour_is_forgotten():
    history = played([0, 10], keys=(("a",), ("b",)))
    history = played([3608], keys=(("b",),), before=history)
    assert history.keys == (("b",), ("a",))
    assert played([3611], keys=(("b",),), before=history).keys == (("b",),)


def test_a_value_once_made_never_changes():
    first = played([0, 10, 20])
    copy = first.columns.copy(), first.timestamp_seconds.copy(), first.keys
    played(range(30, 5000, 10), before=first)
    assert np.array_equal(first.columns, copy[0])
    assert np.array_equal(first.timestamp_seconds, copy[1])
    assert first.keys == copy[2]


@pytest.mark.parametrize(("series", "most_bytes"), [(1, 4_800), (1000, 4_800_000), (15_000, 9_600_000)])
def test_memory_is_bounded_whatever_the_number_of_series(series, most_bytes):
    keys = tuple((str(number),) for number in range(series))
    history = played(range(0, 3000, 20), keys=keys)
    assert history.columns.nbytes <= most_bytes
    assert history.columns.nbytes > 0.5 * most_bytes  # the bound is the one that is stated


def test_series_that_never_return_do_not_pile_up():
    history = None
    for number in range(60):
        keys = tuple((f"{number}-{index}",) for index in range(1000))
        history = played([number], keys=keys, before=history)
    assert 10_000 < len(history.keys) <= 20_000
    assert history.columns.nbytes <= 9_600_000
    assert history.keys[:1000] == keys


def test_a_clock_that_is_set_back_drops_the_points_that_lie_ahead():
    history = played([0, 10, 5000, 20])
    assert (history.timestamp_seconds - START).tolist() == [20]
    assert np.all(np.diff(history.timestamp_seconds) > 0)
    history = played([100, 0])
    assert history.since_seconds == START


def test_another_direction_begins_anew():
    history = played([0, 10])
    history = extended(history, START + 20, "forward", (("a",),), point(20))
    assert (history.direction, history.timestamp_seconds.size, history.since_seconds) == ("forward", 1, START + 20)


def test_the_board_carries_what_every_publish_showed():
    world = World()
    world.produce(200)
    world.settle()
    (replica,) = world.replicas
    shown = [replica.stream]
    for _ in range(5):
        world.produce(50)
        world.wait(1)
        world.settle()
        shown.append(replica.stream)
    history = replica.stream.history
    assert history.keys[: len(replica.stream.keys)] == replica.stream.keys
    key = replica.stream.keys[0]
    times = history.timestamp_seconds.tolist()
    for stream in shown:
        row = stream.keys.index(key)
        point = times.index(stream.history.timestamp_seconds[-1])
        adaptive = stream.windows[0].estimates.reverse.adaptive
        for column in ("value", "lower", "upper"):
            expected = getattr(adaptive, column)[row]
            assert np.array_equal(history.of(column)[point, history.keys.index(key)], expected, equal_nan=True)
    assert np.isfinite(history.of("value")[-1]).any()

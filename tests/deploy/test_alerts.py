"""Each alert fires when it should, and none through what is no fault: promtool's unit tests of the shipped file."""

import pytest

from tests.deploy.rule_worlds import (
    DRIFTS,
    RULES,
    SERIES,
    alert,
    drift,
    during,
    firing,
    name,
    replica,
    rising,
    seconds,
    unit_test,
)  # fmt: skip

pytestmark = pytest.mark.prometheus

HELD = 18  # minutes: longer than any alert but the unreliable estimate waits


def test_promtool_finds_nothing_to_say(promtool):
    assert promtool("check", "rules", "--lint=all", "--lint-fatal", RULES) == (0, "")


def test_a_check_can_fail(promtool, tmp_path):
    path = tmp_path / "test.yaml"
    path.write_text(unit_test(replica(models=[DRIFTS]), 20, [firing(20)]))
    assert promtool("test", "rules", path)[0] != 0


def test_nothing_fires_on_a_calm_stream(judged):
    judged(replica(), 90, *(firing(minute) for minute in (1, 20, 90)))


def test_drift_fires_after_five_minutes_above_the_threshold_and_outlives_it_by_fifteen(judged):
    world = replica(models=[{"value": during(10, 30, 0.05, 0.002)}])
    judged(world, 60, firing(14), firing(15, drift()), firing(29, drift()), firing(44, drift()), firing(46), firing(60))


def test_drift_tells_every_threshold_that_is_passed(judged):
    judged(replica(models=[{"value": 0.5}]), HELD, firing(HELD, drift(), drift("critical")))


def test_drift_needs_the_short_window_too(judged):
    judged(replica(models=[{"value": 0.05, "short": {"value": 0.002}}]), HELD, firing(HELD))
    judged(replica(models=[{"value": 0.002, "short": {"value": 0.05}}]), HELD, firing(HELD))


@pytest.mark.parametrize("error", ["error", "pane"])
def test_drift_needs_to_be_sure_by_four_of_the_larger_error(judged, error):
    """0.05 exp(-4 x 0.021 / 0.05) is 0.0093, with 0.019 it is 0.0109."""
    judged(replica(models=[{**DRIFTS, error: 0.019}]), HELD, firing(HELD, drift()))
    judged(replica(models=[{**DRIFTS, error: 0.021}]), HELD, firing(HELD))


def test_pairs_that_are_not_comparable_are_told_instead_of_drift(judged):
    told = alert("PairsNotComparable", about=SERIES, window="1h")
    judged(
        replica(models=[{**DRIFTS, "comparable": 0, "ratio": 0.9}]),
        HELD,
        firing(4),
        firing(5, told),
        firing(HELD, told),
    )


def test_an_inconclusive_self_check_does_not_hold_drift_back(judged):
    judged(replica(models=[{**DRIFTS, "comparable": None}]), HELD, firing(HELD, drift()))


def test_infinity_is_told_instead_of_drift_and_of_the_self_check(judged):
    told = alert("Infinite", about=SERIES, window="1h")
    for comparable in (0, 1):  # the other side's value is finite
        infinite = {"infinite": 1, "comparable": comparable, "value": 0.05}
        judged(replica(models=[infinite]), HELD, firing(4), firing(5, told))
    infinite = {"infinite": 1, "value": "Inf", "error": None, "pane": None}
    judged(replica(models=[infinite]), HELD, firing(HELD, told))


def test_an_estimate_that_cannot_show_twice_the_threshold_is_told_after_an_hour(judged):
    """2 T exp(-4 se / 2T) = T at se = 0.3466 T."""
    told = alert("EstimateUnreliable", "info", SERIES, direction="reverse")
    judged(replica(models=[{"error": 0.0036}]), 70, firing(50), firing(70, told))
    judged(replica(models=[{"error": 0.0034}]), 70, firing(70))


def parts(*, moments):
    """Two replicas that hold parts of the same series."""
    world = {}
    for place, instance in enumerate(("one:9752", "two:9752")):
        world |= replica(instance, owned={place: 1}, partitions=2)
        for window in ("5m", "1h"):
            labels = f'job="klaxon",instance="{instance}",stream="pairs",model="a",window="{window}"'
            for moment, value in (moments or {}).items():
                directions = ("reverse", "forward") if moment in ("Y", "YY", "YW", "F", "FF", "FW", "FC") else ("",)
                for direction in directions:
                    world[f'klaxon_window_moment{{{labels},moment="{moment}",direction="{direction}"}}'] = value
    return world


MOMENTS = {"G": 1000, "W": 1000, "WW": 1000, "C": 0, "CC": 10, "WC": 0, "F": 2, "Y": 2, "YY": 0.1, "YW": 2}


def test_parts_that_cannot_be_added_up_are_told_and_those_that_can_are_judged(judged):
    judged(parts(moments=None), HELD, firing(14), firing(HELD, alert("ValueAbsent")))
    judged(parts(moments=MOMENTS), HELD, firing(HELD))
    judged(parts(moments=MOMENTS | {"Y": 50, "YY": 3, "YW": 50}), HELD, firing(HELD, drift()))


def test_an_adaptive_value_that_is_not_exported_is_told(judged):
    judged(replica(models=[{"value": None, "error": None, "pane": None}]), HELD, firing(HELD, alert("ValueAbsent")))


@pytest.mark.parametrize("window", ["5m", "1h"])
def test_rules_that_were_made_for_other_windows_are_told(judged, window):
    world = {key.replace(f'window="{window}"', 'window="7m"'): value for key, value in replica(models=[DRIFTS]).items()}
    judged(world, HELD, firing(14), firing(HELD, alert("ValueAbsent")))


def test_too_few_messages_for_an_estimate_are_no_fault(judged):
    withheld = dict.fromkeys(("value", "error", "pane", "ratio", "z", "comparable")) | {"messages": 20}
    judged(replica(models=[withheld]), HELD, firing(HELD))


def test_a_stream_without_data_is_told(judged):
    quiet = {"short": {"messages": during(10, 90, 0, 1000)}}
    judged(replica(models=[quiet]), 40, firing(24), firing(25, alert("NoData")), firing(40, alert("NoData")))
    judged(replica(models=[], series=0), HELD, firing(HELD, alert("NoData")))


def test_a_version_that_retires_while_its_sibling_begins_is_no_alarm(judged):
    """The old one's messages fade from both windows, its errors grow, its estimates end, and then its series."""
    fading = {
        "model": "old",
        "messages": lambda minute: max(0, 1000 - 16 * max(0, minute - 30)),
        "value": lambda minute: 0.002 if minute < 90 else None,
        "error": lambda minute: 1e-5 if minute < 50 else 0.01 if minute < 90 else None,
        "pane": lambda minute: 2e-5 if minute < 50 else None,
        "short": {
            "messages": during(0, 35, 100, 0),
            **{key: during(0, 35, 1e-3, None) for key in ("value", "error", "pane")},
        },
        "alive": lambda minute: minute < 150,
    }
    beginning = {
        "model": "new",
        "messages": lambda minute: 10 * (minute - 30),
        "error": lambda minute: 0.01 if minute < 40 else 1e-5,
        "alive": lambda minute: minute >= 30,
    }
    judged(replica(models=[fading, beginning]), 200, *(firing(minute) for minute in range(20, 200, 5)))


def test_a_stream_without_a_threshold_is_told_for_information(judged):
    missing = {"thresholds": {}, **DRIFTS}
    judged(replica(models=[missing]), HELD, firing(14), firing(HELD, alert("ThresholdMissing", "info")))


def test_lag_of_more_than_a_short_window_s_reading_is_told(judged):
    """600 records a minute are read: 3,000 in a short window."""
    judged(replica(lag=3200), HELD, firing(14), firing(HELD, alert("Lag")))
    judged(replica(lag=2800), HELD, firing(HELD))
    judged(replica(lag=5, consumed=1000), HELD, firing(HELD, alert("Lag")))


@pytest.mark.parametrize(("metric", "name", "per_minute"), [
    ("rejected", "RecordsRejected", 6), ("pairs_rejected", "PairsRejected", 12),
])  # fmt: skip
def test_more_than_a_hundredth_rejected_is_told(judged, metric, name, per_minute):
    judged(replica(**{metric: rising(per_minute * 1.1)}), HELD, firing(HELD, alert(name)))
    judged(replica(**{metric: rising(per_minute * 0.9)}), HELD, firing(HELD))


def test_pairs_of_which_none_is_usable_are_told(judged):
    world = replica(pairs=None, pairs_rejected=rising(600))
    judged(world, HELD, firing(HELD, alert("PairsRejected")))


@pytest.mark.parametrize("changes", [
    {"owned": {0: 1}, "partitions": 2},
    {"owned": {0: 1, 1: 0}},
    {"publish": 0},
    {"partitions": None, "owned": {}},
])  # fmt: skip
def test_a_stream_of_which_not_everything_is_read_is_told_after_fifteen_minutes(judged, changes):
    judged(replica(**changes), HELD, firing(14), firing(HELD, alert("NotReady")))


def test_a_partition_that_two_replicas_own_is_told(judged):
    judged(replica() | replica("two:9752"), HELD, firing(HELD, alert("NotReady")))


def test_replicas_that_differ_in_an_unknown_label_are_told_and_have_no_value(judged):
    other = {key.replace('job="klaxon"', 'job="klaxon",zone="b"'): value for key, value in replica("two:9752").items()}
    drifted = replica(models=[DRIFTS], owned={0: 1}, partitions=2)
    other = {key.replace('partition="0"', 'partition="1"'): value for key, value in other.items()}
    world = drifted | {key: (2 if "topic_partitions" in key else value) for key, value in other.items()}
    judged(world, HELD, firing(HELD, alert("NotReady")))


def test_a_window_that_stays_incomplete_is_told(judged):
    judged(replica(complete=0), HELD, firing(14), firing(HELD, alert("WindowIncomplete", window="5m")))
    judged(replica(complete=during(5, 15, 0, 1)), HELD, firing(19), firing(HELD))


def test_an_incomplete_window_keeps_its_findings(judged):
    told = (drift(), alert("WindowIncomplete", window="5m"))
    judged(replica(models=[DRIFTS], complete=0), HELD, firing(HELD, *told))


@pytest.mark.parametrize(("metric", "name"), [("gap", "Gap"), ("jumps", "ClockJump")])
def test_what_a_partition_lost_is_told_for_an_hour(judged, metric, name):
    judged(replica(**{metric: lambda minute: 7 if minute >= 70 else 0}), 140, firing(69), firing(71, alert(name)),
           firing(125, alert(name)), firing(135))  # fmt: skip
    judged(replica(**{metric: 7}), 90, firing(5, alert(name)), firing(75))


def test_snapshots_that_are_not_saved_are_told_and_a_start_after_a_long_outage_is_not(judged):
    """300 s without one for a quarter of an hour; the newest one before an outage is old until the first new one."""
    saved = name("snapshot_timestamp_seconds", job="klaxon", instance="one:9752", topic="log", partition="0")
    told = alert("SnapshotsFailing", about={"job": "klaxon", "topic": "log"})
    judged(replica() | {saved: 0}, 40, firing(20), firing(21, told), firing(40, told))
    judged(replica() | {saved: lambda minute: 0 if minute < 18 else 60 * minute}, 40, *map(firing, range(5, 40)))
    judged(replica(), 40, firing(40))  # kind none


def test_an_absent_monitor_is_told(judged):
    world = replica(alive=lambda minute: minute < 90)
    told = alert("Absent", "critical", {"job": "klaxon"})
    judged(world, 200, firing(94), firing(95, told), firing(149, told), firing(160, alert("Absent", "critical", {})))
    judged({}, 10, firing(4), firing(6, alert("Absent", "critical", {})))


def test_one_deployment_of_two_that_goes_away_is_told(judged):
    world = replica() | replica(job="other", alive=lambda minute: minute < 90)
    judged(world, 120, firing(120, alert("Absent", "critical", {"job": "other"})))


def test_the_clock_of_the_publish_is_what_makes_a_value_fresh(judged):
    judged(replica(models=[DRIFTS], publish=lambda minute: seconds(min(minute, 20))), 60, firing(20, drift()),
           firing(60, alert("NotReady")))  # fmt: skip

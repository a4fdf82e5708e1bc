"""No restart, rollout or scale-out raises an alert, and none ends one whose cause goes on: promtool's unit tests."""

import pytest

from tests.deploy.rule_worlds import DRIFTS, SERIES, alert, drift, firing, replica, rising

pytestmark = pytest.mark.prometheus


def test_a_restart_of_the_only_replica_is_no_alarm(judged):
    """Another address, counters from 0, three minutes until the windows are read again."""
    before = replica("one:9752", alive=lambda minute: minute < 70)
    after = replica(
        "two:9752",
        alive=lambda minute: minute >= 72,
        begin=72,
        owned={0: lambda minute: int(minute >= 75)},
        complete=lambda minute: int(minute >= 75),
        lag=lambda minute: 5000 if minute < 75 else 3,
    )
    judged(before | after, 120, *(firing(minute) for minute in range(62, 120)))


def rollout(at=20, *, stream=None, **model):
    """Two replicas with a partition each, replaced in turn; one scrape sees a partition twice, two do not see one.

    `stream` are changes of the stream's metrics, `model` of a series'.
    """

    def owner(place, instance, first, last):
        return replica(
            instance,
            alive=lambda minute: first <= minute < last,
            begin=first,
            owned={place: lambda minute: int(minute >= first + 1 or first == 0)},
            partitions=2,
            models=[{"model": f"m{place}", **model}],
            **(stream or {}),
        )

    return (
        owner(0, "one:9752", 0, at) | owner(0, "three:9752", at - 1, 200) | owner(1, "two:9752", 0, at + 5)
        | owner(1, "four:9752", at + 7, 200)
    )  # fmt: skip


def test_a_rollout_restart_is_no_alarm(judged):
    judged(rollout(), 60, *(firing(minute) for minute in range(10, 60)))


def test_a_rollout_restart_does_not_end_an_alarm(judged):
    told = [drift(model=model) for model in ("m0", "m1")]
    judged(rollout(**DRIFTS), 60, *(firing(minute, *told) for minute in range(10, 60)))


@pytest.mark.parametrize(
    ("world", "told"),
    [
        ({"messages": 0}, {"NoData": {}}),
        ({"stream": {"complete": 0}}, {"WindowIncomplete": {"window": "5m"}}),
        ({"value": None, "error": None, "pane": None}, {"ValueAbsent": {}}),
        ({"stream": {"lag": 36000}}, {"Lag": {}}),
        ({"thresholds": {}}, {"ThresholdMissing": {"severity": "info"}}),
    ],
    ids=lambda each: next(iter(each)),
)
def test_a_rollout_restart_does_not_end_an_alarm_about_a_stream(judged, world, told):
    """The fleet's value is absent for a while, and so is what is measured by it."""
    alerts = [alert(name, **labels) for name, labels in told.items()]
    judged(rollout(30, **world), 60, *(firing(minute, *alerts) for minute in range(16, 60)))


@pytest.mark.parametrize(
    ("model", "name", "labels"),
    [
        ({"comparable": 0, "ratio": 0.9}, "PairsNotComparable", {"window": "1h"}),
        ({"infinite": 1}, "Infinite", {"window": "1h"}),
        ({"error": 0.0036}, "EstimateUnreliable", {"severity": "info", "direction": "reverse"}),
    ],
)
def test_a_rollout_restart_does_not_end_an_alarm_about_a_series(judged, model, name, labels):
    about = {"about": SERIES, "severity": "warning"} | labels
    alerts = [alert(name, model=place, **about) for place in ("m0", "m1")]
    judged(rollout(80, **model), 110, *(firing(minute, *alerts) for minute in range(70, 110)))


def test_counters_of_replicas_that_come_and_go_add_up(judged):
    """A scale-out halves each replica's counters; the rate of rejects stays below 1 %."""
    one = replica("one:9752", alive=lambda minute: minute < 20, rejected=rising(4))
    two = replica("two:9752", alive=lambda minute: minute >= 20, begin=20, rejected=rising(4, 20))
    judged(one | two, 60, *(firing(minute) for minute in range(10, 60)))

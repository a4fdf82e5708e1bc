"""The fleet's value by PromQL: three replicas' parts, scraped by a real Prometheus, equal the whole, or are absent."""

import math
import time

import numpy as np
import pytest

from daemon.board import Threshold
from daemon.rules import Terms, yaml_text
from tests.daemon.series_boards import SILENT, board, series
from tests.deploy.fleets import (
    MIN_MESSAGES,
    OWNERS,
    PARTITIONS,
    WINDOWS,
    partition_boards,
    partition_states,
    serving,
    stream_board,
    text,
    view_of,
)

pytestmark = pytest.mark.prometheus

SECONDS = Terms(
    short="10s", long="1m", short_seconds=10.0, hold="0s", patience="0s", rate="10s", min_messages=MIN_MESSAGES
)
#: Streams of three replicas, by what their log is like.
LOGS = {
    "whole": {},
    "one_pane": {"spread_seconds": 0.2},
    "certain": {"messages": 12_000, "shift": 0.8},
    "truncated": {"truncated": 0.5, "messages": 2000},
    "ruled_out": {"ruled_out": True},
    "few": {"messages": 6},
}
#: The same log as `whole`, with something amiss.
AMISS = ("unowned", "twice", "swapped", "taken_over", "restoring", "more_partitions", "incomplete", "unmerged")
#: Of these, in which not every partition has exactly one owner that has restored it.
ABSENT = tuple(name for name in AMISS if name not in ("incomplete", "unmerged"))
DRIFTED = {"value": 0.05, "lower": 0.048, "upper": 0.052}
BOARDS = {
    "calm": series(),
    "drifted": series(**DRIFTED),
    "drifted_while_incomplete": series(**DRIFTED, complete=0.0),
    "over": series(long=DRIFTED),
    "noisy": series(**DRIFTED, error=0.03),
    "noisy_panes": series(**DRIFTED, pane_error=0.03),
    "broken": series(**DRIFTED, comparable=0.0, ratio_mean=0.9),
    "infinite": series(
        value=math.inf, error=math.nan, pane_error=math.nan, lower=math.nan, upper=math.nan, infinite=1.0, zero_other=1
    ),
    "silent": series(short=SILENT),
}


def replica_text(number, now, states):
    """What one of the three answers; the first also has the streams that it alone reads."""
    owned = OWNERS[number]
    boards, partitions = [], []
    for name in (*LOGS, *AMISS):
        made = stream_board(
            name,
            [states[name if name in LOGS else "whole"][partition] for partition in owned],
            now,
            complete=float((name, number) != ("incomplete", 1)),
        )
        boards.append(made)
        numbers = [partition for partition in owned if (name, partition) not in {("unowned", 5), ("swapped", 4)}]
        if number == 0 and name in ("twice", "swapped"):
            numbers.append(5)
        partitions += partition_boards(name, numbers, restored=(name, number) != ("restoring", 2))
        if (name, number) == ("taken_over", 0):
            partitions += partition_boards(name, [5], restored=False)
    if number == 0:
        for name, row in BOARDS.items():
            alone = board(row, windows=WINDOWS, name=name, thresholds=(Threshold("warning", "reverse", 0.01),))
            boards.append(alone)
            partitions += partition_boards(name, [0])
    counts = {name: 1 for name in BOARDS if number == 0} | {"more_partitions": PARTITIONS + 1}
    lines = text(now, boards, partitions, counts=counts).splitlines(keepends=True)
    hidden = b'stream="unmerged"' if number == 1 else b"\0"
    return b"".join(line for line in lines if not (line.startswith(b"klaxon_window_moment") and hidden in line))


@pytest.fixture(scope="module")
def states():
    """The log of each stream, by partition, at one time: near the end of a pane of both windows."""
    now = time.time() // 2 * 2 - 0.05
    return now, {name: partition_states(number, now, **log) for number, (name, log) in enumerate(LOGS.items())}


@pytest.fixture
def fleet(prometheus, tmp_path, states):
    """Prometheus with our rules, scraping the three replicas, as soon as the rules have been evaluated."""
    now, logs = states
    path = tmp_path / "klaxon.rules.yaml"
    path.write_text(yaml_text(SECONDS))
    with serving([replica_text(number, now, logs) for number in range(3)]) as addresses:
        server = prometheus(addresses, rules=path)
        server.wait_for('series:klaxon_kl_nats:fleet{stream="whole"}', count=2 * 5 * 2)
        server.wait_for('ALERTS{alertname="KlaxonDrift",alertstate="firing",stream="drifted"}')
        time.sleep(2)  # what is asked is a second old, so that all of it is of one scrape
        yield server


def test_three_parts_make_the_whole_and_anything_amiss_makes_it_absent(fleet, states):
    now, logs = states
    found = Found(fleet)
    for name in ("whole", "one_pane", "certain", "truncated"):
        _assert_the_sums_are_those_of_the_whole(found, name, view_of(logs[name], now))
        parts = [view_of([logs[name][partition] for partition in owned], now) for owned in OWNERS]
        _assert_the_errors_are_those_of_all_parts(found, name, parts)
    _assert_one_owner_is_passed_through(found, view_of(logs["whole"][4:], now))
    _assert_one_pane_is_the_whole_s_own_estimate(found, view_of(logs["one_pane"], now))
    _assert_infinity_is_absent_or_said(found)
    for name in ABSENT:
        assert not found.of_stream(name), name
    assert found.value("klaxon_kl_nats:merged", "incomplete", "a", "1m", direction="reverse", estimator="fixed")
    assert not found.of_stream("incomplete", ":fleet")
    for name in ("few", "unmerged"):
        kept = {labels["model"] for labels, _ in found.of_stream(name) if labels["__name__"].endswith("kl_nats:merged")}
        assert kept <= {"c"}, name  # of which one replica has all
    _assert_the_rules_are_sound(fleet)
    _assert_each_alert_is_about_its_stream(fleet)


class Found:
    """What the rules recorded, read at once."""

    def __init__(self, server):
        at = time.time() - 1
        names = {rule["name"] for rule in server.rules() if rule["type"] == "recording"}
        self.samples = [
            ({"__name__": name} | sample.labels, sample.value)
            for name in names
            if name.startswith("series:") and not name.endswith((":parts", "messages:merged"))
            for sample in server.query(name, at)
        ]

    def of_stream(self, stream, suffix=""):
        return [
            sample
            for sample in self.samples
            if sample[0]["stream"] == stream and sample[0]["__name__"].endswith(suffix)
        ]

    def value(self, name, stream, model, window, **labels):
        wanted = {"stream": stream, "model": model, "window": window, "__name__": f"series:{name}"} | labels
        values = [value for found, value in self.samples if wanted.items() <= found.items()]
        assert len(values) <= 1
        return values[0] if values else math.nan


def same(found, expected, *about):
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15, err_msg=str(about))


def _assert_the_sums_are_those_of_the_whole(found, name, whole):
    """Naive, fixed, ratio mean, its z and the verdict: functions of the log alone."""
    for (window, _), view in zip(WINDOWS, whole.windows, strict=True):
        for row, (model,) in enumerate(whole.keys):
            estimates = view.estimates
            for direction in ("reverse", "forward"):
                fixed = estimates.of(direction).fixed.value[row]
                for level in ("merged", "fleet"):
                    labels = {"direction": direction, "estimator": "fixed"}
                    same(
                        found.value(f"klaxon_kl_nats:{level}", name, model, window, **labels),
                        fixed,
                        name,
                        model,
                        window,
                    )
            naive = found.value("klaxon_kl_nats:merged", name, model, window, direction="reverse", estimator="naive")
            same(naive, estimates.reverse.naive.value[row])
            same(found.value("klaxon_ratio_mean:fleet", name, model, window), estimates.ratio_mean[row])
            same(found.value("klaxon_ratio_zscore:merged", name, model, window), estimates.ratio_zscore[row])
            judged = found.value("klaxon_comparable:merged", name, model, window)
            if not math.isnan(judged):
                assert judged == estimates.comparable[row], (name, model, window)
            if (name, window) in {("certain", "1m"), ("truncated", "1m")} and model in ("a", "b"):
                assert judged == float(name == "certain")


def _assert_the_errors_are_those_of_all_parts(found, name, parts):
    """Adaptive: every replica's own coefficients, so the truth is the sum of the replicas' sums."""
    for place, (window, _) in enumerate(WINDOWS):
        for model in ("a", "b"):
            rows = [(part.windows[place].estimates, part.keys.index((model,))) for part in parts]
            totals = [estimates.total[row] for estimates, row in rows]
            w, ww = (math.fsum(total.sum_of(moment) for total in totals) for moment in ("W", "WW"))
            messages = sum(int(total.count_of("messages")) for total in totals)
            for direction in ("reverse", "forward"):
                sums = [estimates.of(direction).adaptive_sums[row] for estimates, row in rows]
                y, yy, yw = (math.fsum(column) for column in zip(*sums, strict=True))
                value = y / w
                error = math.sqrt(messages / (messages - 1) * (yy - 2 * value * yw + value**2 * ww)) / w
                labels = {"direction": direction, "estimator": "adaptive"}
                same(found.value("klaxon_kl_nats:fleet", name, model, window, **labels), value)
                same(found.value("klaxon_kl_standard_error_nats:fleet", name, model, window, **labels), error)
                pane = [
                    (float(total.sum_of("W")), estimates.of(direction).pane_standard_error[row])
                    for total, (estimates, row) in zip(totals, rows, strict=True)
                ]
                known = [(weight, error) for weight, error in pane if not math.isnan(error)]
                weights = math.fsum(weight for weight, _ in known)
                mean = math.fsum(weight * error for weight, error in known) / weights if known else math.nan
                merged = "klaxon_kl_pane_standard_error_nats:merged"
                same(found.value(merged, name, model, window, direction=direction), mean)


def _assert_one_owner_is_passed_through(found, owner):
    estimates = owner.windows[1].estimates.reverse
    row = owner.keys.index(("c",))
    labels = {"direction": "reverse", "estimator": "adaptive"}
    for metric, column in (("kl_nats", "value"), ("kl_standard_error_nats", "standard_error")):
        expected = getattr(estimates.adaptive, column)[row]
        assert found.value(f"klaxon_{metric}:fleet", "whole", "c", "1m", **labels) == expected


def _assert_one_pane_is_the_whole_s_own_estimate(found, whole):
    """With one pane there is no history, so all replicas use the same coefficient, and so would one."""
    for row, (model,) in enumerate(whole.keys):
        adaptive = whole.windows[1].estimates.reverse.adaptive
        labels = {"direction": "reverse", "estimator": "adaptive"}
        same(found.value("klaxon_kl_nats:fleet", "one_pane", model, "1m", **labels), adaptive.value[row])
        error = found.value("klaxon_kl_standard_error_nats:fleet", "one_pane", model, "1m", **labels)
        same(error, adaptive.standard_error[row])


def _assert_infinity_is_absent_or_said(found):
    models = ("a", "b")
    infinite = [
        found.value("klaxon_kl_nats:merged", "ruled_out", model, "1m", direction="reverse", estimator="naive")
        for model in models
    ]
    assert sorted(map(math.isinf, infinite)) == [False, True]
    ruled_out = models[infinite.index(math.inf)]
    for estimator in ("adaptive", "fixed"):
        for model in models:
            for direction in ("reverse", "forward"):
                labels = {"direction": direction, "estimator": estimator}
                value = found.value("klaxon_kl_nats:merged", "ruled_out", model, "1m", **labels)
                assert math.isnan(value) == (model == ruled_out)


def _assert_the_rules_are_sound(server):
    rules = server.rules()
    assert len(rules) > 30
    assert {(rule["name"], rule["health"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"} == set()


def _assert_each_alert_is_about_its_stream(server):
    firing = {
        (sample.labels["alertname"], sample.labels.get("stream"))
        for sample in server.query('ALERTS{alertstate="firing"}', time.time() - 1)
    }
    unread = {("KlaxonNotReady", name) for name in ABSENT}
    assert {pair for pair in firing if pair[0] != "KlaxonThresholdMissing"} == unread | {
        ("KlaxonDrift", "drifted"),
        ("KlaxonDrift", "drifted_while_incomplete"),
        ("KlaxonWindowIncomplete", "drifted_while_incomplete"),
        ("KlaxonWindowIncomplete", "incomplete"),
        ("KlaxonPairsNotComparable", "broken"),
        ("KlaxonPairsNotComparable", "truncated"),
        ("KlaxonInfinite", "infinite"),
        ("KlaxonInfinite", "ruled_out"),
        ("KlaxonNoData", "silent"),
    }
    assert {stream for name, stream in firing if name == "KlaxonThresholdMissing"} == {*LOGS, *AMISS}
    (drift,) = (
        alert
        for rule in server.rules()
        if rule["name"] == "KlaxonDrift"
        for alert in rule["alerts"]
        if alert["labels"]["stream"] == "drifted"
    )
    assert drift["annotations"]["summary"] == (
        "Drift (warning) in stream drifted, model m0: KL(q||p) is 5 times its threshold."
    )
    assert drift["annotations"]["description"].startswith(
        "KL(q||p) over 1m is 0.05 nats (95 % interval 0.05 to 0.05), 5 times the threshold of 0.01; over 10s it is "
        "0.05. The two probabilities of a typical outcome differ by a factor of about 1.37. The pairs are comparable. "
        "It has been so since 20"
    )

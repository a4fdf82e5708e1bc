"""What Prometheus has scraped, minute by minute, for the rules' unit tests with promtool.

A world is a mapping from a series to its value at each minute: a number, a text, or a function of the minute; None is
absent. `replica` gives the metrics of one klaxond that reads one stream, calm but for what is said.
"""

import json
from pathlib import Path

import yaml

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "klaxon.rules.yaml"

#: Of each window of a series: the calm value. Windows are 5m and 1h.
CALM = {
    "messages": 1000,
    "value": 0.002,
    "error": 1e-5,
    "pane": 2e-5,
    "ratio": 1,
    "z": 0.1,
    "comparable": 1,
    "infinite": 0,
}
THRESHOLDS = {"warning": 0.01, "critical": 0.1}
#: Changes of a series that drifts.
DRIFTS = {"value": 0.05}
#: Labels of an alert about the stream, and of one about its series.
STREAM = {"job": "klaxon", "stream": "pairs"}
SERIES = {**STREAM, "model": "a"}


def name(metric, **labels):
    """Write a series as PromQL does."""
    return f"klaxon_{metric}{{{','.join(f'{label}={json.dumps(text)}' for label, text in labels.items())}}}"


def series(target, model="a", *, alive=lambda minute: True, short=None, thresholds=None, **long):
    """The metrics of one series; `short` are changes that hold for the short window only."""
    about = {**target, "stream": "pairs", "model": model}
    world = {}
    for window, numbers in (("1h", {**CALM, **long}), ("5m", {**CALM, **long, **(short or {})})):
        labels = {**about, "window": window}
        world[name("window_messages", **labels)] = numbers["messages"]
        for direction in ("reverse", "forward"):
            each = {**labels, "direction": direction}
            world[name("kl_nats", **each, estimator="adaptive")] = numbers["value"]
            world[name("kl_standard_error_nats", **each, estimator="adaptive")] = numbers["error"]
            world[name("kl_pane_standard_error_nats", **each)] = numbers["pane"]
        world[name("kl_nats", **labels, direction="reverse", estimator="naive")] = numbers["value"]
        for metric, key in (("ratio_mean", "ratio"), ("ratio_zscore", "z"), ("comparable", "comparable")):
            world[name(metric, **labels)] = numbers[key]
        world[name("infinite", **labels)] = numbers["infinite"]
        world[name("effective_sample_ratio", **labels)] = 0.9
    for severity, nats in (THRESHOLDS if thresholds is None else thresholds).items():
        world[name("threshold_nats", **about, severity=severity, direction="reverse")] = nats
    world[name("last_event_timestamp_seconds", **about)] = seconds
    return {key: only(alive, value) for key, value in world.items()}


def replica(
    instance="one:9752", job="klaxon", *, alive=lambda minute: True, owned=None, begin=0, models=None, **changes
):
    """All metrics of one klaxond.

    Parameters
    ----------
    alive : whether it is scraped at a minute
    owned : value of partition_owned at a minute, by partition; of one partition unless told
    begin : the minute at which its counters started
    models : series, as `series` gives them; one calm one unless told
    changes : other values of the metrics of the stream, by name
    """
    target = {"job": job, "instance": instance}
    about = {**target, "stream": "pairs"}
    owned = {0: 1} if owned is None else owned
    numbers = {
        "publish": seconds, "partitions": len(owned), "consumed": rising(600, begin), "rejected": 0,
        "pairs": rising(1200, begin), "pairs_rejected": 0, "series": 1, "complete": 1, "lag": 3, "gap": 0, "jumps": 0,
    } | changes  # fmt: skip
    world = {
        name("build_info", **target, version="0.1.0"): 1,
        name("publish_timestamp_seconds", **target): numbers["publish"],
        name("records_consumed_total", **about): numbers["consumed"],
        name("records_ignored_total", **about): 0,
        name("records_rejected_total", **about, reason="late"): 0,
        name("records_rejected_total", **about, reason="schema"): numbers["rejected"],
        name("pairs_rejected_total", **about, reason="sentinel"): numbers["pairs_rejected"],
        name("pairs_total", **about, model="a"): numbers["pairs"],
        name("series", **about): numbers["series"],
        name("window_end_timestamp_seconds", **about, window="5m"): seconds,
        name("window_end_timestamp_seconds", **about, window="1h"): seconds,
        name("topic_partitions", **about, topic="log"): numbers["partitions"],
    }
    for partition, value in owned.items():
        labels = {**about, "topic": "log", "partition": str(partition)}
        world[name("partition_owned", **labels)] = value
        for metric, key in (
            ("consumer_lag_records", "lag"), ("gap_offsets_total", "gap"), ("partition_clock_jumps_total", "jumps"),
        ):  # fmt: skip
            world[name(metric, **labels)] = numbers[key]
    for found in [{}] if models is None else models:
        made = series(target, **found)
        world |= made
        for window in ("5m", "1h"):
            labels = {**about, "model": found.get("model", "a"), "window": window}
            world[name("window_complete", **labels)] = only(found.get("alive", always), numbers["complete"])
    return {key: only(alive, value) for key, value in world.items()}


def always(minute):
    return True


def seconds(minute):
    """The time itself."""
    return 60 * minute


def rising(per_minute, begin=0, end=None):
    """A counter that started at 0 at a minute."""
    return lambda minute: per_minute * max(0, (minute if end is None else min(minute, end)) - begin)


def during(first, last, value, otherwise):
    """One value from a minute up to another one, and else another value."""
    return lambda minute: value if first <= minute < last else otherwise


def only(alive, value):
    """A value where it is alive, absent elsewhere."""
    return lambda minute: at(value, minute) if alive(minute) else None


def at(value, minute):
    """The value at a minute."""
    return value(minute) if callable(value) else value


def unit_test(world, minutes, checks):
    """Return promtool's file: `checks` are its promql_expr_test or alert_rule_test entries."""
    inputs = [{"series": key, "values": " ".join(_written(value, minutes))} for key, value in world.items()]
    kinds = {}
    for check in checks:
        kinds.setdefault("promql_expr_test" if "expr" in check else "alert_rule_test", []).append(check)
    test = {"interval": "1m", "input_series": inputs, **kinds}
    return yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]})


def _written(value, minutes):
    """One text a minute; a series that ends is marked, as a scrape that misses it does."""
    before = None
    for minute in range(minutes + 1):
        now = at(value, minute)
        yield str(now) if now is not None else "_" if before is None else "stale"
        before = now


def firing(minute, *alerts):
    """Check that exactly these alerts fire at a minute; each a mapping of labels."""
    samples = [
        {"labels": f"ALERTS{{{','.join(f'{k}={json.dumps(v)}' for k, v in sorted(alert.items()))}}}", "value": 1}
        for alert in ({"alertstate": "firing"} | alert for alert in alerts)
    ]
    return {"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{minute}m", "exp_samples": samples}


def drift(severity="warning", **labels):
    """Labels of a drift of the series."""
    return {**SERIES, "alertname": "KlaxonDrift", "severity": severity, "direction": "reverse", "window": "1h"} | labels


def alert(name, severity="warning", about=STREAM, **labels):
    """Labels of an alert, by its name without the prefix."""
    return {**about, "alertname": f"Klaxon{name}", "severity": severity} | labels

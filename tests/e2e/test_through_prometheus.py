"""What a user sees: values queried back through PromQL equal a recomputation of exactly that window."""

import math
import re
import time
from pathlib import Path

import pytest
import yaml

from tests.e2e.recomputation import window
from tests.e2e.test_exactness import PARTITIONS, WINDOWS, caught_up, produce, settings
from tests.e2e.traffic import Traffic, close

pytestmark = [pytest.mark.kafka, pytest.mark.prometheus]


def test_promql_gives_the_recomputed_values_of_exactly_its_window(
    kafka_broker, klaxond, prometheus, promtool_check_metrics
):
    topic = f"promql-{time.time_ns()}"
    kafka_broker.create_topic(topic, PARTITIONS)
    traffic = Traffic(seed=11, partitions=PARTITIONS)
    produce(kafka_broker, topic, traffic.records(3000, time.time() - 280, time.time() - 1))
    daemon = klaxond(settings(kafka_broker, topic))
    server = prometheus([daemon.address])
    daemon.wait_until(caught_up, "all records")
    server.wait_for("klaxon_window_complete == 1", count=len(WINDOWS) * 4)
    time.sleep(2)
    at = time.time() - 1  # a whole scrape in the past, so that all samples come from one publish

    def query(name, **labels):
        chosen = ",".join(f'{label}="{text}"' for label, text in labels.items())
        (sample,) = server.query(f"{name}{{{chosen}}}", at)
        return sample.value

    for label, ring in WINDOWS.items():
        ends = {sample.value for sample in server.query(f'klaxon_window_end_timestamp_seconds{{window="{label}"}}', at)}
        assert len(ends) == 1
        expected = window(traffic.messages, ring, ends.pop())
        assert len(expected) == 4
        for (model, version), truth in expected.items():
            series = {"stream": "pairs", "model": model, "version": version, "window": label}
            for estimator in ("naive", "fixed", "fitted", "adaptive"):
                found = query("klaxon_kl_nats", direction="reverse", estimator=estimator, **series)
                assert close(found, truth[estimator]), (series, estimator, found, truth[estimator])
            error = query("klaxon_kl_standard_error_nats", direction="reverse", **series)
            assert close(error, truth["adaptive_se"], 1e-7)
            assert query("klaxon_window_messages", **series) == truth["messages"]
            assert close(query("klaxon_ratio_mean", **series), truth["ratio_mean"])
    _assert_counters_hold_the_whole_log(server, at, traffic)
    _assert_the_readme_s_alert_fires_above_its_threshold_only(server, at)
    assert promtool_check_metrics(daemon.get("/metrics")[1]) == []


def _assert_counters_hold_the_whole_log(server, at, traffic):
    """Any window by PromQL: the sum of fixed values over the weight, here over everything since the start."""
    weight = math.fsum(message.sums[0] for message in traffic.messages)
    fixed = math.fsum(message.sums[2] for message in traffic.messages)
    (ratio,) = server.query('sum(klaxon_kl_nats_sum_total{direction="reverse"}) / sum(klaxon_weight_sum_total)', at)
    assert close(ratio.value, fixed / weight)
    (records,) = server.query("sum(klaxon_records_consumed_total)", at)
    assert records.value == len(traffic.messages)


def _assert_the_readme_s_alert_fires_above_its_threshold_only(server, at):
    """Take the rule from the page, with this test's windows in the place of 1h and 5m."""
    page = (Path(__file__).parents[2] / "README.md").read_text()
    (block,) = re.findall(r"```yaml\n(groups:.*?)```", page, re.DOTALL)
    drift, *_ = yaml.safe_load(block)["groups"][0]["rules"]
    expression = drift["expr"].replace('window="5m"', 'window="1m"').replace('window="1h"', 'window="5m"')
    assert expression.count("> 0.01") == 2
    low = server.query(expression.replace("> 0.01", "> 1e-9"), at)
    assert {(found.labels["model"], found.labels["direction"]) for found in low} == {
        (model, direction) for model in ("ranker", "reader") for direction in ("reverse", "forward")
    }
    assert server.query(expression.replace("> 0.01", "> 10"), at) == []

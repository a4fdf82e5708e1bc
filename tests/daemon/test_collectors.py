"""Each collector shows what was published, under the labels of the contract, and fails alone."""

import dataclasses

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from daemon.board import Published
from daemon.clock import SystemClock
from daemon.collect_series import Exports
from daemon.collectors import Collectors, ProcessMetrics
from daemon.exposition import Renderer
from daemon.scrapes import ScrapeTimes
from estimators.estimates import DIRECTIONS, ESTIMATORS
from estimators.moments import SUM
from tests.daemon.board_examples import NOW, published


def exposed(value, exports=None, scrapes=None, collectors=None):
    """Samples of a publish, as a scraper reads them: {(name, label pairs): value}."""
    collect = collectors or Collectors(exports or Exports(), scrapes or ScrapeTimes(), SystemClock())
    text = Renderer(collect, ProcessMetrics())(value).text.decode()
    return {
        (sample.name, frozenset((name, text) for name, text in sample.labels.items() if text)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def get(samples, name, **labels):
    """The one sample with exactly these labels (empty ones aside), or None."""
    return samples.get((f"klaxon_{name}", frozenset(labels.items())))


def series_of(value):
    """Every series with its windows: (stream, row, labels, window)."""
    for stream in value.streams:
        for row, key in enumerate(stream.keys):
            labels = {"stream": stream.name, **dict(zip(stream.label_names, key, strict=True))}
            for window in stream.windows:
                yield stream, row, {**labels, "window": window.label}, window


def assert_shown(shown, value):
    """NaN is absent, everything else is there to the last bit."""
    assert shown is None if np.isnan(value) else shown == value


ALL = Exports(estimators=ESTIMATORS, moments=True)


def test_every_number_of_every_window_is_shown_under_its_name_or_absent():
    value = published()
    samples = exposed(value, ALL)
    for stream, row, labels, window in series_of(value):
        found = window.estimates
        for name in ("ratio_mean", "ratio_zscore", "support_gap", "comparable", "infinite", "effective_sample_ratio"):
            assert_shown(get(samples, name, **labels), getattr(found, name)[row])
        assert_shown(get(samples, "window_messages", **labels), float(found.total.count_of("messages")[row]))
        assert_shown(get(samples, "window_pairs", **labels), float(found.total.count_of("pairs")[row]))
        assert_shown(get(samples, "window_complete", **labels), window.complete[row])
        assert get(samples, "window_end_timestamp_seconds", stream=stream.name, window=window.label) == (
            window.end_timestamp_seconds
        )
        for direction in DIRECTIONS:
            side, where = found.of(direction), {**labels, "direction": direction}
            for estimator in ESTIMATORS:
                assert_shown(get(samples, "kl_nats", estimator=estimator, **where), side.of(estimator).value[row])
            adaptive = {**where, "estimator": "adaptive"}
            assert_shown(get(samples, "kl_standard_error_nats", **adaptive), side.adaptive.standard_error[row])
            assert_shown(get(samples, "kl_lower_nats", **adaptive), side.adaptive.lower[row])
            assert_shown(get(samples, "kl_upper_nats", **adaptive), side.adaptive.upper[row])
            assert_shown(get(samples, "kl_pane_standard_error_nats", **where), side.pane_standard_error[row])
            assert_shown(get(samples, "control_variate_lambda", **where), side.control_variate_lambda[row])
            assert_shown(get(samples, "variance_ratio", versus="naive", **where), side.variance_ratio_naive[row])
            assert_shown(get(samples, "variance_ratio", versus="fixed", **where), side.variance_ratio_fixed[row])


def test_moments_are_the_merged_sums_with_the_sampler_side_under_its_direction():
    value = published()
    samples = exposed(value, ALL)
    for stream, row, labels, window in series_of(value):
        total = window.estimates.total
        assert get(samples, "window_moment", moment="G", **labels) == float(total.count_of("messages")[row])
        for name in ("W", "WW", "C", "CC", "WC"):
            assert get(samples, "window_moment", moment=name, **labels) == total.sums[row, SUM[name]]
        # KL(sampler || other) is reverse where q is the sampler, forward where p is.
        sides = {"reverse": "S", "forward": "O"} if stream.sampled_from == "q" else {"reverse": "O", "forward": "S"}
        for direction, side in sides.items():
            for name in ("F", "FF", "FW", "FC"):
                shown = get(samples, "window_moment", moment=name, direction=direction, **labels)
                assert shown == total.sums[row, SUM[side + name]], (name, direction)
            for column, name in enumerate(("Y", "YY", "YW")):
                shown = get(samples, "window_moment", moment=name, direction=direction, **labels)
                assert shown == window.estimates.of(direction).adaptive_sums[row, column]


@pytest.mark.parametrize(
    ("exports", "expected"),
    [
        (Exports(), {("reverse", "adaptive"), ("reverse", "fixed"), ("forward", "adaptive"), ("forward", "fixed")}),
        (Exports(estimators=("fixed",), directions=("forward",)), {("forward", "fixed")}),
        (Exports(estimators=("naive",)), {("reverse", "naive"), ("forward", "naive")}),
    ],
)
def test_the_estimators_and_directions_asked_for_are_shown_and_sampler_side_naive_always(exports, expected):
    samples = exposed(published(), exports)
    for stream, naive in (("ranker", ("reverse", "naive")), ("bandit", ("forward", "naive"))):  # bandit: p samples
        shown = {
            (dict(labels)["direction"], dict(labels)["estimator"])
            for name, labels in samples
            if name == "klaxon_kl_nats" and ("stream", stream) in labels
        }
        assert shown == expected | {naive}
    errors = {labels for name, labels in samples if name == "klaxon_kl_standard_error_nats"}
    assert bool(errors) == ("adaptive" in exports.estimators)
    assert not any(name == "klaxon_window_moment" for name, _ in samples), "moments only when asked for"


def test_every_series_metric_has_the_labels_of_all_streams_empty_where_they_are_another_streams():
    text = Renderer(Collectors(ALL, ScrapeTimes(), SystemClock()), ProcessMetrics())(published()).text.decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels
            if "campaign" in labels or "model" in labels:
                assert {"campaign", "model", "version"} <= set(labels)
                assert (labels["campaign"] == "") == (labels["stream"] == "ranker")
                assert (labels["model"] == "") == (labels["stream"] == "bandit")


def test_counters_of_series_are_shown_also_where_the_windows_are_gone():
    value = published()
    samples = exposed(value)
    for stream in value.streams:
        assert len(stream.counter_keys) == len(stream.keys) + 1
        for row, key in enumerate(stream.counter_keys):
            labels = {"stream": stream.name, **dict(zip(stream.label_names, key, strict=True))}
            for name, values in (
                ("pairs_total", stream.counters.pairs),
                ("messages_total", stream.counters.messages),
                ("weight_sum_total", stream.counters.weight_sum),
                ("zero_probability_total", stream.counters.zero_probability),
                ("clamped_total", stream.counters.clamped),
            ):
                assert get(samples, name, **labels) == values[row], name
            for direction in DIRECTIONS:
                shown = get(samples, "kl_nats_sum_total", direction=direction, **labels)
                assert shown == stream.counters.kl_nats_sum[direction][row]


def test_streams_partitions_and_the_process_are_shown():
    scrapes = ScrapeTimes()
    scrapes.add(0.25)
    scrapes.add(0.5)
    samples = exposed(published(), scrapes=scrapes)
    expected = {
        ("records_consumed_total", "stream=ranker"): 1234,
        ("records_ignored_total", "stream=ranker"): 5,
        ("records_rejected_total", "stream=ranker,reason=late"): 2,
        ("records_rejected_total", "stream=ranker,reason=syntax"): 0,  # known reasons are there from the start
        ("pairs_rejected_total", "stream=bandit,reason=nan"): 3,
        ("series", "stream=ranker"): 3,
        ("series", "stream=bandit"): 2,
        ("series_overflow_total", "stream=ranker"): 1,
        ("event_delay_seconds_bucket", "stream=ranker,le=0.1"): 0,
        ("event_delay_seconds_bucket", "stream=ranker,le=7200.0"): 55,
        ("event_delay_seconds_bucket", "stream=ranker,le=+Inf"): 89,
        ("event_delay_seconds_count", "stream=ranker"): 89,
        ("event_delay_seconds_sum", "stream=ranker"): 12.75,
        ("partition_owned", "stream=ranker,topic=pairs,partition=0"): 1,
        ("partition_owned", "stream=ranker,topic=pairs,partition=11"): 0,
        ("consumer_lag_records", "stream=ranker,topic=pairs,partition=0"): 17,
        ("consumer_lag_records", "stream=ranker,topic=pairs,partition=11"): None,
        ("partition_clock_timestamp_seconds", "stream=ranker,topic=pairs,partition=0"): NOW - 1,
        ("partition_clock_timestamp_seconds", "stream=ranker,topic=pairs,partition=11"): None,
        ("partition_clock_jumps_total", "stream=ranker,topic=pairs,partition=11"): 2,
        ("gap_offsets_total", "stream=ranker,topic=pairs,partition=0"): 3,
        ("topic_partitions", "stream=ranker,topic=pairs"): 12,
        ("threshold_nats", "stream=ranker,model=a,version=1,severity=critical,direction=reverse"): 0.1,
        ("publish_timestamp_seconds", ""): NOW,
        ("poll_timestamp_seconds", ""): NOW - 0.1,
        ("restore_seconds", ""): None,
        ("evaluation_seconds", ""): 0.0125,
        ("rebalances_total", ""): 2,
        ("restores_total", "source=replay"): 1,
        ("log_messages_total", "level=warning"): 4,
        ("scrape_seconds_count", ""): 2,
        ("scrape_seconds_sum", ""): 0.75,
    }
    for (name, text), value in expected.items():
        labels = dict(pair.split("=") for pair in text.split(",") if pair)
        assert get(samples, name, **labels) == value, (name, labels)


def test_an_empty_publish_shows_the_process_and_no_series():
    samples = exposed(Published(timestamp_seconds=NOW, streams=()))
    names = {name for name, _ in samples if name.startswith("klaxon_")}
    assert "klaxon_publish_timestamp_seconds" in names
    assert "klaxon_poll_timestamp_seconds" not in names, "never polled is absent, not 1970"
    assert not names & {"klaxon_kl_nats", "klaxon_window_messages", "klaxon_pairs_total"}


def broken(value):
    """The same published value with a window whose self-check columns are too short."""
    stream = value.streams[0]
    window = stream.windows[0]
    estimates = dataclasses.replace(window.estimates, support_gap=np.zeros(1))
    windows = (dataclasses.replace(window, estimates=estimates), *stream.windows[1:])
    return dataclasses.replace(value, streams=(dataclasses.replace(stream, windows=windows), *value.streams[1:]))


def test_a_failing_collector_costs_its_own_metrics_only_is_told_and_logged_once():
    value = published()
    whole = exposed(value)
    collectors = Collectors(Exports(), ScrapeTimes(), SystemClock())
    with capture_logs() as logged:
        samples = exposed(broken(value), collectors=collectors)
        exposed(broken(value), collectors=collectors)
    assert [(entry["log_level"], entry["collector"]) for entry in logged] == [("error", "self_check")]
    assert get(samples, "collector_success", collector="self_check") == 0
    assert get(whole, "collector_success", collector="self_check") == 1
    others = [n for (n, labels), v in samples.items() if n == "klaxon_collector_success" and v == 1]
    assert len(others) == 8
    lost = {name for name, _ in whole} - {name for name, _ in samples}
    assert lost == {
        f"klaxon_{name}"
        for name in ("ratio_mean", "ratio_zscore", "support_gap", "comparable", "infinite", "effective_sample_ratio")
    }
    assert get(samples, "collector_duration_seconds", collector="self_check") >= 0
    assert get(exposed(value, collectors=collectors), "collector_success", collector="self_check") == 1

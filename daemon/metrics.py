"""The catalogue: every metric that klaxond exposes, as plain data. Collectors may only use what stands here.

Names, types, units, labels, help and stability come from here, for the exposition, for the generated reference
(deploy/reference/metrics.md) and for the tests that keep rules and dashboards to known names.
"""

from collections.abc import Mapping
from typing import Final

from daemon.metric import Kind, Metric, Scope, Stability, Subject

PREFIX: Final = "klaxon_"

#: Upper borders, seconds, of `event_delay_seconds`; +Inf comes on top.
EVENT_DELAY_BUCKETS: Final = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)


def _metrics(kind: Kind, scope: Scope, subject: Subject, *rows: tuple[str, str, tuple[str, ...], str]) -> list[Metric]:
    """Build metrics from rows (name without prefix, unit, own labels, help)."""
    return [Metric(PREFIX + name, kind, scope, subject, text, labels, unit) for name, unit, labels, text in rows]


_NONE: Final = ()
_DIRECTION: Final = ("direction",)
_ESTIMATOR: Final = ("direction", "estimator")

_WINDOW_METRICS: Final = [
    *_metrics(
        Kind.GAUGE,
        Scope.WINDOW,
        Subject.ESTIMATES,
        ("kl_nats", "nats", _ESTIMATOR, "Divergence over the window; reverse is KL(q||p), forward KL(p||q)."),
        ("kl_standard_error_nats", "nats", _ESTIMATOR, "Standard error of kl_nats, a message being a cluster."),
        ("kl_lower_nats", "nats", _ESTIMATOR, "Lower end of the 95 % interval of kl_nats; for reading, not alarming."),
        ("kl_upper_nats", "nats", _ESTIMATOR, "Upper end of the 95 % interval of kl_nats; for reading, not alarming."),
        ("kl_pane_standard_error_nats", "nats", _DIRECTION, "Standard error of adaptive, from the spread of panes."),
        (
            "control_variate_lambda",
            "",
            _DIRECTION,
            "Coefficient of r - 1 that the adaptive estimator uses for the open pane; r is other over sampler.",
        ),
        (
            "variance_ratio",
            "",
            ("direction", "versus"),
            "Variance of another estimator over that of adaptive; above 1 adaptive is the better one.",
        ),
    ),
    *_metrics(
        Kind.GAUGE,
        Scope.WINDOW,
        Subject.SELF_CHECK,
        ("ratio_mean", "", _NONE, "Mean of r, other over sampler; 1 where the sampler covers the other's support."),
        ("ratio_zscore", "", _NONE, "Standard errors between ratio_mean and 1."),
        ("support_gap", "", _NONE, "1 - ratio_mean: the other's mass where the sampler has none."),
        ("comparable", "", _NONE, "Verdict of the self-check: 1 comparable, 0 not comparable, absent if inconclusive."),
        ("infinite", "", _NONE, "1 if a pair of the window has probability 0 under the other distribution."),
        ("effective_sample_ratio", "", _NONE, "Effective sample size over pairs."),
    ),
    *_metrics(
        Kind.GAUGE,
        Scope.WINDOW,
        Subject.WINDOWS,
        ("window_messages", "", _NONE, "Messages in the window."),
        ("window_pairs", "", _NONE, "Pairs in the window."),
        (
            "window_complete",
            "",
            _NONE,
            "1 if all owned partitions are restored, caught up and without gap or overflow.",
        ),
    ),
    Metric(
        PREFIX + "window_end_timestamp_seconds",
        Kind.GAUGE,
        Scope.STREAM,
        Subject.WINDOWS,
        "Exclusive end of the window, the open pane included.",
        ("window",),
        "seconds",
    ),
    Metric(
        PREFIX + "window_moment",
        Kind.GAUGE,
        Scope.WINDOW,
        Subject.MOMENTS,
        "Summable part of the window's estimates, to merge replicas; direction is empty for W, G, WW, C, CC and WC.",
        ("moment", "direction"),
        stability=Stability.EXPERIMENTAL,
    ),
]

_SERIES_METRICS: Final = [
    *_metrics(
        Kind.COUNTER,
        Scope.SERIES,
        Subject.SERIES,
        ("pairs_total", "", _NONE, "Pairs absorbed."),
        ("messages_total", "", _NONE, "Messages absorbed."),
        ("weight_sum_total", "", _NONE, "Weight of the pairs absorbed."),
        (
            "kl_nats_sum_total",
            "nats",
            _DIRECTION,
            "Weighted sum of the fixed estimator; its rate over that of weight_sum_total is the KL of any range.",
        ),
        ("zero_probability_total", "", _NONE, "Pairs with probability 0 under the other distribution."),
        ("clamped_total", "", _NONE, "Pairs whose log ratio was clamped to stay finite."),
    ),
    *_metrics(
        Kind.GAUGE,
        Scope.SERIES,
        Subject.SERIES,
        ("last_event_timestamp_seconds", "seconds", _NONE, "Newest event time of the series."),
        ("series_start_timestamp_seconds", "seconds", _NONE, "Oldest event time that is still known of the series."),
    ),
    *_metrics(
        Kind.GAUGE,
        Scope.SERIES,
        Subject.THRESHOLDS,
        ("threshold_nats", "nats", ("severity", "direction"), "Drift threshold of the configuration."),
    ),
]

_STREAM_METRICS: Final = [
    *_metrics(
        Kind.COUNTER,
        Scope.STREAM,
        Subject.STREAMS,
        ("records_consumed_total", "", _NONE, "Records read from the topic."),
        ("records_ignored_total", "", _NONE, "Records that the stream's `where` does not select."),
        ("records_rejected_total", "", ("reason",), "Records that could not be used."),
        ("pairs_rejected_total", "", ("reason",), "Pairs that could not be used."),
        ("dead_letters_total", "", _NONE, "Dead letters that the brokers have acknowledged."),
        (
            "dead_letters_dropped_total",
            "",
            _NONE,
            "Dead letters given up: refused, not acknowledged in time, or more than may wait.",
        ),
        ("series_overflow_total", "", _NONE, "Messages counted under __other__ because the cap on series was reached."),
    ),
    *_metrics(
        Kind.GAUGE, Scope.STREAM, Subject.STREAMS, ("series", "", _NONE, "Series with an event in the longest window.")
    ),
    *_metrics(
        Kind.HISTOGRAM,
        Scope.STREAM,
        Subject.STREAMS,
        ("event_delay_seconds", "seconds", _NONE, "Wall clock minus event time when a message is absorbed."),
    ),
]

_PARTITION_METRICS: Final = [
    *_metrics(
        Kind.GAUGE,
        Scope.PARTITION,
        Subject.PARTITIONS,
        (
            "partition_owned",
            "",
            _NONE,
            "1 if owned and restored, 0 while restoring, absent after a session of silence.",
        ),
        ("consumer_lag_records", "", _NONE, "Records between the position and the end of the partition."),
        ("partition_clock_timestamp_seconds", "seconds", _NONE, "The partition's own time, by which panes expire."),
    ),
    *_metrics(
        Kind.COUNTER,
        Scope.PARTITION,
        Subject.PARTITIONS,
        (
            "partition_clock_jumps_total",
            "",
            _NONE,
            "Steps of the clock beyond the longest window: check the producers' clocks.",
        ),
        ("gap_offsets_total", "", _NONE, "Offsets that could never be read: expired, deleted or corrupt."),
    ),
    Metric(
        PREFIX + "topic_partitions",
        Kind.GAUGE,
        Scope.STREAM,
        Subject.PARTITIONS,
        "Partitions of the topic in the cluster's metadata.",
        ("topic",),
    ),
]

#: Of a partition whatever the number of streams that read it.
_OF_PARTITION: Final = ("topic", "partition")

_SNAPSHOT_METRICS: Final = [
    *_metrics(
        Kind.GAUGE,
        Scope.PROCESS,
        Subject.PARTITIONS,
        ("state_start_timestamp_seconds", "seconds", _OF_PARTITION, "Time at which the partition's state began."),
        ("state_skipped_offsets", "", _OF_PARTITION, "Offsets that could never be read, since the state began."),
        (
            "snapshot_timestamp_seconds",
            "seconds",
            _OF_PARTITION,
            "Time at which the newest snapshot held all that had been read; before the first, of the start.",
        ),
        ("snapshot_bytes", "bytes", _OF_PARTITION, "Bytes that the newest snapshot of this process wrote."),
        ("snapshot_retained_bytes", "bytes", _OF_PARTITION, "Bytes that the newest snapshot of this process holds."),
    ),
    *_metrics(
        Kind.COUNTER,
        Scope.PROCESS,
        Subject.PARTITIONS,
        ("snapshot_failures_total", "", _NONE, "Snapshots that were not saved."),
    ),
]

_PROCESS_METRICS: Final = [
    *_metrics(
        Kind.GAUGE,
        Scope.PROCESS,
        Subject.PROCESS,
        ("build_info", "", ("version", "python_version"), "Always 1; the labels tell what is running."),
        ("publish_timestamp_seconds", "seconds", _NONE, "Time of the newest publish."),
        ("poll_timestamp_seconds", "seconds", _NONE, "Time of the newest poll."),
        ("restore_seconds", "seconds", _NONE, "Duration of the last restore of a partition."),
        ("evaluation_seconds", "seconds", _NONE, "Time that the newest publish took to evaluate all windows."),
    ),
    *_metrics(
        Kind.COUNTER,
        Scope.PROCESS,
        Subject.PROCESS,
        ("rebalances_total", "", _NONE, "Assignments and revocations of partitions."),
        ("restores_total", "", ("source",), "Partitions restored, by where their state came from."),
        ("log_messages_total", "", ("level",), "Log messages of level warning and above."),
    ),
    *_metrics(
        Kind.SUMMARY,
        Scope.PROCESS,
        Subject.PROCESS,
        ("scrape_seconds", "seconds", _NONE, "Time to answer requests of /metrics."),
    ),
    *_metrics(
        Kind.GAUGE,
        Scope.PROCESS,
        Subject.COLLECTORS,
        ("collector_success", "", ("collector",), "1 if the collector worked at the newest publish, 0 if it failed."),
        ("collector_duration_seconds", "seconds", ("collector",), "Time the collector took at the newest publish."),
    ),
]

CATALOGUE: Final[Mapping[str, Metric]] = {
    metric.name: metric
    for metric in (
        *_WINDOW_METRICS,
        *_SERIES_METRICS,
        *_STREAM_METRICS,
        *_PARTITION_METRICS,
        *_SNAPSHOT_METRICS,
        *_PROCESS_METRICS,
    )
}

"""The JSON of /api/v1/status: the newest published value, for programs that do not speak Prometheus.

Keys are stable; a number that is absent or infinite is null (`infinite` tells the two apart):

    {"version", "timestamp_seconds", "ready", "reasons": [...],
     "streams": [{"name", "series_labels": [...], "sampled_from",
        "records_consumed", "records_ignored", "records_rejected": {reason: n}, "pairs_rejected": {reason: n},
        "series_overflow", "thresholds": [{"severity", "direction", "nats"}],
        "windows": [{"window", "seconds", "end_timestamp_seconds"}],
        "series": [{"labels": {...}, "start_timestamp_seconds", "last_event_timestamp_seconds",
           "verdict": {"state", "sentence", "severity", "direction"},
           "windows": [{"window", "complete", "messages", "pairs", "blocks", "ratio_mean", "ratio_zscore",
              "support_gap", "effective_sample_ratio", "comparable": true|false|null, "infinite",
              "reverse": {"naive": {"value", "standard_error", "lower", "upper"}, "fixed": {...}, "fitted": {...},
                 "adaptive": {...}, "k2", "lambda", "pane_standard_error", "variance_ratio": {"naive", "fixed"}},
              "forward": {...}}]}]}],
     "partitions": [{"stream", "topic", "partition", "restored", "lag_records", "clock_seconds"}]}

Before the first publish `timestamp_seconds` is null and the lists are empty.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
import numpy as np

from daemon.board import PartitionBoard, Published, StreamBoard, WindowBoard
from daemon.health import Readiness
from daemon.verdicts import Verdict, verdicts
from estimators.estimates import ESTIMATORS, Columns, DirectionEstimates

Object = dict[str, Any]

_COLUMNS: Final = ("value", "standard_error", "lower", "upper")
_SELF_CHECK: Final = ("ratio_mean", "ratio_zscore", "support_gap", "effective_sample_ratio")


def status_json(published: Published | None, readiness: Readiness, version: str) -> bytes:
    """Return the status as JSON; the encoder writes NaN and infinities as null."""
    return msgspec.json.encode(
        {
            "version": version,
            "timestamp_seconds": None if published is None else published.timestamp_seconds,
            "ready": readiness.ready,
            "reasons": list(readiness.reasons),
            "streams": [] if published is None else [_stream(stream) for stream in published.streams],
            "partitions": [] if published is None else [_partition(board) for board in published.partitions],
        }
    )


def _stream(stream: StreamBoard) -> Object:
    return {
        "name": stream.name,
        "series_labels": list(stream.label_names),
        "sampled_from": stream.sampled_from,
        "records_consumed": stream.records_consumed,
        "records_ignored": stream.records_ignored,
        "records_rejected": dict(stream.records_rejected),
        "pairs_rejected": dict(stream.pairs_rejected),
        "series_overflow": stream.series_overflow,
        "thresholds": [{"severity": t.severity, "direction": t.direction, "nats": t.nats} for t in stream.thresholds],
        "windows": [
            {"window": w.label, "seconds": w.seconds, "end_timestamp_seconds": w.end_timestamp_seconds}
            for w in stream.windows
        ],
        "series": _objects(
            {
                "labels": [dict(zip(stream.label_names, key, strict=True)) for key in stream.keys],
                "start_timestamp_seconds": stream.start_timestamp_seconds.tolist(),
                "last_event_timestamp_seconds": stream.last_event_timestamp_seconds.tolist(),
                "verdict": [_verdict(verdict) for verdict in verdicts(stream)],
                "windows": _per_series([_window(window) for window in stream.windows], len(stream.keys)),
            }
        ),
    }


def _window(window: WindowBoard) -> list[Object]:
    """Return one object per series."""
    estimates = window.estimates
    return _objects(
        {
            "window": [window.label] * len(window.complete),
            "complete": (window.complete == 1).tolist(),
            "messages": estimates.total.count_of("messages").tolist(),
            "pairs": estimates.total.count_of("pairs").tolist(),
            "blocks": estimates.blocks.astype(np.int64).tolist(),
            **{name: getattr(estimates, name).tolist() for name in _SELF_CHECK},
            "comparable": [_comparable(value) for value in estimates.comparable.tolist()],
            "infinite": (estimates.infinite == 1).tolist(),
            "reverse": _direction(estimates.reverse),
            "forward": _direction(estimates.forward),
        }
    )


def _verdict(verdict: Verdict) -> Object:
    return {
        "state": verdict.state,
        "sentence": verdict.sentence,
        "severity": verdict.severity,
        "direction": verdict.direction,
    }


def _comparable(value: float) -> bool | None:
    return None if math.isnan(value) else value == 1


def _direction(direction: DirectionEstimates) -> list[Object]:
    ratios = {"naive": direction.variance_ratio_naive.tolist(), "fixed": direction.variance_ratio_fixed.tolist()}
    return _objects(
        {
            **{estimator: _estimator(direction.of(estimator)) for estimator in ESTIMATORS},
            "k2": direction.k2.tolist(),
            "lambda": direction.control_variate_lambda.tolist(),
            "pane_standard_error": direction.pane_standard_error.tolist(),
            "variance_ratio": _objects(ratios),
        }
    )


def _estimator(columns: Columns) -> list[Object]:
    return _objects({name: getattr(columns, name).tolist() for name in _COLUMNS})


def _partition(board: PartitionBoard) -> Object:
    return {
        "stream": board.stream,
        "topic": board.partition.topic,
        "partition": board.partition.number,
        "restored": board.restored,
        "lag_records": board.lag_records,
        "clock_seconds": board.clock_seconds,
    }


def _objects(columns: Mapping[str, Iterable[Any]]) -> list[Object]:
    """Turn columns into rows."""
    names = tuple(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _per_series(windows: list[list[Object]], series: int) -> list[list[Object]]:
    return [[window[row] for window in windows] for row in range(series)]

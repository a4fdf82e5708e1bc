"""The JSON of /api/v1/status and /api/v1/history: the newest published value, for programs.

The types are in daemon/web/answers.py, the OpenAPI document at /api/v1/openapi.json.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np

from daemon.board import PartitionBoard, Published, StreamBoard, WindowBoard
from daemon.health import Readiness
from daemon.history import History
from daemon.verdicts import verdicts
from daemon.web import answers
from estimators.estimates import Columns, DirectionEstimates

Made = TypeVar("Made", bound=answers.Answer)


def status_json(published: Published | None, readiness: Readiness, version: str) -> bytes:
    """Return the status as JSON; the encoder writes NaN and infinities as null."""
    return msgspec.json.encode(
        answers.Status(
            version=version,
            timestamp_seconds=None if published is None else published.timestamp_seconds,
            ready=readiness.ready,
            reasons=list(readiness.reasons),
            streams=[] if published is None else [_stream(stream) for stream in published.streams],
            partitions=[] if published is None else [_partition(board) for board in published.partitions],
        )
    )


def history_json(published: Published | None, version: str, stream: str | None = None) -> bytes:
    """Return the last hour of every series of one stream, or of all, as JSON."""
    streams = () if published is None else published.streams
    return msgspec.json.encode(
        answers.History(
            version=version,
            timestamp_seconds=None if published is None else published.timestamp_seconds,
            streams=[_stream_history(each) for each in streams if stream in (None, each.name)],
        )
    )


def _stream(stream: StreamBoard) -> answers.Stream:
    windows = [_window(window) for window in stream.windows]
    return answers.Stream(
        name=stream.name,
        series_labels=list(stream.label_names),
        sampled_from=stream.sampled_from,
        records_consumed=stream.records_consumed,
        records_ignored=stream.records_ignored,
        records_rejected=dict(stream.records_rejected),
        pairs_rejected=dict(stream.pairs_rejected),
        series_overflow=stream.series_overflow,
        thresholds=[answers.Threshold(each.severity, each.direction, each.nats) for each in stream.thresholds],
        windows=[
            answers.Window(window.label, window.seconds, window.end_timestamp_seconds) for window in stream.windows
        ],
        series=_rows(
            answers.Series,
            _labels(stream, stream.keys),
            stream.start_timestamp_seconds.tolist(),
            stream.last_event_timestamp_seconds.tolist(),
            [answers.Verdict(told.state, told.sentence, told.severity, told.direction) for told in verdicts(stream)],
            [[window[row] for window in windows] for row in range(len(stream.keys))],
        ),
    )


def _window(window: WindowBoard) -> list[answers.SeriesWindow]:
    """Return one row per series."""
    estimates = window.estimates
    return _rows(
        answers.SeriesWindow,
        [window.label] * len(window.complete),
        (window.complete == 1).tolist(),
        estimates.total.count_of("messages").tolist(),
        estimates.total.count_of("pairs").tolist(),
        estimates.blocks.astype(np.int64).tolist(),
        estimates.ratio_mean.tolist(),
        estimates.ratio_zscore.tolist(),
        estimates.support_gap.tolist(),
        estimates.effective_sample_ratio.tolist(),
        _flags(estimates.comparable.tolist()),
        (estimates.infinite == 1).tolist(),
        _direction(estimates.reverse),
        _direction(estimates.forward),
    )


def _direction(direction: DirectionEstimates) -> list[answers.DirectionEstimates]:
    ratios = direction.variance_ratio_naive.tolist(), direction.variance_ratio_fixed.tolist()
    return _rows(
        answers.DirectionEstimates,
        _estimate(direction.naive),
        _estimate(direction.fixed),
        _estimate(direction.fitted),
        _estimate(direction.adaptive),
        direction.k2.tolist(),
        direction.control_variate_lambda.tolist(),
        direction.pane_standard_error.tolist(),
        _rows(answers.VarianceRatio, *ratios),
    )


def _estimate(columns: Columns) -> list[answers.Estimate]:
    parts = (columns.value, columns.standard_error, columns.lower, columns.upper)
    return _rows(answers.Estimate, *(part.tolist() for part in parts))


def _partition(board: PartitionBoard) -> answers.Partition:
    return answers.Partition(
        stream=board.stream,
        topic=board.partition.topic,
        partition=board.partition.number,
        restored=board.restored,
        lag_records=board.lag_records,
        clock_seconds=board.clock_seconds,
    )


def _stream_history(stream: StreamBoard) -> answers.StreamHistory:
    history = stream.history
    return answers.StreamHistory(
        name=stream.name,
        direction=stream.shown_direction,
        long_window=stream.long_window.label,
        short_window=stream.short_window.label,
        since_timestamp_seconds=None if history is None else history.since_seconds,
        timestamps_seconds=[] if history is None else history.timestamp_seconds.tolist(),
        series=[] if history is None else _series_history(stream, history),
    )


def _series_history(stream: StreamBoard, history: History) -> list[answers.SeriesHistory]:
    """Return the live series, then those that have gone within the hour."""
    return _rows(
        answers.SeriesHistory,
        _labels(stream, history.keys),
        history.of("value").T.tolist(),
        history.of("lower").T.tolist(),
        history.of("upper").T.tolist(),
        history.of("short_value").T.tolist(),
        [_flags(column) for column in history.of("comparable").T.tolist()],
    )


def _labels(stream: StreamBoard, keys: Iterable[Sequence[str]]) -> list[dict[str, str]]:
    return [dict(zip(stream.label_names, key, strict=True)) for key in keys]


def _flags(values: Iterable[float]) -> list[bool | None]:
    return [None if math.isnan(value) else value == 1 for value in values]


def _rows(kind: type[Made], *columns: Iterable[Any]) -> list[Made]:
    """Turn columns into rows; the columns stand in the order of the type's fields."""
    return [kind(*row) for row in zip(*columns, strict=True)]

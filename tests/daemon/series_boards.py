"""Boards with chosen numbers: one stream, windows 5m and 1h, one row of numbers per series."""

from dataclasses import replace

import numpy as np

from daemon.board import Published, SeriesCounters, StreamBoard, Threshold, WindowBoard
from estimators.estimates import Columns, DirectionEstimates, Estimates
from estimators.moments import COUNTS, SUMS, Moments

NOW = 1_700_000_000.0
NAN = float("nan")
WARNING = Threshold("warning", "reverse", 0.01)

#: A series that is certain of a small value, as a window of many messages gives it.
CALM = {
    "messages": 1000,
    "value": 0.002,
    "error": 1e-5,
    "pane_error": 2e-5,
    "lower": 0.00198,
    "upper": 0.00202,
    "naive": 0.0021,
    "forward": 0.003,
    "ratio_mean": 1.0,
    "ratio_zscore": 0.1,
    "comparable": 1.0,
    "infinite": 0.0,
    "zero_other": 0,
    "complete": 1.0,
}
#: What a window shows that has fewer messages than an estimate needs.
WITHHELD = dict.fromkeys(
    ("value", "error", "pane_error", "lower", "upper", "naive", "forward", "ratio_mean", "ratio_zscore", "comparable"),
    NAN,
)
SILENT = {**WITHHELD, "messages": 0}


def series(long=None, short=None, **both):
    """The numbers of one series in both windows, calm but for what is given."""
    return {**CALM, **both, **(short or {})}, {**CALM, **both, **(long or {})}


def board(*rows, label_names=("model",), keys=None, windows=(("5m", 300.0), ("1h", 3600.0)), **changes):
    """A stream with these series; `rows` as `series` gives them."""
    keys = tuple((f"m{index}",) for index in range(len(rows))) if keys is None else keys
    made = StreamBoard(
        name="pairs",
        label_names=label_names,
        sampled_from="q",
        keys=tuple(keys),
        windows=tuple(
            _window(label, seconds, [row[place] for row in rows]) for place, (label, seconds) in enumerate(windows)
        ),
        last_event_timestamp_seconds=np.full(len(rows), NOW - 1),
        start_timestamp_seconds=np.full(len(rows), NOW - 7200),
        counter_keys=(),
        counters=SeriesCounters(*(np.empty(0) for _ in range(3)), {}, np.empty(0), np.empty(0)),
        thresholds=(WARNING,),
        min_messages=30,
        records_consumed=1000,
    )
    return replace(made, **changes)


def published(*boards, partitions=(), seconds=NOW):
    """These streams as one published value."""
    return Published(timestamp_seconds=seconds, streams=boards, partitions=partitions)


def _window(label, seconds, rows):
    def column(name):
        return np.array([row[name] for row in rows], float)

    counts = np.zeros((len(rows), len(COUNTS)), np.uint64)
    for place, name in enumerate(COUNTS):
        if name in ("messages", "pairs", "zero_other"):
            counts[:, place] = column("zero_other" if name == "zero_other" else "messages")
    none = np.full(len(rows), NAN)
    absent = Columns(none, none, none, none)
    naive = Columns(column("naive"), column("error"), column("naive") * 0.9, column("naive") * 1.1)
    adaptive = Columns(column("value"), column("error"), column("lower"), column("upper"))
    other = Columns(column("forward"), column("error"), column("forward") * 0.9, column("forward") * 1.1)

    def direction(first, last, pane_error):
        return DirectionEstimates(first, last, absent, last, none, none, pane_error, none, none)

    estimates = Estimates(
        total=Moments(np.zeros((len(rows), len(SUMS))), counts, np.zeros(len(rows))),
        blocks=np.full(len(rows), 30.0),
        ratio_mean=column("ratio_mean"),
        ratio_zscore=column("ratio_zscore"),
        support_gap=1 - column("ratio_mean"),
        comparable=column("comparable"),
        infinite=column("infinite"),
        effective_sample_ratio=np.full(len(rows), 0.9),
        reverse=direction(naive, adaptive, column("pane_error")),
        forward=direction(absent, other, column("pane_error")),
    )
    return WindowBoard(label, seconds, NOW + 1, estimates, column("complete"))

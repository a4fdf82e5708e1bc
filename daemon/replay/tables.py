"""What `klaxond replay` prints: a table for people with the verdict in sentences, JSON, and CSV."""

import csv
import json
from collections.abc import Iterator, Mapping
from math import isnan
from typing import Final, TextIO

from rich.console import Console
from rich.table import Table

from daemon.layout import Column, aligned, number
from daemon.replay.conclusion import conclusion
from daemon.replay.results import Reading, Replay, ReplayedSeries
from daemon.verdicts import formula
from estimators.estimates import DIRECTIONS, ESTIMATORS, Direction, Estimator

_VERDICTS: Final[Mapping[bool | None, str]] = {True: "yes", False: "NO", None: "unclear"}
#: More series than a reader scrolls through: only those that are furthest apart are in the table.
_SERIES_MOST: Final = 100
_COLUMNS_CSV: Final = ("value", "standard_error", "lower", "upper")
_WINDOW_CSV: Final = (
    "messages",
    "pairs",
    "blocks",
    "ratio_mean",
    "ratio_zscore",
    "support_gap",
    "comparable",
    "infinite",
    "effective_sample_ratio",
)


def write_json(replay: Replay, reading: Reading, out: TextIO) -> None:
    """Write one JSON object; what is absent or infinite is null.

    Keys: `read_as` (preset, by, sampled_from), `series`, `records`, `rejected` (by reason), `conclusion` (sentences)
    and `notes` (sentences). An entry of `series` has labels, window, the numbers of `Summary.to_dict`, `verdict` (the
    state by the daemon's rule), and of the longest window `total_variation` (value, standard_error, lower, upper),
    `certain_pairs` and `placeholders`.
    """
    document = {
        "read_as": {"preset": reading.preset, "by": reading.by, "sampled_from": reading.sampled_from},
        "series": [series.to_dict(replay.label_names) for series in replay.series],
        "records": replay.records,
        "rejected": dict(replay.rejected),
        "conclusion": list(conclusion(replay)),
        "notes": list(replay.notes),
    }
    json.dump(document, out, indent=2, allow_nan=False)
    out.write("\n")


def write_csv(replay: Replay, out: TextIO) -> None:
    """Write one row per series, window, direction and estimator; what is absent is empty, what is infinite `inf`."""
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow([*replay.label_names, "window", *_WINDOW_CSV, "direction", "estimator", *_COLUMNS_CSV])
    for series in replay.series:
        head = [*series.labels, series.window, *(_cell(getattr(series.summary, name)) for name in _WINDOW_CSV)]
        for direction in DIRECTIONS:
            for estimator in ESTIMATORS:
                columns = series.summary.of(direction).of(estimator)
                rows.writerow([*head, direction, estimator, *(_cell(getattr(columns, name)) for name in _COLUMNS_CSV)])


def _cell(value: float | None) -> object:
    """As JSON writes it, but for infinity; nothing for what is absent."""
    if value is None or isnan(value):
        return ""
    return str(value).lower() if isinstance(value, bool) else value


def write_table(replay: Replay, reading: Reading, console: Console) -> None:
    """Write how the input was read, an aligned table, and below it what it says in words."""
    for paragraph in _paragraphs(replay, reading, console):
        console.print(paragraph, markup=False, highlight=False)


def _paragraphs(replay: Replay, reading: Reading, console: Console) -> Iterator[Table | str]:
    if reading.sentence:
        yield reading.sentence
        yield ""
    if replay.series:
        yield _table(replay, console.width)
        if (held := len(replay.inside)) > _SERIES_MOST:
            yield f"These are the {_SERIES_MOST} furthest apart of {held:,} series; --output csv has all."
        yield ""
    yield from conclusion(replay)
    yield from replay.notes


def _table(replay: Replay, width: int) -> Table:
    """Return one line per series, window and direction; of very many series those that are furthest apart."""
    furthest = {series.labels for series in replay.inside[:_SERIES_MOST]}
    lines = [(series, direction) for series in replay.series if series.labels in furthest for direction in DIRECTIONS]

    def values(estimator: Estimator, spare: int = 0) -> Column:
        cells = [_value(replay, series, direction, estimator) for series, direction in lines]
        return Column(estimator, cells, right=True, spare=spare)

    labels = [
        Column(name, [series.labels[place] for series, _ in lines]) for place, name in enumerate(replay.label_names)
    ]
    return aligned(
        [
            *labels,
            Column("window", [series.window for series, _ in lines]),
            Column("KL", [formula(direction) for _, direction in lines]),
            Column("messages", [str(series.summary.messages) for series, _ in lines], right=True, spare=4),
            Column("pairs", [str(series.summary.pairs) for series, _ in lines], right=True, spare=5),
            values("adaptive"),
            Column("95 % interval", [_interval(series, direction) for series, direction in lines], right=True, spare=1),
            values("fixed", spare=3),
            # Where the self-check failed, naive is the one to read.
            values("naive", spare=0 if any(series.summary.comparable is False for series, _ in lines) else 2),
            Column("ratio mean", [number(series.numbers["ratio_mean"]) for series, _ in lines], right=True, spare=1),
            Column("comparable", [_verdict(series) for series, _ in lines]),
        ],
        width,
    )


def _value(replay: Replay, series: ReplayedSeries, direction: Direction, estimator: Estimator) -> str:
    if series.summary.infinite and direction == replay.sampler_side:
        return "infinite"
    return number(series.numbers[direction][estimator]["value"])


def _interval(series: ReplayedSeries, direction: Direction) -> str:
    adaptive = series.numbers[direction]["adaptive"]
    return "-" if adaptive["lower"] is None else f"{number(adaptive['lower'])} to {number(adaptive['upper'])}"


def _verdict(series: ReplayedSeries) -> str:
    return "-" if series.numbers["ratio_mean"] is None else _VERDICTS[series.summary.comparable]

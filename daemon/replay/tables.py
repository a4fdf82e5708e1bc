"""What `klaxond replay` prints: a table for people with the verdict in sentences, JSON, and CSV."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from typing import Final, TextIO

from rich.console import Console
from rich.table import Table

from daemon.layout import Column, aligned, divergence, number
from daemon.replay.replaying import Replay, ReplayedSeries
from estimators.estimates import DIRECTIONS, ESTIMATORS, Direction, Estimator

_VERDICTS: Final[Mapping[bool | None, str]] = {True: "yes", False: "NO", None: "unclear"}
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
_NAMED_MOST: Final = 3  # series that a sentence names


def write_json(replay: Replay, out: TextIO) -> None:
    """Write one JSON object; what is absent or infinite is null."""
    json.dump(replay.to_dict(), out, indent=2, allow_nan=False)
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


def write_table(replay: Replay, console: Console) -> None:
    """Write an aligned table and, below it, how far apart, how sure, and what to read first."""
    if replay.series:
        console.print(_table(replay, console.width))
        console.print()
    for sentence in sentences(replay):
        console.print(sentence, markup=False, highlight=False)


def _table(replay: Replay, width: int) -> Table:
    """Return one line per series, window and direction."""
    lines = [(series, direction) for series in replay.series for direction in DIRECTIONS]

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
            Column("KL", [divergence(direction) for _, direction in lines]),
            Column("messages", [str(series.summary.messages) for series, _ in lines], right=True, spare=4),
            Column("pairs", [str(series.summary.pairs) for series, _ in lines], right=True, spare=5),
            values("adaptive"),
            Column("95 % interval", [_interval(series, direction) for series, direction in lines], right=True, spare=1),
            values("fixed", spare=3),
            values("naive", spare=2),
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


def sentences(replay: Replay) -> Iterator[str]:
    """Tell in words what the numbers say, about the series that is furthest apart in the longest window."""
    if not replay.messages:
        yield "No pair could be used."
    elif not replay.series:
        yield "The last window holds no series."
    else:
        yield from _findings(replay, [series for series in replay.series if series.window == replay.longest_window])
    yield from replay.notes


def _findings(replay: Replay, inside: Sequence[ReplayedSeries]) -> Iterator[str]:
    side = replay.sampler_side
    infinite = [series for series in inside if series.numbers["infinite"]]
    broken = [series for series in inside if series.numbers["comparable"] is False]
    known = [series for series in inside if series.numbers[side]["adaptive"]["value"] is not None]
    if infinite:
        yield (
            f"{divergence(side)} is infinite in {_named(replay, infinite)}: an outcome was drawn that the other "
            "distribution gives probability 0. Look at the record before any other number."
        )
    if broken:
        yield (
            f"The pairs of {_named(replay, broken)} are not comparable: the ratio mean should be 1, so one side was "
            "truncated, rescaled or logged differently, and all but naive are off by the gap. "
            f"Read naive {divergence(side)} there first, and mend the logs."
        )
    if known:
        yield _furthest(replay, max(known, key=lambda series: series.numbers[side]["adaptive"]["value"]), len(inside))
    elif not infinite:
        yield (
            f"No series has enough messages for an estimate in the window {inside[0].window}."
            if inside
            else ("The last window holds no series.")
        )


def _furthest(replay: Replay, series: ReplayedSeries, of: int) -> str:
    numbers, side = series.numbers, replay.sampler_side
    adaptive = numbers[side]["adaptive"]
    which = "" if of == 1 else ", the furthest apart,"
    sure = ""
    if adaptive["lower"] is not None:
        sure = f", with 95 % confidence between {number(adaptive['lower'])} and {number(adaptive['upper'])}"
    trust = {
        True: "The pairs are comparable.",
        False: "But see above: its pairs are not comparable.",
        None: "Whether the pairs are comparable cannot be told from so few: "
        f"the ratio mean is {number(numbers['ratio_mean'])}, and should be 1.",
    }
    return (
        f"In {_name(replay, series)}{which} {divergence(side)} is {number(adaptive['value'])} nats per pair{sure}. "
        f"{trust[numbers['comparable']]}"
    )


def _name(replay: Replay, series: ReplayedSeries) -> str:
    labels = ", ".join(f"{name} {value}" for name, value in zip(replay.label_names, series.labels, strict=True))
    return labels or "the one series"


def _named(replay: Replay, several: Sequence[ReplayedSeries]) -> str:
    names = "; ".join(_name(replay, series) for series in several[:_NAMED_MOST])
    more = len(several) - _NAMED_MOST
    return f"{names} and {more} more" if more > 0 else names

"""What was published as tables of text: values beside their truth, and each series with its verdict."""

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from daemon.demo.glyphs import Glyphs, sparkline
from daemon.demo.rows import Row
from daemon.demo.state import DemoState
from daemon.demo.story import LONG_WINDOW
from daemon.drift_rule import State
from daemon.layout import Column, aligned, number
from estimators.estimates import Estimator

_STATES: Final[dict[State, tuple[str, str]]] = {
    "quiet": ("quiet", "green"),
    "drift": ("DRIFT", "bold red"),
    "not_comparable": ("NOT COMPARABLE", "bold yellow"),
    "infinite": ("INFINITE", "bold red"),
    "measuring": ("measuring", ""),
    "incomplete": ("incomplete", "dim"),
    "no_data": ("no data", "dim"),
}
_SELF_CHECK: Final = {True: ("passed", "green"), False: ("FAILED", "bold yellow"), None: ("unclear", "dim")}
_SHORTEST_CHART: Final = 12
_LONGEST_CHART: Final = 60


def values_table(rows: Sequence[Row], width: int) -> Table:
    """Return one line per series and window: estimates of the sampler's side, and the truth, as many as fit."""
    windows = list(dict.fromkeys(row.window for row in rows))
    first = (
        [Column(f"over {windows[0]}", [row.series for row in rows])]
        if len(windows) == 1
        else [Column("series", _once([row.series for row in rows])), Column("window", [row.window for row in rows])]
    )
    return aligned(
        [
            *first,
            Column("adaptive", [_estimate(row, "adaptive") for row in rows], right=True),
            Column("95 % interval", [_interval(row) for row in rows], right=True, spare=4),
            Column("truth", [_truth(row) for row in rows], right=True),
            Column("fixed", [number(row.of("fixed")) for row in rows], right=True, spare=2),
            Column("naive", [_estimate(row, "naive") for row in rows], right=True, spare=1),
            Column("ratio mean", [_ratio_mean(row.ratio_mean) for row in rows], right=True, spare=3),
            Column("true mean", [_ratio_truth(row) for row in rows], right=True, spare=5),
            Column("messages", [f"{row.messages:,}" for row in rows], right=True, spare=6),
            Column("sent", [f"{row.sent.messages if row.sent else 0:,}" for row in rows], right=True, spare=7),
        ],
        width,
    )


def series_table(state: DemoState, width: int, glyphs: Glyphs) -> Table:
    """Return one line per series: what klaxond says of its long window, and the window's value over time."""
    rows = [row for row in state.rows if row.window == LONG_WINDOW]
    columns = [
        Column("series", [row.series for row in rows]),
        Column("klaxond says", [Text(*_STATES[row.state]) for row in rows]),
        Column("self-check", [_self_check(row) for row in rows]),
        Column("lambda", [_short(row.control_variate_lambda["reverse"]) for row in rows], right=True, spare=2),
        Column("gain: naive", [_times(row.gain["reverse", "naive"]) for row in rows], right=True, spare=3),
        Column("fixed", [_times(row.gain["reverse", "fixed"]) for row in rows], right=True, spare=3),
    ]
    for spare in (3, 2):
        taken = sum(column.width + 2 for column in columns)
        if width - taken >= _SHORTEST_CHART:
            break
        columns = [column for column in columns if column.spare != spare]
    room = min(_LONGEST_CHART, width - sum(column.width + 2 for column in columns))
    if room >= _SHORTEST_CHART:
        charts = [sparkline(list(state.history.get(row.key, ())), room, glyphs.levels) for row in rows]
        columns.append(Column(f"{LONG_WINDOW} value", charts))
    return aligned(columns, width)


def _once(names: Sequence[str]) -> list[str]:
    """Name a series in its first line only."""
    return [name if name != before else "" for name, before in zip(names, ["", *names], strict=False)]


def _estimate(row: Row, estimator: Estimator) -> Text:
    """Stress the one to read: naive where the pairs are not comparable, else adaptive."""
    read = "naive" if row.comparable is False else "adaptive"
    return Text(number(row.of(estimator)), style="bold" if estimator == read else "")


def _interval(row: Row) -> str:
    lower = row.of("adaptive", "lower")
    return "-" if lower is None else f"{number(lower)} to {number(row.of('adaptive', 'upper'))}"


def _truth(row: Row) -> Text:
    """Green where the interval holds it."""
    truth, lower, upper = row.truth.kl_nats["reverse"], row.of("adaptive", "lower"), row.of("adaptive", "upper")
    if truth is None:
        return Text("unknown")
    inside = lower is not None and upper is not None and lower <= truth <= upper
    return Text(number(truth), style="green" if inside else "")


def _ratio_mean(mean: float | None) -> str:
    return "-" if mean is None else f"{mean:.4f}"


def _ratio_truth(row: Row) -> str:
    return _ratio_mean(None if row.sent is None else row.truth.ratio_mean)


def _self_check(row: Row) -> Text:
    return Text("-", style="dim") if row.ratio_mean is None else Text(*_SELF_CHECK[row.comparable])


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.3g}x"

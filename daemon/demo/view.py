"""How the demo looks: a live table on a terminal, plain tables in a pipe, one JSON object at the end."""

from typing import Any, Final

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from daemon.demo.rows import Row, has_estimates
from daemon.demo.session import DemoState
from daemon.layout import Column, aligned, number
from estimators.estimates import DIRECTIONS, ESTIMATORS, Estimator

_PLAIN_SECONDS: Final = 10.0  # between two plain tables
_VERDICTS: Final = {True: ("comparable", "green"), False: ("NOT COMPARABLE", "bold red"), None: ("unclear", "dim")}


def header(address: str, bootstrap_servers: str, broker: str) -> list[str]:
    """Return what to open, and what one sees."""
    kind = {"embedded": "embedded broker", "java": "Apache Kafka", "yours": "your brokers"}[broker]
    return [
        f"http://{address}/metrics   http://{address}/   http://{address}/api/v1/status",
        f"Kafka: {bootstrap_servers} ({kind})",
        "bandit: a real log, played at 100 rows a second; nobody knows its KL, but its ratio mean is 1.",
        "tokens: sampled from two known models; the truth is summed from their distributions.",
        "KL(q||p) in nats a pair; adaptive is the estimate to use. The verdict tells whether the pairs pass the",
        "self-check; the smaller the drift, the more pairs it needs. Ctrl-C ends everything.",
    ]


def live(lines: list[str], rows: list[Row], note: str, width: int) -> Group:
    """Return what a terminal of this width shows now."""
    parts: list[Table | Text] = [Text(line, no_wrap=True, overflow="ellipsis", style="dim") for line in lines]
    parts += [Text(), table(rows, width)] if rows else [Text()]
    if note:
        parts.append(Text(note))
    return Group(*parts)


def table(rows: list[Row], width: int) -> Table:
    """Return one line per series and window of the sampler's side, with as many columns as fit."""

    def numbers(title: str, estimator: Estimator, part: str = "value", spare: int = 0) -> Column:
        return Column(title, [number(row.of(estimator, part)) for row in rows], right=True, spare=spare)

    names = [row.series for row in rows]
    return aligned(
        [
            Column(
                "series", [name if name != before else "" for name, before in zip(names, ["", *names], strict=False)]
            ),
            Column("window", [row.window for row in rows]),
            Column("pairs", [str(row.pairs) for row in rows], right=True, spare=6),
            Column("adaptive", [Text(number(row.of("adaptive")), style="bold") for row in rows], right=True),
            numbers("± error", "adaptive", "standard_error", spare=1),
            Column("95 % interval", [_interval(row) for row in rows], right=True, spare=3),
            Column("truth", [_truth(row) for row in rows], right=True),
            numbers("fixed", "fixed", spare=4),
            numbers("naive", "naive", spare=5),
            Column("ratio mean", [_ratio_mean(row) for row in rows], right=True, spare=2),
            Column("verdict", [_verdict(row) for row in rows]),
        ],
        width,
    )


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


def _ratio_mean(row: Row) -> str:
    return "-" if row.ratio_mean is None else f"{row.ratio_mean:.4f}"


def _verdict(row: Row) -> Text:
    if row.infinite:
        return Text("INFINITE", style="bold red")
    if row.ratio_mean is None:
        return Text("waiting", style="dim")
    word, style = _VERDICTS[row.comparable]
    return Text(word, style=style)


class PlainView:
    """For a pipe, or a terminal that can't move its cursor: the first estimates at once, then a table now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._introduced = False
        self._printed_s: float | None = None

    def show(self, state: DemoState) -> None:
        """Print what is due."""
        if not self._introduced:
            self._introduced = True
            for line in header(state.address, state.bootstrap_servers, state.broker):
                self._console.print(line, highlight=False, soft_wrap=True)
        if self._printed_s is None or state.seconds - self._printed_s >= _PLAIN_SECONDS:
            self._print(state)

    def end(self, state: DemoState) -> None:
        """Print the last rows, unless that was done just now."""
        if state.seconds != self._printed_s:
            self._print(state)

    def _print(self, state: DemoState) -> None:
        if not has_estimates(state.rows):
            return
        self._printed_s = state.seconds
        self._console.print(f"\nafter {state.seconds:.0f} s", highlight=False)
        self._console.print(table(state.rows, self._console.width))


def report(rows: list[Row], *, live_after_s: float | None, seconds: float) -> dict[str, Any]:
    """Return what `--output json` prints: the last published value of each series, with its truth."""
    return {
        "series": [
            {
                "stream": row.stream,
                "labels": dict(row.labels),
                "window": row.window,
                "direction": direction,
                "estimator": estimator,
                **row.estimates[direction, estimator],
                "truth": row.truth.kl_nats[direction],
                "messages": row.messages,
                "pairs": row.pairs,
                "ratio_mean": row.ratio_mean,
                "ratio_mean_truth": row.truth.ratio_mean,
                "comparable": row.comparable,
                "infinite": row.infinite,
            }
            for row in rows
            for direction in DIRECTIONS
            for estimator in ESTIMATORS
        ],
        "live_after_seconds": live_after_s,
        "seconds": seconds,
    }

"""How the demo looks: a live table on a terminal, plain tables in a pipe, one JSON object at the end."""

from typing import Any, Final

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from daemon.demo_rows import Row
from daemon.wording import number
from estimators.estimates import DIRECTIONS, ESTIMATORS

#: Columns that a narrow terminal does without, the first to go first.
_DISPENSABLE: Final = ("pairs", "naive", "fixed", "95 % interval", "ratio mean", "± error")
_WORDS: Final = ("series", "window", "verdict")
_GAP: Final = 2
_VERDICTS: Final = {True: ("comparable", "green"), False: ("NOT COMPARABLE", "bold red"), None: ("too early", "dim")}


def header(address: str, bootstrap_servers: str, broker: str) -> list[str]:
    """Return what to open, and what one sees."""
    kind = {"embedded": "embedded broker", "java": "Apache Kafka", "yours": "your brokers"}[broker]
    return [
        f"http://{address}/metrics   http://{address}/   http://{address}/api/v1/status",
        f"Kafka: {bootstrap_servers} ({kind})",
        "bandit: a real log, played at 100 rows a second; nobody knows its KL, but its ratio mean is 1.",
        "tokens: sampled from two known models; the truth is summed from their distributions.",
        "KL(q||p) in nats, per window; the adaptive estimate with its standard error. Ctrl-C ends everything.",
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
    cells = [_cells(row) for row in rows]
    names = _fitting(cells, width)
    shown = Table(box=None, header_style="bold", pad_edge=False, padding=(0, _GAP, 0, 0))
    for name in names:
        shown.add_column(name, justify="left" if name in _WORDS else "right", no_wrap=True)
    before = None
    for line in cells:
        repeated = line["series"] == before
        before = line["series"]
        shown.add_row(*(Text() if repeated and name == "series" else line[name] for name in names))
    return shown


def _fitting(cells: list[dict[str, Text]], width: int) -> list[str]:
    """Leave out the least important columns until the rest fits."""
    room = {name: max(len(name), *(len(line[name]) for line in cells)) + _GAP for name in cells[0]}
    for name in _DISPENSABLE:
        if sum(room.values()) - _GAP <= width:
            break
        del room[name]
    return list(room)


def _cells(row: Row) -> dict[str, Text]:
    lower, upper, truth = row.of("adaptive", "lower"), row.of("adaptive", "upper"), row.truth.kl_nats["reverse"]
    inside = None if truth is None or lower is None or upper is None else lower <= truth <= upper
    word, style = _VERDICTS[row.comparable]
    if row.infinite:
        word, style = "INFINITE", "bold red"
    return {
        "series": Text(row.series),
        "window": Text(row.window),
        "pairs": Text(str(row.pairs)),
        "adaptive": Text(number(row.of("adaptive")), style="bold"),
        "± error": Text(number(row.of("adaptive", "standard_error"))),
        "95 % interval": Text("-" if lower is None else f"{number(lower)} to {number(upper)}"),
        "truth": Text("unknown" if truth is None else number(truth), style="green" if inside else ""),
        "fixed": Text(number(row.of("fixed"))),
        "naive": Text(number(row.of("naive"))),
        "ratio mean": Text("-" if row.ratio_mean is None else f"{row.ratio_mean:.4f}"),
        "verdict": Text(word if row.ratio_mean is not None or row.infinite else "waiting", style=style),
    }


def print_plain(console: Console, rows: list[Row], seconds: float) -> None:
    """Print the table as plain lines, for a pipe or a terminal that can't move its cursor."""
    console.print(f"after {seconds:.0f} s", highlight=False)
    console.print(table(rows, console.width))
    console.print()


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

"""How the demo looks: a live screen on a terminal, plain lines in a pipe."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from daemon.demo.exactness import held
from daemon.demo.glyphs import Glyphs, glyphs_for
from daemon.demo.narrative import Line, clock, lines
from daemon.demo.rows import has_estimates
from daemon.demo.scenarios import SCENARIOS, WINDOWS
from daemon.demo.state import DemoState
from daemon.demo.story import LONG_WINDOW, TOLD_SERIES
from daemon.demo.tables import series_table, values_table

_PLAIN_SECONDS: Final = 10.0  # between two plain tables
_BROKERS: Final = {"embedded": "embedded broker", "java": "Apache Kafka", "yours": "your brokers"}
_STYLES: Final = {"done": "bold", "seen": "green", "missed": "bold red", "told": ""}
#: Newest lines of the story on a screen; the lines above them make room for the tables.
_STORY_LINES: Final = 6
_TALL: Final = 40  # rows of a terminal that has room for every window


def header(state: DemoState) -> list[str]:
    """Return what to open, and what one sees."""
    scenario = SCENARIOS[state.scenario]
    return [
        f"http://{state.address}/   http://{state.address}/metrics   http://{state.address}/api/v1/status",
        f"Kafka: {state.bootstrap_servers} ({_BROKERS[state.broker]})   scenario {scenario.name}: {scenario.title}",
        "tokens: drawn from models that the demo knows; the truth of each window is summed from their distributions.",
        "bandit: a real log, played at 100 rows a second; nobody knows its KL, but its ratio mean is 1.",
        "KL(q||p) in nats a pair; adaptive is the estimate to use, gain the variance that it saves.",
    ]


def footer(state: DemoState) -> list[str]:
    """Return how many messages klaxond holds and how many there were, and the invitation."""
    row = next((row for row in state.rows if row.key == TOLD_SERIES and row.window == WINDOWS[-1]), None)
    found = [] if row is None or not row.complete else [held(row)]
    tally = state.exactness
    if tally.compared:
        found.append(f"{tally.equal:,} of {tally.compared:,} windows so far held exactly what was sent.")
    invitation = f"Try it: kill -9 {state.pid} ends klaxond. The demo starts it again; its windows come back the same."
    return [*found, invitation]


def told(state: DemoState) -> list[Line]:
    """Return the story so far."""
    return lines(state.progress, state.restarts, state.false_alarms, began=state.began_seconds)


def live(state: DemoState, width: int, height: int, glyphs: Glyphs) -> Group:
    """Return what a terminal of this size shows now."""
    parts: list[RenderableType] = [Text(line, no_wrap=True, overflow="ellipsis", style="dim") for line in header(state)]
    parts += [Text(), *_story(told(state)[-_STORY_LINES:], glyphs), Text()]
    if has_estimates(state.rows):
        rows = state.rows if height >= _TALL else [row for row in state.rows if row.window == LONG_WINDOW]
        parts += [values_table(rows, width), Text(), series_table(state, width, glyphs), Text()]
        parts += [Text(" ".join(footer(state)))]
    else:
        parts.append(Text(f"{state.seconds:.0f} s: waiting for the consumer group and the first messages"))
    return Group(*parts)


def _story(found: Sequence[Line], glyphs: Glyphs) -> Iterable[RenderableType]:
    marks = {"done": glyphs.told, "seen": glyphs.seen, "missed": glyphs.missed, "told": glyphs.told}
    for line in found:
        table = Table.grid(padding=(0, 1))
        table.add_row(clock(line.at_seconds), marks[line.kind], Text(line.text, style=_STYLES[line.kind]))
        yield Padding(table, 0)


class PlainView:
    """For a pipe, or a terminal that can't move its cursor: each sentence as it comes, a table now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._glyphs = glyphs_for(console.encoding)
        self._introduced = False
        self._said: set[tuple[str, int]] = set()
        self._printed_s: float | None = None

    def show(self, state: DemoState) -> None:
        """Print what is due."""
        if not self._introduced:
            self._introduced = True
            for each in header(state):
                self._line(each)
        for line in told(state):
            if line.name not in self._said:
                self._said.add(line.name)
                self._line(f"\n{clock(line.at_seconds)}  {line.text}")
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
        width = self._console.width
        self._line(f"\nafter {state.seconds:.0f} s")
        self._console.print(values_table(state.rows, width))
        self._line("")
        self._console.print(series_table(state, width, self._glyphs))
        self._line("")
        for line in footer(state):
            self._line(line)

    def _line(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True, markup=False)

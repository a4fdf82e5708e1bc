"""How the demo looks: a live screen on a terminal, plain lines in a pipe."""

import textwrap
from collections.abc import Sequence
from typing import Final

from rich.console import Console, Group
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
_WIDE: Final = 90  # columns that three addresses take
_TALL: Final = 40  # rows of a terminal that has room for every window
_FEWEST_LINES: Final = 3  # of the story


def header(state: DemoState, width: int) -> list[str]:
    """Return what to open, and what one sees."""
    scenario = SCENARIOS[state.scenario]
    return [
        addresses(state.address, width),
        f"Kafka: {state.bootstrap_servers} ({_BROKERS[state.broker]})   scenario {scenario.name}: {scenario.title}",
        "tokens: drawn from models that the demo knows; the truth of each window is summed from their distributions.",
        "bandit: a real log, played at 100 rows a second; nobody knows its KL, but its ratio mean is 1.",
        "KL(q||p) in nats a pair; adaptive is the estimate to use, gain the factor of variance that it saves.",
    ]


def addresses(address: str, width: int) -> str:
    """Return what to open in a browser."""
    page = f"http://{address}/"
    return (
        f"{page}   {page}metrics   {page}api/v1/status" if width >= _WIDE else f"{page} there /metrics /api/v1/status"
    )


def footer(state: DemoState, *, ended: bool = False) -> list[str]:
    """Return how many messages klaxond holds and how many there were, and while it runs the invitation."""
    row = next((row for row in state.rows if row.key == TOLD_SERIES and row.window == WINDOWS[-1]), None)
    found = [] if row is None or not row.complete else [held(row)]
    tally = state.exactness
    if tally.compared:
        found.append(f"So far {tally.equal:,} of {tally.compared:,} windows held exactly what was sent.")
    if not ended:
        found.append(f"Try it: kill -9 {state.pid} ends klaxond; the demo starts it again, with the same numbers.")
    return found


def told(state: DemoState) -> list[Line]:
    """Return the story so far."""
    return lines(state.progress, state.restarts, state.false_alarms, began=state.began_seconds, over=state.over)


def live(state: DemoState, width: int, height: int, glyphs: Glyphs) -> Group:
    """Return what a terminal of this size shows now; the story gets the lines that the tables leave."""
    tall = height >= _TALL
    top = header(state, width) if tall else [addresses(state.address, width)]
    parts = [Text(line, no_wrap=True, overflow="ellipsis", style="dim") for line in top]
    if not has_estimates(state.rows):
        waiting = Text(f"{state.seconds:.0f} s: waiting for the consumer group and the first messages", style="dim")
        return Group(*parts, *_newest(told(state), width, height - len(top) - 2, glyphs), waiting)
    rows = state.rows if tall else [row for row in state.rows if row.window == LONG_WINDOW]
    values, series = values_table(rows, width), series_table(state, width, glyphs)
    notes = [line for note in footer(state) for line in textwrap.wrap(note, width)]
    blank = [Text()] * tall
    # Two heads, three blank lines, and the one that the cursor is left on.
    taken = len(top) + values.row_count + series.row_count + len(notes) + len(blank) + 6
    story = _newest(told(state), width, max(_FEWEST_LINES, height - taken), glyphs)
    return Group(*parts, Text(), *story, Text(), values, Text(), series, *blank, *(Text(note) for note in notes))


def _newest(found: Sequence[Line], width: int, room: int, glyphs: Glyphs) -> list[Text]:
    """Wrap the newest sentences, as many as there is room for; the newest one always, cut if need be."""
    marks = {"done": glyphs.told, "seen": glyphs.seen, "missed": glyphs.missed, "told": glyphs.told}
    shown: list[Text] = []
    for line in reversed(found):
        indent = f"{clock(line.at_seconds):>5} {marks[line.kind]} "
        wrapped = textwrap.wrap(line.text, max(20, width - len(indent)))
        if shown and len(shown) + len(wrapped) > room:
            break
        starts = [indent, *[" " * len(indent)] * (len(wrapped) - 1)]
        shown = [
            Text(start + text, style=_STYLES[line.kind]) for start, text in zip(starts, wrapped, strict=True)
        ] + shown
    return shown[: max(1, room)]


class PlainView:
    """For a pipe, or a terminal that can't move its cursor: each sentence as it comes, a table now and then."""

    def __init__(self, console: Console, width: int) -> None:
        """`width` of the terminal, which the console does not know where its cursor can't move; a pipe has no end."""
        self._console = console
        self._width = width
        self._glyphs = glyphs_for(console.encoding)
        self._introduced = False
        self._said: set[tuple[str, int]] = set()
        self._printed_s: float | None = None

    def show(self, state: DemoState) -> None:
        """Print what is due."""
        if not self._introduced:
            self._introduced = True
            for each in header(state, self._width):
                self._line(each)
        for line in told(state):
            if line.name not in self._said:
                self._said.add(line.name)
                self._line("")
                self._line(f"{clock(line.at_seconds)}  {line.text}")
        if self._printed_s is None or state.seconds - self._printed_s >= _PLAIN_SECONDS:
            self._print(state)

    def end(self, state: DemoState) -> None:
        """Print the last rows, unless that was done just now."""
        if state.seconds != self._printed_s:
            self._print(state, ended=True)

    def _print(self, state: DemoState, *, ended: bool = False) -> None:
        if not has_estimates(state.rows):
            return
        self._printed_s = state.seconds
        self._line("")
        self._line(f"after {state.seconds:.0f} s")
        self._console.print(values_table(state.rows, self._width))
        self._line("")
        self._console.print(series_table(state, self._width, self._glyphs))
        self._line("")
        for line in footer(state, ended=ended):
            self._line(line)

    def _line(self, text: str) -> None:
        for part in textwrap.wrap(text, self._width) or [""]:
            self._console.print(part, highlight=False, soft_wrap=True, markup=False)

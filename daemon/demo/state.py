"""What there is to see of a running demo."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from daemon.demo.exactness import Restart, Tally
from daemon.demo.messages import SeriesKey
from daemon.demo.rows import Look, Row
from daemon.demo.scenarios import ScenarioName
from daemon.demo.story import LONG_WINDOW, FalseAlarm, Progress

#: Publishes that a chart shows, at one a second.
HISTORY: Final = 90


@dataclass(slots=True)
class DemoState:
    """All of it; `seconds` are since the start.

    Attributes
    ----------
    began_seconds : wall clock of the start
    address : of the daemon's HTTP side
    bootstrap_servers, broker : of the broker, and what kind it is
    pid : of the daemon
    rows : what the daemon published last
    live_after_seconds : from the start to the first estimate
    history : by series: adaptive value of the long window, by publish
    over : whether the scenario has ended
    """

    began_seconds: float
    scenario: ScenarioName
    seed: int
    address: str = ""
    bootstrap_servers: str = ""
    broker: str = ""
    pid: int = 0
    seconds: float = 0.0
    live_after_seconds: float | None = None
    rows: tuple[Row, ...] = ()
    history: dict[SeriesKey, deque[float | None]] = field(default_factory=dict)
    progress: list[Progress] = field(default_factory=list)
    false_alarms: list[FalseAlarm] = field(default_factory=list)
    restarts: list[Restart] = field(default_factory=list)
    exactness: Tally = field(default_factory=Tally)
    over: bool = False

    def take_in(self, look: Look) -> None:
        """Show a new publish."""
        self.rows = look.rows
        self.exactness.add(look.rows)
        shown = {row.key: row.of("adaptive") for row in look.rows if row.window == LONG_WINDOW}
        for key in {**self.history, **shown}:
            self.history.setdefault(key, deque(maxlen=HISTORY)).append(shown.get(key))

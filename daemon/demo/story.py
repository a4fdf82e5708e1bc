"""A scenario as it runs: which step is made, which is answered, and by what. Time is an argument; nothing is sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from daemon.demo.ledger import Ledger
from daemon.demo.messages import SeriesKey
from daemon.demo.rows import Look, Row
from daemon.demo.scenarios import THRESHOLD_NATS, WINDOWS, Scenario, Step
from daemon.demo.writer import MODEL, STREAM, Traffic
from daemon.drift_rule import FINDINGS, State

#: The series that the steps change; every other one is left alone.
TOLD_SERIES: Final[SeriesKey] = (STREAM, (MODEL, "2"))
SHORT_WINDOW, LONG_WINDOW = WINDOWS[:2]


@dataclass(slots=True)
class Progress:
    """What became of a step.

    Attributes
    ----------
    made_seconds : wall clock
    seen_seconds : when klaxond published what was expected; None: not yet, or never
    delay_seconds : from the true change to that: the step, or the moment when the truth passed the threshold
    row : the long window that said so
    rejected : by reason that the step expects: what klaxond counted, and what was sent to be rejected, by then
    ended_seconds : wall clock of the next step, or of the scenario's end
    last : the short window then, where it holds nothing else
    missed : the time for the answer is over
    """

    step: Step
    made_seconds: float
    seen_seconds: float | None = None
    delay_seconds: float | None = None
    row: Row | None = None
    rejected: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    ended_seconds: float | None = None
    last: Row | None = None
    missed: bool = False

    @property
    def seen_after_seconds(self) -> float | None:
        """From the step to the answer."""
        return None if self.seen_seconds is None else self.seen_seconds - self.made_seconds


@dataclass(frozen=True, slots=True)
class FalseAlarm:
    """A state that klaxond told of a series without cause."""

    at_seconds: float
    series: SeriesKey
    state: State
    sentence: str


class Story:
    """Plays one scenario."""

    def __init__(self, scenario: Scenario, ledger: Ledger, change: Callable[[Traffic], None]) -> None:
        self.scenario = scenario
        self.progress: list[Progress] = []
        self.false_alarms: list[FalseAlarm] = []
        self._ledger = ledger
        self._change = change
        self.over = False
        self._blind_seconds = 0.0  # without a daemon, during this step
        self._told_until = 0.0  # newest publish that was looked at

    def blind(self, seconds: float) -> None:
        """Give klaxond so much longer to answer: it was not there."""
        self._blind_seconds += seconds

    def tick(self, now: float, look: Look | None) -> None:
        """Take in what was published last, and make the next step if it is due; `now` is the wall clock."""
        if not self.progress:
            self._make(now)
        current = self.progress[-1]
        if look is not None and look.published_seconds > self._told_until:
            self._told_until = look.published_seconds
            self._answer(current, look)
            self._watch(look)
        late = now - current.made_seconds - self._blind_seconds > current.step.within_seconds
        current.missed = current.missed or (current.seen_seconds is None and late)
        lasted = now - current.made_seconds >= current.step.lasts_seconds
        if self._settled(current) and lasted and not self.over:
            current.ended_seconds = now
            current.last = _settled_row(current, look)
            if len(self.progress) < len(self.scenario.steps):
                self._make(now)
            else:
                self.over = True

    def _make(self, now: float) -> None:
        step = self.scenario.steps[len(self.progress)]
        self._blind_seconds = 0.0
        self._change(step.traffic)
        self.progress.append(Progress(step, now))

    @staticmethod
    def _settled(progress: Progress) -> bool:
        return progress.seen_seconds is not None or progress.missed

    def _answer(self, progress: Progress, look: Look) -> None:
        """Tell whether klaxond says what the step expects, of a window that holds something of the step."""
        row, step = look.of(TOLD_SERIES, LONG_WINDOW), progress.step
        if self._settled(progress) or row is None or row.end_seconds <= progress.made_seconds:
            return
        sent, counted = self._ledger.bad(STREAM), look.rejected.get(STREAM, {})
        rejected = {reason: (counted.get(reason, 0), sent.get(reason, 0)) for reason in step.rejects}
        if row.state != step.expects or not _as_sent(step, rejected):
            return
        since = progress.made_seconds
        if step.since_threshold:
            passed_us = self._ledger.first_above(TOLD_SERIES, round(since * 1e6), THRESHOLD_NATS)
            if passed_us is None:
                return
            since = passed_us / 1e6
        progress.seen_seconds = look.published_seconds
        progress.delay_seconds = look.published_seconds - since
        progress.row, progress.rejected = row, rejected

    def _watch(self, look: Look) -> None:
        """Note every alarm that neither this step nor what its windows remember of the one before gives cause for."""
        due = {TOLD_SERIES: {each.step.expects for each in self.progress[-2:]}}
        for row in look.rows:
            judged = row.window == LONG_WINDOW and row.stream == STREAM
            if judged and row.state in FINDINGS and row.state not in due.get(row.key, ()):
                self.false_alarms.append(FalseAlarm(look.published_seconds, row.key, row.state, row.sentence))


def _settled_row(progress: Progress, look: Look | None) -> Row | None:
    """Return the short window if all of it is of this step."""
    row = None if look is None else look.of(TOLD_SERIES, SHORT_WINDOW)
    return row if row is not None and row.start_seconds >= progress.made_seconds else None


def _as_sent(step: Step, rejected: Mapping[str, tuple[int, int]]) -> bool:
    """Tell whether all that was sent to be rejected was counted; while more is on its way, whether it began."""
    if step.traffic == "bad_values":
        return all(counted > 0 for counted, _ in rejected.values())
    return all(counted == sent for counted, sent in rejected.values())

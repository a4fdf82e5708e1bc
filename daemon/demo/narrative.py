"""The story in sentences: what was done, and what klaxond said to it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from daemon.demo.exactness import Restart, back, killed
from daemon.demo.rows import Row
from daemon.demo.story import FalseAlarm, Progress
from daemon.layout import number
from daemon.number_words import counted

Kind = Literal["done", "seen", "missed", "told"]


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence with its time, seconds since the start; `name` tells it from every other one."""

    name: tuple[str, int]
    at_seconds: float
    kind: Kind
    text: str


def lines(
    progress: Sequence[Progress],
    restarts: Sequence[Restart],
    false_alarms: Sequence[FalseAlarm],
    *,
    began: float,
    over: bool,
) -> list[Line]:
    """Return all that has happened so far in the order of time; `began` is the wall clock of the start."""
    told = [line for index, each in enumerate(progress) for line in _step(index, each, began)]
    for index, restart in enumerate(restarts):
        told.append(Line(("killed", index), restart.killed_seconds - began, "told", killed(restart)))
        if restart.back_seconds is not None:
            told.append(Line(("back", index), restart.back_seconds - began, "told", back(restart)))
    told += [
        Line(("false alarm", index), each.at_seconds - began, "missed", f"Without cause: {each.sentence}")
        for index, each in enumerate(false_alarms)
    ]
    if over and progress[-1].ended_seconds is not None:
        told.append(Line(("over", 0), progress[-1].ended_seconds - began, "told", summary(progress, false_alarms)))
    # What ended a step comes before the next one, which was made in the same moment.
    return sorted(told, key=lambda line: (line.at_seconds, line.name[0] != "ended"))


def summary(progress: Sequence[Progress], false_alarms: Sequence[FalseAlarm]) -> str:
    """Say how many steps were answered."""
    seen, raised = sum(not each.missed for each in progress), len(false_alarms)
    steps = counted(len(progress), "step")
    alarms = "nothing without cause" if not raised else f"{counted(raised, 'alarm')} without cause"
    return f"The scenario is over: klaxond answered {seen} of {steps}, and raised {alarms}."


def clock(seconds: float) -> str:
    """Write a time since the start: 1:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _step(index: int, progress: Progress, began: float) -> list[Line]:
    made = Line(("made", index), progress.made_seconds - began, "done", progress.step.sentence)
    if progress.missed:
        text = f"klaxond did not say so within {progress.step.within_seconds:.0f} s: expected {progress.step.expects}."
        return [made, Line(("missed", index), made.at_seconds + progress.step.within_seconds, "missed", text)]
    if progress.seen_seconds is None or progress.row is None:
        return [made]
    found = [made, Line(("seen", index), progress.seen_seconds - began, "seen", _answer(progress))]
    if progress.last is not None and progress.ended_seconds is not None:
        found.append(Line(("ended", index), progress.ended_seconds - began, "told", _settled(progress.last)))
    return found


def _answer(progress: Progress) -> str:
    assert progress.row is not None  # noqa: S101 - it was seen
    seen = f"Seen by klaxond after {progress.seen_after_seconds:.1f} s"
    delay, after = progress.delay_seconds, progress.seen_after_seconds
    if progress.step.since_threshold and delay is not None and after is not None and after - delay > 1:
        seen += f", {delay:.1f} s after the truth passed the threshold"
    counted = ", ".join(
        f"{rejected:,} of {sent:,} sent as {reason}" for reason, (rejected, sent) in progress.rejected.items()
    )
    return f"{seen}. {progress.row.sentence}" + (f" Rejected so far: {counted}." if counted else "")


def _settled(row: Row) -> str:
    """Compare with the truth once the short window holds nothing of the time before."""
    if row.messages == 0:
        return f"The {row.window} window holds no message by now, and klaxond shows no value."
    text = f"The {row.window} window holds only this by now:"
    broken = row.comparable is False
    estimator: Literal["naive", "adaptive"] = "naive" if broken else "adaptive"
    if broken:
        text += f" its ratio mean is {number(row.ratio_mean)} (truth {number(row.truth.ratio_mean)}),"
    return f"{text} {estimator} is {number(row.of(estimator))} nats (truth {number(row.truth.kl_nats['reverse'])})."

"""Whether windows hold exactly what was sent, and the same after a restart. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from daemon.demo.rows import Row

#: Sums of some 10,000 doubles in another order.
_TOLERANCE: Final = 1e-9


def exact(row: Row) -> bool | None:
    """Tell whether a window has the messages, the pairs and the fixed estimate of what was sent.

    None where that cannot be told: it is not complete yet, or holds nothing.
    """
    fixed = row.of("fixed")
    if not row.complete or row.sent is None or fixed is None:
        return None
    same = (row.messages, row.pairs) == (row.sent.messages, row.sent.pairs)
    return same and math.isclose(fixed, row.sent.fixed_nats, rel_tol=_TOLERANCE)


@dataclass(slots=True)
class Tally:
    """How many windows were compared, and how many of them held exactly what was sent."""

    compared: int = 0
    equal: int = 0

    def add(self, rows: Iterable[Row]) -> None:
        """Compare the windows of one publish."""
        found = [told for row in rows if (told := exact(row)) is not None]
        self.compared += len(found)
        self.equal += sum(found)


def held(row: Row) -> str:
    """Say what a window holds, and what was sent."""
    sent = 0 if row.sent is None else row.sent.messages
    return f"The {row.window} window of {row.series} holds {row.messages:,} messages; {sent:,} were sent."


@dataclass(slots=True)
class Restart:
    """One kill -9 of the daemon, and what it held when it was back.

    Attributes
    ----------
    killed_seconds, back_seconds : wall clock; back: the first publish with a window that reaches back before the kill
        and is complete
    pid, new_pid : process ids
    row : that window; None: not yet
    sent_before : messages in it that were sent before the kill
    """

    killed_seconds: float
    pid: int
    new_pid: int
    back_seconds: float | None = None
    row: Row | None = None
    sent_before: int = 0

    @property
    def down_seconds(self) -> float | None:
        """From the kill to the first complete window."""
        return None if self.back_seconds is None else self.back_seconds - self.killed_seconds


def killed(restart: Restart) -> str:
    """Say that the daemon was killed."""
    return (
        f"klaxond (PID {restart.pid}) was killed. It is started again with the same configuration, as PID "
        f"{restart.new_pid}. That takes some 15 s: the group waits for the dead one first."
    )


def back(restart: Restart) -> str:
    """Say what the new daemon holds, beside what was sent: the windows are a function of the log."""
    row = restart.row
    assert row is not None  # noqa: S101 - told only then
    sent, fixed = row.sent, row.of("fixed")
    assert sent is not None  # noqa: S101 - an exact or inexact row has both
    assert fixed is not None  # noqa: S101
    same = "the same numbers" if exact(row) else "NOT the same: please report it"
    return (
        f"Back after {restart.down_seconds:.1f} s. {held(row)} {restart.sent_before:,} of them were sent before the "
        f"kill. Fixed KL(q||p) is {fixed:.9f} nats; from the numbers that were sent it comes to "
        f"{sent.fixed_nats:.9f}: {same}."
    )

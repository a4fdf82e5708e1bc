"""Time, injected: wall clock for queries and timestamps, monotonic for durations and timers."""

import time
from typing import Protocol


class Clock(Protocol):
    """What the daemon may ask about time."""

    def now(self) -> float:
        """Wall clock, seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go backwards."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        """Wall clock, seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go backwards."""
        return time.monotonic()

"""What /livez and /readyz tell: two references that the loop swaps and everybody else only reads."""

import time
from dataclasses import dataclass, field
from typing import Final

LIVENESS_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the daemon's numbers can be used, and why not, one reason a line for people."""

    ready: bool
    reasons: tuple[str, ...] = ()


@dataclass(slots=True)
class Health:
    """Attributes are swapped whole by the loop's thread; a reader sees the old value or the new one.

    Attributes
    ----------
    heartbeat : monotonic seconds of the loop's last turn
    readiness : what /readyz answers
    liveness_seconds : a heartbeat older than this means that the loop is stuck; it says nothing about Kafka
    """

    heartbeat: float = field(default_factory=time.monotonic)
    readiness: Readiness = Readiness(ready=False, reasons=("starting",))
    liveness_seconds: float = LIVENESS_SECONDS

    def stuck_seconds(self, now: float) -> float | None:
        """Return the age of the heartbeat at monotonic `now` if it is too old, None while the loop lives."""
        age = now - self.heartbeat
        return age if age >= self.liveness_seconds else None

"""Assigned partitions whose start is not known yet: asked for one by one, each with its own patience.

A question blocks the loop for seconds where a broker does not answer. So a turn asks for a second at most, and one
partition without a leader keeps no other from starting. One whose snapshot is being loaded is looked at every turn.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from daemon.clock import Clock
from daemon.snapshots.medium import MediumError
from daemon.source import Partition, SourceUnavailableError

log = structlog.get_logger(__name__)

BUDGET_SECONDS: Final = 1.0  # of one turn: a stop, a poll and a heartbeat wait no longer than that and one question
FIRST_RETRY_SECONDS: Final = 1.0
LAST_RETRY_SECONDS: Final = 30.0


@dataclass(slots=True)
class _Wait:
    due: float = 0.0  # monotonic seconds of the next try
    pause: float = FIRST_RETRY_SECONDS
    reason: str = ""


class Starting:
    """The partitions that wait, in the order of their next try."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waits: dict[Partition, _Wait] = {}

    def __len__(self) -> int:
        """Count the partitions that wait."""
        return len(self._waits)

    def __contains__(self, partition: Partition) -> bool:
        """Tell whether a partition waits."""
        return partition in self._waits

    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions that wait."""
        return tuple(self._waits)

    def topics(self) -> set[str]:
        """Return the topics of the partitions that wait."""
        return {partition.topic for partition in self._waits}

    def reasons(self) -> tuple[str, ...]:
        """Say why partitions wait that have been tried, one reason each."""
        return tuple(sorted({wait.reason for wait in self._waits.values() if wait.reason}))

    def add(self, partitions: Iterable[Partition]) -> None:
        """Let partitions wait for the next turn."""
        self._waits.update({partition: _Wait() for partition in partitions})

    def drop(self, partitions: Iterable[Partition]) -> None:
        """Forget partitions that are no longer ours."""
        for partition in partitions:
            self._waits.pop(partition, None)

    def try_due(self, start: Callable[[Partition], bool]) -> None:
        """Call `start` for what is due, within the turn's budget; what is unavailable waits longer each time.

        `start` tells whether the partition needs no further try.
        """
        began = self._clock.monotonic()
        due = sorted((wait.due, partition) for partition, wait in self._waits.items() if wait.due <= began)
        for _, partition in due:
            try:
                if start(partition):
                    self._waits.pop(partition, None)
            except (SourceUnavailableError, MediumError) as unavailable:
                self._postpone(partition, str(unavailable))
            if self._clock.monotonic() - began >= BUDGET_SECONDS:
                return

    def _postpone(self, partition: Partition, reason: str) -> None:
        wait = self._waits[partition]
        if reason != wait.reason:
            log.warning(
                "a partition cannot start yet, trying again",
                topic=partition.topic,
                partition=partition.number,
                reason=reason,
            )
        wait.reason = reason
        wait.due = self._clock.monotonic() + wait.pause
        wait.pause = min(2 * wait.pause, LAST_RETRY_SECONDS)

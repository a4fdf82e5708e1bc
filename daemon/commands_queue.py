"""The one way into the loop: timers' commands and rebalances, put by any thread, drained by the loop once a turn.

Commands are coalesced by kind: one that waits already is not put again, so at most one of each kind waits. Rebalances
are never dropped and keep their order; they come at the pace of the group's heartbeats, and the watchdog ends a
process whose loop does not drain them. `deque.append`, `deque.popleft` and the set's methods are atomic, so no lock.
"""

from collections import deque
from enum import StrEnum

from daemon.source import Rebalance


class Command(StrEnum):
    """What a timer may ask of the loop."""

    PUBLISH = "publish"
    COMMIT = "commit"
    TOPICS = "topics"  # count the partitions of the topics
    SNAPSHOT = "snapshot"


class CommandQueue:
    """Many threads put, one drains."""

    __slots__ = ("_items", "_waiting")

    def __init__(self) -> None:
        self._items: deque[Command | Rebalance] = deque()
        self._waiting: set[Command] = set()

    def __len__(self) -> int:
        """Count what waits."""
        return len(self._items)

    def put(self, item: Command | Rebalance) -> None:
        """Append a rebalance; append a command unless one of its kind waits already. Never blocks."""
        if isinstance(item, Command):
            if item in self._waiting:
                return
            self._waiting.add(item)
        self._items.append(item)

    def drain(self) -> list[Command | Rebalance]:
        """Take all that waits, in order; each kind of command once."""
        taken: list[Command | Rebalance] = []
        while self._items:
            item = self._items.popleft()
            if isinstance(item, Command):
                # Before it is obeyed: a request that comes during its execution is one of the next turn.
                self._waiting.discard(item)
                if item in taken:
                    continue
            taken.append(item)
        return taken

"""How many connections are held: one too many costs the connection that has waited longest."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Final

MAX_CONNECTIONS: Final = 32


class Visitor(ABC):
    """A connection, from its first byte on.

    Attributes
    ----------
    waiting_since : monotonic seconds
    """

    waiting_since: float

    @abstractmethod
    def drop(self) -> None:
        """Close at once, without waiting for the peer."""


def make_room(connections: Collection[object], newcomer: Visitor) -> None:
    """Drop the connection that has waited longest if with the newcomer there would be too many."""
    others = [other for other in connections if isinstance(other, Visitor) and other is not newcomer]
    if len(others) >= MAX_CONNECTIONS:
        min(others, key=lambda other: other.waiting_since).drop()

"""The slots of one writer: which hold what somebody may still need, and which may be written."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

_NONE: Final[frozenset[int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Slots:
    """What one writer has written.

    A slot *rests* for two tries after one that failed, or after it was deleted: what a medium was handed then may reach
    it late, and must not take the place of what is written next.

    Attributes
    ----------
    newest, previous : named by the two newest acknowledged manifests
    resting : of the last two tries
    filled : may hold something
    highest : largest slot that was ever used; -1 where none was
    """

    newest: frozenset[int] = _NONE
    previous: frozenset[int] = _NONE
    resting: tuple[frozenset[int], frozenset[int]] = (_NONE, _NONE)
    filled: frozenset[int] = _NONE
    highest: int = -1

    @property
    def held(self) -> frozenset[int]:
        """Must not be written now."""
        return self.newest.union(self.previous, *self.resting)


def free_slots(slots: Slots) -> Iterator[int]:
    """Yield the slots that may be written, the lowest first, without end."""
    held = slots.held
    return (slot for slot in count() if slot not in held)


def tried(slots: Slots, used: Iterable[int]) -> Slots:
    """Note that a try begins that will write `used`."""
    used = frozenset(used)
    return replace(slots, filled=slots.filled | used, highest=max(slots.highest, *used, -1))


def failed(slots: Slots, used: Iterable[int]) -> Slots:
    """Note that the try failed: nobody knows which of its slots were written, or will be."""
    return replace(slots, resting=(frozenset(used), slots.resting[0]))


def acknowledged(slots: Slots, named: Iterable[int]) -> Slots:
    """Note that a manifest which names these slots is durable."""
    return replace(slots, newest=frozenset(named), previous=slots.newest, resting=(_NONE, slots.resting[0]))


def surplus(slots: Slots, spared: int) -> frozenset[int]:
    """Return the filled slots that nobody needs, but for the lowest `spared`, which the next tries will overwrite."""
    return frozenset(sorted(slots.filled - slots.held)[spared:])


def deleted(slots: Slots, gone: frozenset[int]) -> Slots:
    """Note that slots were deleted since the last try."""
    return replace(slots, filled=slots.filled - gone, resting=(slots.resting[0] | gone, slots.resting[1]))

"""Series admission: which series a partition holds, in which slot, under a cap; the rest goes to `__other__`.

It is an exact function of the log: a series is admitted by its first accepted message, and its slot is freed when its
newest pane of the longest ring expires by the partition clock. Where neither an expiry nor an overflow can happen
within a batch, whole columns are looked up at once; elsewhere messages are decided one by one, in log order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Final

import numpy as np

from estimators.pairs import Ints
from estimators.rings import CAPACITY_MIN
from estimators.spec import RingSpec

Key = tuple[str, ...]

OTHER_LABEL: Final = "__other__"
_FUTURE_US: Final = np.iinfo(np.int64).max
_PAST_US: Final = np.iinfo(np.int64).min


def other_key(key: Key) -> Key:
    """Return the key that stands for every series above the cap; its slot does not count against the cap."""
    return (OTHER_LABEL,) * len(key)


def _times(value: int) -> Ints:
    return np.full(CAPACITY_MIN, value, np.int64)


@dataclass(slots=True)
class SeriesTable:
    """The series of one partition and their slots.

    Attributes
    ----------
    slots : slot by key
    keys : key by slot; None where the slot is free
    free : free slots below len(keys)
    first_us, last_us : int64 [capacity], smallest and largest event time of the accepted messages since admission;
        a free slot's last_us is the largest integer, so that the minimum is that of the live ones
    revision : grows whenever a slot gets another series or none; means nothing in another process, or of another table
    """

    slots: dict[Key, int] = field(default_factory=dict)
    keys: list[Key | None] = field(default_factory=list)
    free: list[int] = field(default_factory=list)
    first_us: Ints = field(default_factory=lambda: _times(_FUTURE_US))
    last_us: Ints = field(default_factory=lambda: _times(_FUTURE_US))
    revision: int = field(default=0, repr=False, compare=False)

    @property
    def capacity(self) -> int:
        """Slots that there is room for."""
        return len(self.last_us)

    def quietest_us(self) -> int:
        """Last event time of the series that was heard of longest ago."""
        return int(self.last_us[: len(self.keys)].min(initial=_FUTURE_US))


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Accepted messages as admission sees them, in log order.

    Attributes
    ----------
    keys : [messages]
    event_us : int64 [messages]
    clock_us : int64 [messages], the partition clock after each message's record
    end_us : the clock at the end of the batch, which may have gone on after the last accepted message
    ring : the longest one
    """

    keys: list[Key]
    event_us: Ints
    clock_us: Ints
    end_us: int
    ring: RingSpec


@dataclass(frozen=True, slots=True)
class Admission:
    """Where each message goes.

    Attributes
    ----------
    series : int64 [messages], index into `keys` and `slots`
    keys : keys of the batch's series; some may not occur
    slots : int64 [keys], the slot; -1 where the series had expired again by the end of the batch
    overflow : messages that were sent to `__other__` because of the cap
    last_overflow : index of the last such message, -1 where there is none
    """

    series: Ints
    keys: Sequence[Key | None]
    slots: Ints
    overflow: int = 0
    last_overflow: int = -1


def admit(table: SeriesTable, arrivals: Arrivals, max_series: int) -> Admission:
    """Admit the arrivals and free what has expired; `table` is changed, and may hold more slots than before."""
    admission = None
    quietest_us = min(table.quietest_us(), int(arrivals.event_us.min(initial=_FUTURE_US)))
    if quietest_us >= arrivals.ring.oldest_us(arrivals.end_us):
        admission = _admit_columns(table, arrivals, max_series)
    return admission or _admit_in_order(table, arrivals, max_series)


def shrink(table: SeriesTable) -> Ints | None:
    """Move the live series together where three quarters of the room is unused.

    Return None where nothing is to be done, else the old slots, int64 [live], in the order of the new ones.
    """
    if table.capacity == CAPACITY_MIN or 4 * len(table.slots) > table.capacity:
        return None
    old = np.fromiter(table.slots.values(), np.int64, len(table.slots))
    first_us, last_us = table.first_us[old], table.last_us[old]
    capacity = capacity_for(2 * len(old))
    table.keys = list(table.slots)
    table.slots = {key: slot for slot, key in enumerate(table.slots)}
    table.free = []
    table.first_us, table.last_us = (_grown(times, capacity) for times in (first_us, last_us))
    table.revision += 1
    return old


def table_of(slots: dict[Key, int], free: list[int], times_us: tuple[Ints, Ints], capacity: int) -> SeriesTable:
    """Return the table that goes on as one did that is known by these.

    Parameters
    ----------
    slots : in the order of admission
    free : in the order of release; with `slots` all slots from 0 on, each once
    times_us : first and last event times, int64 [slots], in the order of `slots`
    """
    keys: list[Key | None] = [None] * (len(slots) + len(free))
    for key, slot in slots.items():
        keys[slot] = key
    held = np.fromiter(slots.values(), np.int64, len(slots))
    first_us, last_us = (np.full(capacity, _FUTURE_US, np.int64) for _ in times_us)
    first_us[held], last_us[held] = times_us
    return SeriesTable(slots, keys, free, first_us, last_us)


def capacity_for(slots: int) -> int:
    """Return the room that a table of so many slots has."""
    capacity = CAPACITY_MIN
    while capacity < slots:
        capacity *= 2
    return capacity


def _admit_columns(table: SeriesTable, arrivals: Arrivals, max_series: int) -> Admission | None:
    """Admit all at once, where nothing expires within the batch; None if the cap might be passed."""
    keys, slots = arrivals.keys, table.slots
    try:
        series = np.fromiter(map(slots.__getitem__, keys), np.int64, len(keys))
    except KeyError:
        other = other_key(keys[0])
        new = [key for key in dict.fromkeys(keys) if key not in slots]
        if len(slots) - (other in slots) + len(new) - (other in new) > max_series:
            return None
        for key in new:
            _allocate(table, key)
        series = np.fromiter(map(slots.__getitem__, keys), np.int64, len(keys))
    np.minimum.at(table.first_us, series, arrivals.event_us)
    np.maximum.at(table.last_us, series, arrivals.event_us)
    return Admission(series, table.keys, np.arange(len(table.keys)))


def _admit_in_order(table: SeriesTable, arrivals: Arrivals, max_series: int) -> Admission:
    """Admit message by message: expiry and overflow are decided by the clock of each message's record."""
    census = _census(table, max_series)
    index: dict[Key, int] = {}
    series, overflow, last_overflow = [], 0, -1
    oldest_us = arrivals.ring.oldest_by_us(arrivals.clock_us).tolist()
    for message, (key, event_us) in enumerate(zip(arrivals.keys, arrivals.event_us.tolist(), strict=True)):
        owner = _owner(census, key, oldest_us[message])
        if owner != key:
            overflow, last_overflow = overflow + 1, message
        census.first_us[owner] = min(event_us, census.first_us.get(owner, event_us))
        census.last_us[owner] = max(event_us, census.last_us.get(owner, event_us))
        series.append(index.setdefault(owner, len(index)))
    _forget_expired(census, arrivals.ring.oldest_us(arrivals.end_us))
    _adopt(table, census)
    keys = list(index)
    slots = np.fromiter((table.slots.get(key, -1) for key in keys), np.int64, len(keys))
    return Admission(np.array(series, np.int64), keys, slots, overflow, last_overflow)


@dataclass(slots=True)
class _Census:
    """The table as dicts, for decisions one by one. Expired series are dropped when a decision needs it."""

    first_us: dict[Key, int]
    last_us: dict[Key, int]
    max_series: int
    forgotten_us: int = _PAST_US  # series that were last heard of before it have been dropped


def _census(table: SeriesTable, max_series: int) -> _Census:
    live = [key is not None for key in table.keys]
    keys = [key for key in table.keys if key is not None]
    first_us = compress(table.first_us.tolist(), live)
    last_us = compress(table.last_us.tolist(), live)
    return _Census(dict(zip(keys, first_us, strict=True)), dict(zip(keys, last_us, strict=True)), max_series)


def _owner(census: _Census, key: Key, oldest_us: int) -> Key:
    """Return the series that a message counts for: its own, or `__other__` where there is no room for it."""
    last_us = census.last_us.get(key)
    if last_us is not None and last_us >= oldest_us:
        return key
    if len(census.last_us) >= census.max_series:
        _forget_expired(census, oldest_us)
    else:
        _forget(census, key)
    other = other_key(key)
    if len(census.last_us) - (other in census.last_us) < census.max_series:
        return key
    return other


def _forget_expired(census: _Census, oldest_us: int) -> None:
    """Drop every expired series; needs no second look before the oldest held time has moved."""
    if oldest_us > census.forgotten_us:
        census.forgotten_us = oldest_us
        for key in [key for key, last_us in census.last_us.items() if last_us < oldest_us]:
            _forget(census, key)


def _forget(census: _Census, key: Key) -> None:
    census.first_us.pop(key, None)
    census.last_us.pop(key, None)


def _adopt(table: SeriesTable, census: _Census) -> None:
    """Make the table agree with the census: free slots first, so that newcomers can have them."""
    for key in [key for key in table.slots if key not in census.last_us]:
        slot = table.slots.pop(key)
        table.keys[slot] = None
        table.last_us[slot] = _FUTURE_US
        table.free.append(slot)
        table.revision += 1
    for key in census.last_us:
        if key not in table.slots:
            _allocate(table, key)
    slots = np.fromiter(map(table.slots.__getitem__, census.last_us), np.int64, len(census.last_us))
    table.first_us[slots] = np.fromiter(map(census.first_us.__getitem__, census.last_us), np.int64, len(slots))
    table.last_us[slots] = np.fromiter(census.last_us.values(), np.int64, len(slots))


def _allocate(table: SeriesTable, key: Key) -> None:
    table.revision += 1
    if table.free:
        slot = table.free.pop()
        table.keys[slot] = key
    else:
        slot = len(table.keys)
        table.keys.append(key)
        if slot == table.capacity:
            table.first_us, table.last_us = (_grown(t, 2 * slot) for t in (table.first_us, table.last_us))
    table.slots[key] = slot
    table.first_us[slot] = _FUTURE_US
    table.last_us[slot] = _PAST_US


def _grown(times_us: Ints, capacity: int) -> Ints:
    grown = np.full(capacity, _FUTURE_US, np.int64)
    grown[: len(times_us)] = times_us
    return grown

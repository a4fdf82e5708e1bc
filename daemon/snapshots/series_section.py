"""The series table as bytes, in two sections: "keys" changes with admission, "times" with every message.

Little-endian. Keys: version, capacity, counts of live and free slots, labels of a key; the live slots in the order of
admission, the free ones in the order of release (uint32); bytes of each label (uint32 [live, labels]), the labels as
UTF-8. Times: version, first_us and last_us of the live ones in the same order (int64).

Both orders belong to the state: they decide which slots newcomers get, and so in which order sums are added.
"""

from dataclasses import dataclass
from struct import Struct
from typing import Final

import numpy as np

from daemon.snapshots.parsing import FORMAT_VERSION, VERSION, Reader, read_versioned
from estimators.admission import Key, SeriesTable, capacity_for
from estimators.pairs import Ints
from estimators.rings import CAPACITY_MIN

_KEYS: Final = Struct("<IIII")  # capacity, live slots, free slots, labels of each key


@dataclass(frozen=True, slots=True)
class Keys:
    """What the section of keys holds; see `table_of`."""

    slots: dict[Key, int]
    free: list[int]
    capacity: int


def encode_keys(table: SeriesTable) -> bytes:
    """Return the section of a table's keys."""
    labels = [label.encode() for key in table.slots for label in key]
    labels_a_key = len(next(iter(table.slots), ()))
    numbers = (*table.slots.values(), *table.free, *map(len, labels))
    head = _KEYS.pack(table.capacity, len(table.slots), len(table.free), labels_a_key)
    return b"".join([VERSION.pack(FORMAT_VERSION), head, np.array(numbers, "<u4").tobytes(), *labels])


def decode_keys(content: bytes, max_series: int) -> Keys:
    """Return the keys of a table under a cap. Raises DamagedSnapshotError or UnknownVersionError."""

    def read_v1(reader: Reader) -> Keys:
        capacity, live, free, labels_a_key = reader.unpack(_KEYS)
        reader.require(live + free <= min(max_series + 1, capacity), "has more series than the cap or its room")
        is_room = capacity == capacity_for(capacity) and (capacity == CAPACITY_MIN or 4 * live > capacity)
        reader.require(is_room, f"has an impossible capacity of {capacity}")
        slots = reader.array("<u4", live + free).tolist()
        reader.require(sorted(slots) == list(range(live + free)), "has slots that are missing or there twice")
        lengths = reader.array("<u4", live, labels_a_key).tolist()
        keys = [tuple(reader.text(length) for length in of_key) for of_key in lengths]
        by_key = dict(zip(keys, slots, strict=False))  # the free slots follow
        reader.require(len(by_key) == live, "has a series twice")
        return Keys(by_key, slots[live:], capacity)

    return read_versioned(content, "section keys", {1: read_v1})


def encode_times(table: SeriesTable) -> bytes:
    """Return the section of a table's times."""
    held = np.fromiter(table.slots.values(), np.int64, len(table.slots))
    times = np.concatenate([table.first_us[held], table.last_us[held]])
    return VERSION.pack(FORMAT_VERSION) + times.astype("<i8", copy=False).tobytes()


def decode_times(content: bytes, live: int) -> tuple[Ints, Ints]:
    """Return first and last event times, int64 [live]. Raises DamagedSnapshotError or UnknownVersionError."""

    def read_v1(reader: Reader) -> tuple[Ints, Ints]:
        first_us, last_us = reader.array("<i8", 2, live).astype(np.int64)
        reader.require(bool((first_us <= last_us).all()), "has a series that ends before it begins")
        return first_us, last_us

    return read_versioned(content, "section times", {1: read_v1})

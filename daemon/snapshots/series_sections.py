"""The series table of a state as two sections, and back: the labels of each slot, and the times of each slot."""

import re
from typing import Final

import numpy as np

from daemon.snapshots.damage import DamagedSnapshotError
from estimators.admission import Key, SeriesTable
from estimators.pairs import Ints

_SLOT: Final = b"\n"
_LABEL: Final = "\t"
_FREE: Final = "!"  # no label has this character
_LABELS: Final = re.compile(r"[A-Za-z0-9._:/@\t-]*").fullmatch


def encode_keys(table: SeriesTable) -> bytes:
    """Return one line a slot: its labels with a tab between two, or that it is free."""
    return "\n".join(_FREE if key is None else _LABEL.join(key) for key in table.keys).encode()


def decode_keys(content: bytes, slots: int) -> list[Key | None]:
    """Return the labels by slot, None for a free one."""
    if slots == 0:
        if content:
            raise DamagedSnapshotError("there are labels, but no slots")
        return []
    if content.count(_SLOT) != slots - 1:
        raise DamagedSnapshotError(f"there are {content.count(_SLOT) + 1} slots with labels instead of {slots}")
    try:
        lines = content.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise DamagedSnapshotError("labels have characters that no label has") from None
    if not all(line == _FREE or _LABELS(line) for line in lines):
        raise DamagedSnapshotError("labels have characters that no label has")
    keys = [None if line == _FREE else tuple(line.split(_LABEL)) if line else () for line in lines]
    live = [key for key in keys if key is not None]
    if len(set(live)) < len(live) or len({len(key) for key in live}) > 1:
        raise DamagedSnapshotError("two series have the same labels, or not as many")
    return keys


def encode_times(table: SeriesTable) -> bytes:
    """Return the first and the last event time of each slot, int64, microseconds, little-endian."""
    slots = len(table.keys)
    return np.stack([table.first_us[:slots], table.last_us[:slots]]).astype("<i8", copy=False).tobytes()


def decode_times(content: bytes, slots: int) -> tuple[Ints, Ints]:
    """Return first and last event times, int64 [slots] each."""
    if len(content) != 16 * slots:
        raise DamagedSnapshotError(f"the times of {slots} slots have {len(content)} bytes")
    first_us, last_us = np.frombuffer(content, "<i8").reshape(2, slots).astype(np.int64)
    return first_us, last_us

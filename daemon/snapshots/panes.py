"""The panes of a state as sections, and back: runs of neighbouring panes of one ring, only what they hold.

Layout, little-endian: the number of panes; for each its index, its number of rows, the rows' slots, sums, counts and
largest log ratios. A row is one series.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from daemon.snapshots.damage import DamagedSnapshotError
from daemon.snapshots.values import SectionId
from estimators.moments import COUNT, COUNTS, SUMS, Moments
from estimators.pairs import Ints
from estimators.rings import Ring

_PANES: Final = struct.Struct("<I")
_PANE: Final = struct.Struct("<qI")  # index, rows
_ROW_BYTES: Final = 4 + 8 * (len(SUMS) + len(COUNTS) + 1)
#: A run is as many panes as fit this many bytes if every slot is used, so that small states have few sections.
_RUN_BYTES: Final = 256 << 10
_RUN_PANES_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class PaneRows:
    """What one pane holds: slots int64 [rows], ascending, and Moments [rows]."""

    pane: int
    slots: Ints
    moments: Moments


def runs(ring: Ring, index: int) -> Iterator[SectionId]:
    """Yield the runs that cover what a ring retains, aligned to multiples of their length."""
    if ring.newest is None:
        return
    length = min(_RUN_PANES_MAX, max(1, _RUN_BYTES // (ring.capacity * _ROW_BYTES)))
    first = (ring.newest - ring.size + 1) // length * length
    for start in range(first, ring.newest + 1, length):
        yield SectionId("panes", index, start, length)


def retained(ring: Ring, section: SectionId) -> range:
    """Panes of a run that the ring still holds."""
    newest = -1 if ring.newest is None else ring.newest
    return range(max(section.first_pane, newest - ring.size + 1), min(section.first_pane + section.panes, newest + 1))


def encode_panes(ring: Ring, section: SectionId) -> bytes:
    """Return the run's bytes; empty where its panes hold nothing."""
    parts, panes = [], 0
    for pane in retained(ring, section):
        row = pane % ring.size
        slots = np.flatnonzero(ring.moments.counts[row, :, COUNT["messages"]])
        if not len(slots):
            continue
        panes += 1
        parts += [
            _PANE.pack(pane, len(slots)),
            slots.astype("<u4").tobytes(),
            ring.moments.sums[row, slots].astype("<f8", copy=False).tobytes(),
            ring.moments.counts[row, slots].astype("<u8", copy=False).tobytes(),
            ring.moments.max_u[row, slots].astype("<f8", copy=False).tobytes(),
        ]
    return b"".join([_PANES.pack(panes), *parts]) if panes else b""


def decode_panes(content: bytes, section: SectionId) -> Iterator[PaneRows]:
    """Yield the panes of a run, ascending; DamagedSnapshotError where a count does not fit the bytes or the run."""
    if len(content) < _PANES.size:
        raise DamagedSnapshotError(f"{section} is too short")
    (panes,) = _PANES.unpack_from(content)
    at, last = _PANES.size, section.first_pane - 1
    for _ in range(panes):
        if len(content) - at < _PANE.size:
            raise DamagedSnapshotError(f"{section} ends within a pane")
        pane, rows = _PANE.unpack_from(content, at)
        at += _PANE.size
        if not last < pane < section.first_pane + section.panes or rows * _ROW_BYTES > len(content) - at:
            raise DamagedSnapshotError(f"{section} holds pane {pane} of {rows} rows, which cannot be")
        yield _rows(content[at : at + rows * _ROW_BYTES], pane, rows, section)
        at, last = at + rows * _ROW_BYTES, pane
    if at < len(content):
        raise DamagedSnapshotError(f"{section} has {len(content) - at} bytes too many")


def _rows(content: bytes, pane: int, rows: int, section: SectionId) -> PaneRows:
    slots = np.frombuffer(content, "<u4", rows).astype(np.int64)
    at = 4 * rows
    sums = np.frombuffer(content, "<f8", rows * len(SUMS), at).reshape(rows, len(SUMS))
    at += 8 * rows * len(SUMS)
    counts = np.frombuffer(content, "<u8", rows * len(COUNTS), at).reshape(rows, len(COUNTS))
    max_u = np.frombuffer(content, "<f8", rows, at + 8 * rows * len(COUNTS))
    whole = (np.diff(slots) > 0).all() and np.isfinite(sums).all() and not np.isnan(max_u).any()
    if not whole or not counts[:, COUNT["messages"]].all():
        raise DamagedSnapshotError(f"{section}: the rows of pane {pane} cannot be")
    return PaneRows(pane, slots, Moments(sums, counts, max_u))

"""A run of panes as bytes: per pane the rows of the series that have a message in it.

Little-endian: version, rows of each pane (uint32 [panes]), then pane by pane slots (uint32 [rows], ascending), sums
(float64 [rows, SUMS]), counts (uint64 [rows, COUNTS]) and max_u (float64 [rows]).
"""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from daemon.snapshots.parsing import FORMAT_VERSION, VERSION, Reader, read_versioned
from daemon.snapshots.values import SectionId
from estimators.moments import COUNT, COUNTS, SUMS
from estimators.rings import Ring
from estimators.values import U_MAX

_MESSAGES: Final = COUNT["messages"]
_PARTS_OF_PAIRS: Final = [COUNT["messages"], COUNT["zero_other"], COUNT["clamped"]]


def encode_panes(ring: Ring, section: SectionId, held: Iterable[int]) -> bytes | None:
    """Return a run's section; None where its panes hold nothing.

    Parameters
    ----------
    held : its panes that the ring holds
    """
    rows = np.zeros(section.panes, "<u4")
    parts = []
    for pane in held:
        row = pane % ring.size
        counts = ring.moments.counts[row]
        slots = np.flatnonzero(counts[:, _MESSAGES])
        if len(slots):
            rows[pane - section.first_pane] = len(slots)
            sums, max_u = ring.moments.sums[row].take(slots, 0), ring.moments.max_u[row].take(slots)
            parts += [_bytes("<u4", slots), _bytes("<f8", sums), _bytes("<u8", counts.take(slots, 0))]
            parts.append(_bytes("<f8", max_u))
    if not parts:
        return None
    return b"".join([VERSION.pack(FORMAT_VERSION), rows.tobytes(), *parts])


def decode_panes(content: bytes, section: SectionId, ring: Ring, is_live: NDArray[np.bool_]) -> None:
    """Fill what a ring holds of a run; panes that have expired since it was written are passed over.

    Parameters
    ----------
    ring : its newest pane is known
    is_live : bool [capacity], whether a series has the slot

    Raises DamagedSnapshotError or UnknownVersionError.
    """

    def read_v1(reader: Reader) -> None:
        for pane, rows in enumerate(reader.array("<u4", section.panes).tolist(), section.first_pane):
            _read_pane(reader, pane, rows, ring, is_live)

    read_versioned(content, f"section {section.ring}:{section.first_pane} (panes)", {1: read_v1})


def _read_pane(reader: Reader, pane: int, rows: int, ring: Ring, is_live: NDArray[np.bool_]) -> None:
    slots = reader.array("<u4", rows).astype(np.int64)
    sums, counts = reader.array("<f8", rows, len(SUMS)), reader.array("<u8", rows, len(COUNTS))
    max_u = reader.array("<f8", rows)
    if not rows or ring.newest is None or pane <= ring.newest - ring.size:
        return
    reader.require(pane <= ring.newest, "has a pane that is newer than the clock's")
    reader.require(
        bool((np.diff(slots) > 0).all()) and int(slots[-1]) < len(is_live), "has slots out of order or range"
    )
    reader.require(bool(is_live[slots].all()), "has sums of a slot that no series has")
    reader.require(bool((counts[:, _MESSAGES] > 0).all()), "has a row without a message")
    # The largest square of a message, e^600 x 1e24 x pairs^2, leaves room for a billion of them.
    reader.require(bool(np.isfinite(sums).all()), "has a sum that is not finite")
    within = counts[:, _PARTS_OF_PAIRS] <= counts[:, [COUNT["pairs"]]]
    reader.require(bool(within.all()) and bool((max_u <= U_MAX).all()), "has counts or ratios that cannot be")
    row = pane % ring.size
    ring.moments.sums[row][slots] = sums
    ring.moments.counts[row][slots] = counts
    ring.moments.max_u[row][slots] = max_u


def _bytes(dtype: str, numbers: NDArray[Any]) -> bytes:
    return numbers.astype(dtype, copy=False).tobytes()

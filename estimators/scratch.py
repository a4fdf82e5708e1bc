"""Memory that the kernel uses again and again: fresh pages for each block would cost as much as the arithmetic."""

from typing import Final

import numpy as np

from estimators.pairs import Floats

#: Messages whose columns are held at a time, and pairs computed at a time: they fit the second-level cache.
BLOCK: Final = 16_384
#: Columns of a scratch area.
COLUMNS: Final = 6

_CACHE_LINE_BYTES: Final = 64

#: Areas that nobody uses: memory, never values. Only append and pop touch the list, so threads may share it.
_free: Final[list[Floats]] = []


def borrow() -> Floats:
    """Return an area, float64 [COLUMNS, BLOCK] with unknown content; its rows start on cache lines.

    Wide vector instructions take twice as long on rows that straddle the lines.
    """
    try:
        return _free.pop()
    except IndexError:
        item = np.dtype(np.float64).itemsize
        memory = np.empty(COLUMNS * BLOCK + _CACHE_LINE_BYTES // item)
        skip = -memory.ctypes.data % _CACHE_LINE_BYTES // item
        return memory[skip : skip + COLUMNS * BLOCK].reshape(COLUMNS, BLOCK)


def give_back(area: Floats) -> None:
    """Let the area be borrowed again; the caller keeps no view of it."""
    _free.append(area)

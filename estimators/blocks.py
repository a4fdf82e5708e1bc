"""A single window without panes: messages in input order, in blocks that act as panes (DESIGN.md, section 4).

Blocks start as single messages; at the moment the 120th is complete, neighbours merge and the size doubles. So the
state stays small however long the input is, and depends on the messages and their order alone, not on how they were
cut into batches (sums up to rounding).
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from estimators.estimates import Estimates, Sampler
from estimators.evaluation import estimate
from estimators.kernel import Rows, cell_rows
from estimators.moments import COUNTS, SUMS, Moments
from estimators.ordering import group_cells
from estimators.pairs import Floats, Ints

#: The number of complete blocks that never is: it halves when it is reached.
BLOCKS_MAX: Final = 120


@dataclass(frozen=True, slots=True)
class Blocks:
    """State per series.

    Attributes
    ----------
    seen : int64 [series]
        Messages absorbed.
    moments : Moments [series, BLOCKS_MAX]
        Blocks in order, each of `size` messages, the last one of up to that many; then empty ones.
    """

    seen: Ints
    moments: Moments

    @classmethod
    def empty(cls, series: int) -> Self:
        """Return the state before the first message."""
        return cls(np.zeros(series, np.int64), Moments.zero(series, BLOCKS_MAX))

    @property
    def size(self) -> Ints:
        """Messages of a complete block, int64 [series]."""
        return _block_size(self.seen)

    @property
    def count(self) -> Ints:
        """Blocks that hold a message, int64 [series]."""
        return -(-self.seen // self.size)


def absorb(  # noqa: PLR0917 - columns of one table
    blocks: Blocks, u: Floats, weight: Floats | None, first_pair: Ints, series: Ints, offset: Ints, partition: int
) -> Blocks:
    """Absorb whole messages, in order.

    Parameters
    ----------
    blocks : Blocks
        Left as it is.
    u, weight, first_pair, offset, partition
        As `cell_rows` takes them.
    series : int64 [messages]
        Index of the message's series; the state grows to hold the largest.
    """
    if series.size == 0:
        return blocks
    blocks = _grown(blocks, int(series.max()) + 1)
    seen = blocks.seen + np.bincount(series, minlength=blocks.seen.size)
    moments = _merged_neighbours(blocks, _block_size(seen))
    position = blocks.seen[series] + _rank_within(series)
    cell = series * BLOCKS_MAX + position // _block_size(seen)[series]
    _add(moments, cell_rows(u, weight, first_pair, cell, offset, partition))
    return Blocks(seen, moments)


def estimate_blocks(blocks: Blocks, *, sampled_from: Sampler, resolution: float, min_messages: int) -> Estimates:
    """Estimate the window that the blocks make; parameters as `estimate` takes them."""
    count = blocks.count
    longest = int(count.max(initial=0))
    # All series end with the last pane: empty panes before the first block teach nothing, so they change nothing.
    block = np.arange(longest)[:, None] - (longest - count)
    panes = blocks.moments[np.arange(count.size), np.maximum(block, 0)]
    absent = block < 0
    panes.sums[absent], panes.counts[absent], panes.max_u[absent] = 0.0, 0, -np.inf
    return estimate(
        panes,
        first=0,
        panes_per_window=count,
        sampled_from=sampled_from,
        resolution=resolution,
        min_messages=min_messages,
    )


def _block_size(seen: Ints) -> Ints:
    """Return the smallest power of two by which fewer than BLOCKS_MAX blocks are complete."""
    size = np.ones_like(seen)
    while (full := seen // size >= BLOCKS_MAX).any():
        size[full] *= 2
    return size


def _grown(blocks: Blocks, series: int) -> Blocks:
    """Return the state with at least this many series."""
    missing = series - blocks.seen.size
    if missing <= 0:
        return blocks
    more = Blocks.empty(missing)
    here, there = blocks.moments, more.moments
    moments = Moments(
        np.concatenate([here.sums, there.sums]),
        np.concatenate([here.counts, there.counts]),
        np.concatenate([here.max_u, there.max_u]),
    )
    return Blocks(np.concatenate([blocks.seen, more.seen]), moments)


def _merged_neighbours(blocks: Blocks, size: Ints) -> Moments:
    """Return a copy of the moments with blocks of `size` messages, neighbours merged as often as that takes."""
    moments = Moments(blocks.moments.sums.copy(), blocks.moments.counts.copy(), blocks.moments.max_u.copy())
    now = blocks.size
    while (growing := np.flatnonzero(now < size)).size:
        halves = moments[growing]
        merged = halves[:, 0::2].merge(halves[:, 1::2])
        half = BLOCKS_MAX // 2
        moments.sums[growing, :half], moments.sums[growing, half:] = merged.sums, 0.0
        moments.counts[growing, :half], moments.counts[growing, half:] = merged.counts, 0
        moments.max_u[growing, :half], moments.max_u[growing, half:] = merged.max_u, -np.inf
        now[growing] *= 2
    return moments


def _rank_within(series: Ints) -> Ints:
    """Return the place of each message among those of its series, from 0."""
    groups = group_cells(series)
    rank = np.arange(series.size)
    if groups.order is None:
        return rank
    lengths = np.diff(groups.start, append=series.size)
    ranks = np.empty_like(rank)
    ranks[groups.order] = rank - np.repeat(groups.start, lengths)
    return ranks


def _add(moments: Moments, rows: Rows) -> None:
    """Merge rows into the blocks that they name, in place."""
    sums = moments.sums.reshape(-1, len(SUMS))
    counts = moments.counts.reshape(-1, len(COUNTS))
    max_u = moments.max_u.reshape(-1)
    sums[rows.cell] += rows.moments.sums
    counts[rows.cell] += rows.moments.counts
    max_u[rows.cell] = np.maximum(max_u[rows.cell], rows.moments.max_u)

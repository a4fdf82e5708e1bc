"""Pairs to rows of moments, one row per cell: the only place where every pair is touched.

Works in blocks that stay in the cache. Messages are ordered by cell first, so that every sum is one contiguous
`np.add.reduceat`, which costs a quarter of a `np.bincount`.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from estimators.audit import HASH_MASK, mix_in_place
from estimators.clusters import Clusters, message_clusters
from estimators.moments import COUNT, COUNTS, SUM, SUMS, Moments
from estimators.ordering import Groups, group_cells
from estimators.pairs import Floats, Ints
from estimators.scratch import BLOCK, borrow, give_back
from estimators.values import SERIES_LIMIT, U_MAX, fill_values

Number = TypeVar("Number", np.float64, np.uint64)


@dataclass(frozen=True, slots=True)
class Rows:
    """Moments of the cells that occurred.

    Attributes
    ----------
    cell : int64 [rows]
        Ascending, unique.
    moments : Moments [rows]
    """

    cell: Ints
    moments: Moments


def cell_rows(  # noqa: PLR0917 - columns of one table
    u: Floats, weight: Floats | None, first_pair: Ints, cell: Ints, offset: Ints, partition: int
) -> Rows:
    """Sum the pairs of whole messages into one row per cell.

    Parameters
    ----------
    u : float64 [pairs]
        Log ratios in nats as `validate` returns them: finite, or -inf where O(x) = 0. Above 300 counts as 300.
    weight : float64 [pairs] or None
        None where every weight is 1.
    first_pair : int64 [messages]
        Strictly ascending from 0.
    cell : int64 [messages]
        Any non-negative number per message: what is summed together.
    offset : int64 [messages]
        Offset of the message's record, for the audit.
    partition : int
        Kafka partition of all messages, for the audit.

    Returns
    -------
    Rows
        Equal up to rounding (1e-12 of the sum of the terms' sizes) however the messages are cut into calls; counts
        and audit exactly equal.
    """
    single = weight is None and first_pair.size == u.size
    blocks = []
    scratch = borrow()
    for first in range(0, first_pair.size, BLOCK):
        messages = slice(first, first + BLOCK)
        if single:
            blocks.append(_single_rows(u[messages], cell[messages], offset[messages], partition, scratch))
        else:
            clusters = message_clusters(u, weight, first_pair, messages, scratch)
            blocks.append(_cluster_rows(clusters, cell[messages], offset[messages], partition, scratch))
    give_back(scratch)
    return _joined(blocks)


#: Rows of the table that `_single_rows` fills: sums of its columns, of two products, of three squares, and the rest.
_TABLE: Final = ("C", "SF", "OF", "SFC", "OFC", "CC", "SFF", "OFF", "U", "UU", "W", "WZ", "K2")
#: Where every message is one pair of weight 1, message and pair sums coincide, and so do these.
_SAME: Final = {"WW": "W", "W2": "W", "WC": "C", "W2C": "C", "W2CC": "CC", "SFW": "SF", "OFW": "OF", "UW": "U"}
_ROW_OF_SUM: Final = np.array([_TABLE.index(_SAME.get(name, name)) for name in SUMS])


def _single_rows(u: Floats, cell: Ints, offset: Ints, partition: int, scratch: Floats) -> Rows:
    """One pair of weight 1 a message; few calls on many rows at once, because a call costs as much as 2,000 pairs."""
    groups = group_cells(cell)
    start = groups.start
    table, counts = np.empty((len(_TABLE), start.size)), np.zeros((len(COUNTS), start.size), np.uint64)
    scratch = scratch[:, : u.size]
    _audit(counts, groups, offset, partition, scratch)
    messages = counts[COUNT["messages"]]
    counts[COUNT["pairs"]] = messages
    ordered, c, kl_so, kl_os, product, _ = scratch
    u = _ordered(u, groups, ordered)
    max_u = np.maximum.reduceat(u, start)
    lowest, highest = float(u.min()), float(max_u.max())
    if highest > U_MAX:
        counts[COUNT["clamped"]] = np.add.reduceat(u > U_MAX, start, dtype=np.uint64)
        np.minimum(u, U_MAX, out=u)
        np.minimum(max_u, U_MAX, out=max_u)
        highest = U_MAX
    zero_other = None
    if lowest == -np.inf:
        zero_other = np.isneginf(u)
        counts[COUNT["zero_other"]] = np.add.reduceat(zero_other, start, dtype=np.uint64)
        u[zero_other] = 0.0
        lowest = float(u.min())
    largest = max(-lowest, highest)
    fill_values(u, largest, c, kl_so, kl_os)
    if zero_other is not None:
        c[zero_other], kl_os[zero_other] = -1.0, 1.0
    values = scratch[1:4]
    np.multiply(values[1:], c, out=scratch[4:6])
    np.add.reduceat(scratch[1:6], start, axis=1, out=table[:5])
    np.multiply(values, values, out=values)
    np.add.reduceat(values, start, axis=1, out=table[5:8])
    sum_c, sum_so, _, sum_so_c, _, sum_cc, sum_so_so, _, sum_u, sum_uu, weight, weight_zero, k2 = table
    if largest <= SERIES_LIMIT and zero_other is None:
        np.subtract(sum_c, sum_so, out=sum_u)  # c - kl_so = u, and nothing cancels at this size
        np.subtract(sum_cc + sum_so_so, 2 * sum_so_c, out=sum_uu)
    else:
        np.add.reduceat(u, start, out=sum_u)
        np.add.reduceat(np.multiply(u, u, out=product), start, out=sum_uu)
    np.multiply(sum_uu, 0.5, out=k2)
    weight[:], weight_zero[:] = messages, counts[COUNT["zero_other"]]
    return Rows(groups.cell, Moments(table.take(_ROW_OF_SUM, axis=0).T, counts.T, max_u))


def _cluster_rows(clusters: Clusters, cell: Ints, offset: Ints, partition: int, scratch: Floats) -> Rows:
    """Group messages of any number of pairs and any weights."""
    groups = group_cells(cell)
    start = groups.start
    order = slice(None) if groups.order is None else groups.order
    sums, counts = np.zeros((len(SUMS), start.size)), np.zeros((len(COUNTS), start.size), np.uint64)
    _audit(counts, groups, offset, partition, scratch[:, : cell.size])
    ordered = {name: column[order] for name, column in clusters.sums.items()}
    for name, count in clusters.counts.items():
        np.add.reduceat(count[order], start, out=counts[COUNT[name]])
    for name, column in ordered.items():
        np.add.reduceat(column, start, out=sums[SUM[name]])
    for name, left, right in _PRODUCTS:
        np.add.reduceat(ordered[left] * ordered[right], start, out=sums[SUM[name]])
    return Rows(groups.cell, Moments(sums.T, counts.T, np.maximum.reduceat(clusters.max_u[order], start)))


#: Second moments over messages, from the message's own sums.
_PRODUCTS: Final = (
    ("WW", "W", "W"),
    ("WC", "W", "C"),
    ("CC", "C", "C"),
    ("SFF", "SF", "SF"),
    ("SFW", "SF", "W"),
    ("SFC", "SF", "C"),
    ("OFF", "OF", "OF"),
    ("OFW", "OF", "W"),
    ("OFC", "OF", "C"),
    ("UU", "U", "U"),
    ("UW", "U", "W"),
)


def _ordered(column: NDArray[Number], groups: Groups, out: NDArray[Number]) -> NDArray[Number]:
    """Copy a column in the order of its groups."""
    if groups.order is None:
        np.copyto(out, column)
        return out
    return column.take(groups.order, out=out, mode="clip")


def _audit(counts: NDArray[np.uint64], groups: Groups, offset: Ints, partition: int, scratch: Floats) -> None:
    """Count the messages of each group, and sum their offsets and hashes modulo 2^64."""
    start = groups.start
    messages = counts[COUNT["messages"]]
    messages[:-1] = start[1:] - start[:-1]
    messages[-1] = offset.size - start[-1]
    mixed, shifted = scratch[0].view(np.uint64), scratch[1].view(np.uint64)
    _ordered(offset.view(np.uint64), groups, mixed)
    np.add.reduceat(mixed, start, out=counts[COUNT["offset_sum"]])
    mix_in_place(partition, mixed, shifted)
    np.bitwise_and(mixed, HASH_MASK, out=mixed)
    np.add.reduceat(mixed, start, out=counts[COUNT["hash_sum"]])


def _joined(blocks: list[Rows]) -> Rows:
    """Merge the rows of several blocks, cell by cell."""
    if len(blocks) == 1:
        return blocks[0]
    if not blocks:
        return Rows(np.empty(0, np.int64), Moments.zero(0))
    groups = group_cells(np.concatenate([rows.cell for rows in blocks]))
    order = slice(None) if groups.order is None else groups.order
    merged = Moments(
        np.add.reduceat(np.concatenate([rows.moments.sums for rows in blocks])[order], groups.start, axis=0),
        np.add.reduceat(np.concatenate([rows.moments.counts for rows in blocks])[order], groups.start, axis=0),
        np.maximum.reduceat(np.concatenate([rows.moments.max_u for rows in blocks])[order], groups.start),
    )
    return Rows(groups.cell, merged)

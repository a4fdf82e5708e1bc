"""Messages of many pairs, or of weighted pairs, as columns of message sums: a message is one cluster."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from estimators.pairs import Floats, Ints
from estimators.scratch import BLOCK
from estimators.values import U_MAX, fill_values

_SUMS: Final = ("W", "C", "SF", "OF", "U", "W2", "W2C", "W2CC", "WZ", "K2")
_COUNTS: Final = ("pairs", "zero_other", "clamped")


@dataclass(frozen=True, slots=True)
class Clusters:
    """What a message's pairs add up to, by the names of `Moments`.

    Attributes
    ----------
    sums : mapping of float64 [messages]
    counts : mapping of uint64 [messages]
    max_u : float64 [messages]
    """

    sums: Mapping[str, Floats]
    counts: Mapping[str, NDArray[np.uint64]]
    max_u: Floats


def message_clusters(u: Floats, weight: Floats | None, first_pair: Ints, messages: slice, scratch: Floats) -> Clusters:
    """Sum the pairs of the selected messages; u, weight and first_pair as `cell_rows` takes them.

    Pairs are computed a block at a time, wherever that cuts: a message longer than a block, or across two, gets
    the parts of its sums added, and stays one cluster.
    """
    first = first_pair[messages]
    stop = int(first_pair[messages.stop]) if messages.stop < first_pair.size else u.size
    clusters = Clusters(
        {name: np.zeros(first.size) for name in _SUMS},
        {name: np.zeros(first.size, np.uint64) for name in _COUNTS},
        np.full(first.size, -np.inf),
    )
    clusters.counts["pairs"][:-1] = first[1:] - first[:-1]
    clusters.counts["pairs"][-1] = stop - first[-1]
    for begin in range(int(first[0]), stop, BLOCK):
        end = min(begin + BLOCK, stop)
        touched = slice(int(first.searchsorted(begin, "right")) - 1, int(first.searchsorted(end, "left")))
        start = np.maximum(first[touched], begin) - begin
        pairs = u[begin:end], None if weight is None else weight[begin:end]
        _add_block(clusters, touched, pairs, start, scratch[:, : end - begin])
    if weight is None:
        clusters.sums["W"][:] = clusters.counts["pairs"]
        clusters.sums["W2"][:] = clusters.sums["W"]
        clusters.sums["W2C"][:] = clusters.sums["C"]
        clusters.sums["WZ"][:] = clusters.counts["zero_other"]
    return clusters


def _add_block(
    clusters: Clusters, touched: slice, pairs: tuple[Floats, Floats | None], start: Ints, scratch: Floats
) -> None:
    """Add one block of pairs, whose messages `touched` begin at `start` within it."""
    u, weight = pairs
    largest_u = np.minimum(np.maximum.reduceat(u, start), U_MAX)
    np.maximum(clusters.max_u[touched], largest_u, out=clusters.max_u[touched])
    c, kl_so, kl_os, product, weighted, bounded = scratch
    lowest, highest = float(u.min()), float(u.max())
    zero_other = None
    if highest > U_MAX:
        clusters.counts["clamped"][touched] += np.add.reduceat(u > U_MAX, start, dtype=np.uint64)
        u = np.minimum(u, U_MAX, out=bounded)
        highest = U_MAX
    if lowest == -np.inf:
        zero_other = np.isneginf(u)
        clusters.counts["zero_other"][touched] += np.add.reduceat(zero_other, start, dtype=np.uint64)
        np.copyto(bounded, u)
        u = bounded
        u[zero_other] = 0.0
        lowest = float(u.min())
    fill_values(u, max(-lowest, highest), c, kl_so, kl_os)
    if zero_other is not None:
        c[zero_other], kl_os[zero_other] = -1.0, 1.0
    for name, column in _pair_columns(u, weight, (c, kl_so, kl_os), zero_other, (product, weighted)):
        clusters.sums[name][touched] += np.add.reduceat(column, start) if start.size < u.size else column


def _pair_columns(
    u: Floats,
    weight: Floats | None,
    values: tuple[Floats, Floats, Floats],
    zero_other: NDArray[np.bool_] | None,
    buffers: tuple[Floats, Floats],
) -> Iterator[tuple[str, Floats]]:
    """Yield the columns to be summed, each valid until the next one is asked for."""
    c, kl_so, kl_os = values
    product, weighted = buffers
    k2 = np.multiply(np.multiply(u, 0.5, out=product), u, out=product)
    if weight is None:
        yield from (("K2", k2), ("C", c), ("SF", kl_so), ("OF", kl_os), ("U", u))
        yield "W2CC", np.multiply(c, c, out=product)
        return
    yield "W", weight
    for name, column in (("K2", k2), ("SF", kl_so), ("OF", kl_os), ("U", u)):
        yield name, np.multiply(weight, column, out=product)
    yield "C", np.multiply(weight, c, out=weighted)
    yield "W2CC", np.multiply(weighted, weighted, out=product)
    yield "W2C", np.multiply(weighted, weight, out=product)
    yield "W2", np.multiply(weight, weight, out=product)
    if zero_other is not None:
        yield "WZ", np.multiply(weight, zero_other, out=product)

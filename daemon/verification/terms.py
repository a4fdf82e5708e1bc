"""What each message adds to the audit and to the sums, computed a second time from the formulas of DESIGN.md.

u = log O(x) - log S(x), r = e^u, c = r - 1; per pair the sampler side adds r - 1 - u and the other side u r - (r - 1).
Near u = 0 both are their Taylor series, since the differences cancel there; elsewhere they are written as they stand.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import NDArray

from estimators.pairs import Floats, Ints, Pairs
from estimators.validation import Rules

#: Sums over the pairs of a message, then those over messages, each the product of two of the first kind.
PAIR_SUMS: Final = ("W", "C", "SF", "OF", "U", "K2", "W2", "W2C", "W2CC", "WZ")
PRODUCTS: Final = {
    "WW": ("W", "W"), "WC": ("W", "C"), "CC": ("C", "C"), "UU": ("U", "U"), "UW": ("U", "W"),
    "SFF": ("SF", "SF"), "SFW": ("SF", "W"), "SFC": ("SF", "C"),
    "OFF": ("OF", "OF"), "OFW": ("OF", "W"), "OFC": ("OF", "C"),
}  # fmt: skip
SUM_NAMES: Final = (*PAIR_SUMS, *PRODUCTS)
COUNT_NAMES: Final = ("messages", "pairs", "zero_other", "clamped", "offset_sum", "hash_sum")

_U_MAX: Final = 300.0
_WEIGHTS: Final = (1e-60, 1e12)
_LOG_LARGEST: Final = 1e60
_TAYLOR_BELOW: Final = 0.5
_ORDERS: Final = range(2, 18)  # at |u| = 0.5 the next term is below 1e-20
_SAMPLER_SIDE: Final = [1 / math.factorial(k) for k in _ORDERS]
_OTHER_SIDE: Final = [(k - 1) / math.factorial(k) for k in _ORDERS]

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Terms:
    """The messages with an accepted pair, as terms of the sums.

    Attributes
    ----------
    message : int64 [messages], their index among the messages that came in
    sums, sizes : float64 [messages, SUM_NAMES]; `sizes` adds up the sizes of what `sums` adds up
    counts : uint64 [messages, COUNT_NAMES]
    max_u : float64 [messages]
    """

    message: Ints
    sums: Floats
    sizes: Floats
    counts: NDArray[np.uint64]
    max_u: Floats


def terms_of(pairs: Pairs, rules: Rules, partition: int) -> Terms:
    """Return what the messages add; one without an accepted pair adds nothing."""
    messages = len(pairs.offset)
    owner = np.repeat(np.arange(messages), np.diff(pairs.first_pair, append=len(pairs.log_p)))
    other, sampler = (pairs.log_p, pairs.log_q) if rules.sampled_from == "q" else (pairs.log_q, pairs.log_p)
    weight = np.ones(len(other)) if pairs.weight is None else pairs.weight
    used = _usable(other, rules) & np.isfinite(sampler) & _usable(sampler, rules)
    used &= (weight >= _WEIGHTS[0]) & (weight <= _WEIGHTS[1])
    owner, weight = owner[used], weight[used]
    u = (other[used] - sampler[used]) * rules.nats_per_unit

    columns = _pair_columns(np.minimum(u, _U_MAX), weight)
    sums = {name: np.bincount(owner, column, messages) for name, column in columns.items()}
    sizes = {name: np.bincount(owner, np.abs(column), messages) for name, column in columns.items()}
    for name, (left, right) in PRODUCTS.items():
        sums[name], sizes[name] = sums[left] * sums[right], sizes[left] * sizes[right]
    max_u = np.full(messages, -np.inf)
    np.maximum.at(max_u, owner, np.minimum(u, _U_MAX))
    counts = {
        "messages": np.ones(messages, np.uint64),
        "pairs": np.bincount(owner, minlength=messages),
        "zero_other": np.bincount(owner[np.isneginf(u)], minlength=messages),
        "clamped": np.bincount(owner[u > _U_MAX], minlength=messages),
        "offset_sum": pairs.offset,
        "hash_sum": record_hashes(partition, pairs.offset),
    }
    kept = np.flatnonzero(counts["pairs"])
    return Terms(
        kept,
        np.column_stack([sums[name][kept] for name in SUM_NAMES]),
        np.column_stack([sizes[name][kept] for name in SUM_NAMES]),
        np.column_stack([counts[name][kept].astype(np.uint64) for name in COUNT_NAMES]),
        max_u[kept],
    )


def record_hashes(partition: int, offsets: Ints) -> NDArray[np.uint64]:
    """Hash records for the audit: splitmix64 of ((partition << 44) xor offset), its lowest 48 bits."""
    with np.errstate(over="ignore"):
        z = (offsets.astype(np.uint64) ^ np.uint64((partition << 44) % 2**64)) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return (z ^ (z >> np.uint64(31))) & np.uint64(2**48 - 1)


def _usable(log: Floats, rules: Rules) -> Bools:
    """Tell which logs of one side are numbers in their range; probability 0 is."""
    highest = (rules.positive_tolerance if rules.kind == "discrete" else _LOG_LARGEST) / rules.nats_per_unit
    sentinel = np.isfinite(log) & ((log <= rules.sentinel_below) | (log <= -_LOG_LARGEST))
    return (log <= highest) & ~sentinel  # a NaN is not below


def _pair_columns(u: Floats, weight: Floats) -> dict[str, Floats]:
    """Return what each pair adds to the sums of its message; pairs of other probability 0 have u = 0 in U and K2."""
    zero = np.isneginf(u)
    u = np.where(zero, 0.0, u)
    c = np.where(zero, -1.0, np.expm1(u))
    near = np.abs(u) < _TAYLOR_BELOW
    small, large = np.where(near, u, 0.0), np.where(near, 1.0, u)
    sampler_side = np.where(near, small * small * polyval(small, _SAMPLER_SIDE), np.expm1(large) - large)
    other_side = np.where(near, small * small * polyval(small, _OTHER_SIDE), large * np.exp(large) - np.expm1(large))
    return {
        "W": weight,
        "C": weight * c,
        "SF": weight * sampler_side,
        "OF": weight * np.where(zero, 1.0, other_side),
        "U": weight * u,
        "K2": weight * u * u / 2,
        "W2": weight * weight,
        "W2C": weight * weight * c,
        "W2CC": (weight * c) ** 2,
        "WZ": weight * zero,
    }

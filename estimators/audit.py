"""Audit of a log: a sum of hashes of offsets shows a lost or doubled record with no tolerance argument."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from estimators.pairs import Ints

#: Bits of a hash that are summed, so that a JSON reader can hold one exactly.
HASH_MASK: Final = np.uint64((1 << 48) - 1)
_GOLDEN_GAMMA: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST_FACTOR: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND_FACTOR: Final = np.uint64(0x94D049BB133111EB)


def audit_hash(partition: int, offsets: Ints) -> NDArray[np.uint64]:
    """Hash the identity of records: the splitmix64 finaliser of ((partition << 44) xor offset) + its golden gamma.

    Parameters
    ----------
    partition : int
        Kafka partition, at least 0.
    offsets : int64 [records]

    Returns
    -------
    uint64 [records]
        All 64 bits; sums take `HASH_MASK` of them. Partition 3, offset 17: 0xd65f67e17739 under that mask.

    Notes
    -----
    G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, with the constants of
    variant 13 by D. Stafford.
    """
    mixed = np.asarray(offsets, np.int64).view(np.uint64).copy()
    mix_in_place(partition, mixed, np.empty_like(mixed))
    return mixed


def mix_in_place(partition: int, mixed: NDArray[np.uint64], shifted: NDArray[np.uint64]) -> None:
    """Replace the offsets in `mixed` by their hashes; `shifted` is a buffer of the same length."""
    np.bitwise_xor(mixed, np.uint64(partition << 44 & 0xFFFF_FFFF_FFFF_FFFF), out=mixed)
    np.add(mixed, _GOLDEN_GAMMA, out=mixed)
    for shift, factor in ((30, _FIRST_FACTOR), (27, _SECOND_FACTOR)):
        np.right_shift(mixed, shift, out=shifted)
        np.bitwise_xor(mixed, shifted, out=mixed)
        np.multiply(mixed, factor, out=mixed)
    np.right_shift(mixed, 31, out=shifted)
    np.bitwise_xor(mixed, shifted, out=mixed)

"""The mergeable state of every estimate: sums over messages, counts, audit, and the largest log ratio.

Source: spec of the estimators, section 5. A message is one cluster: W_m = sum w, C_m = sum w c, F_m = sum w phi.
Merging is addition (counts modulo 2^64) and, for `max_u`, the maximum: associative, commutative, with a zero.
"""

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

#: Columns of `Moments.sums`. S is the sampler side (phi = e^u - 1 - u), O the other (phi = u e^u - (e^u - 1)).
SUMS: Final = (
    "W",  # sum_m W_m
    "C",  # sum_m C_m
    "WW",  # sum_m W_m^2
    "WC",  # sum_m W_m C_m
    "CC",  # sum_m C_m^2
    "W2",  # over pairs: sum w^2
    "W2C",  # over pairs: sum w^2 c
    "W2CC",  # over pairs: sum w^2 c^2
    "WZ",  # weight of the pairs with O(x) = 0
    "K2",  # over pairs: sum w u^2 / 2 (pairs with O(x) = 0 add 0)
    "U",  # sum_m U_m, U_m = sum w u (pairs with O(x) = 0 add 0): SF - C loses it where one r is huge
    "UU",  # sum_m U_m^2
    "UW",  # sum_m U_m W_m
    "SF",  # sum_m F_m of the sampler side
    "SFF",
    "SFW",
    "SFC",
    "OF",  # sum_m F_m of the other side
    "OFF",
    "OFW",
    "OFC",
)
#: Columns of `Moments.counts`, unsigned modulo 2^64.
COUNTS: Final = ("messages", "pairs", "zero_other", "clamped", "offset_sum", "hash_sum")

SUM: Final = {name: column for column, name in enumerate(SUMS)}
COUNT: Final = {name: column for column, name in enumerate(COUNTS)}


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments over any leading shape, such as [panes, series] or [series].

    Attributes
    ----------
    sums : float64 [..., len(SUMS)]
    counts : uint64 [..., len(COUNTS)]
    max_u : float64 [...]
        Largest log ratio u = log other - log sampler, clamped at 300; -inf where there is none.
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.uint64]
    max_u: NDArray[np.float64]

    @classmethod
    def zero(cls, *shape: int) -> Self:
        """Return the identity of `merge` over the given leading shape."""
        return cls(
            np.zeros((*shape, len(SUMS))),
            np.zeros((*shape, len(COUNTS)), np.uint64),
            np.full(shape, -np.inf),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """The leading shape."""
        return self.max_u.shape

    def merge(self, other: Self) -> Self:
        """Return the moments of both samples together."""
        return type(self)(self.sums + other.sums, self.counts + other.counts, np.maximum(self.max_u, other.max_u))

    def merged(self, axis: int = 0) -> Self:
        """Merge along one axis of the leading shape, for example all panes of a window."""
        axis %= self.max_u.ndim
        return type(self)(
            self.sums.sum(axis), self.counts.sum(axis, dtype=np.uint64), self.max_u.max(axis, initial=-np.inf)
        )

    def __getitem__(self, index: Any) -> Self:  # noqa: ANN401 - whatever NumPy takes
        """Select along the leading shape."""
        return type(self)(self.sums[index], self.counts[index], self.max_u[index])

    def sum_of(self, name: str) -> NDArray[np.float64]:
        """One column of `sums` by its name."""
        return self.sums[..., SUM[name]]

    def count_of(self, name: str) -> NDArray[np.uint64]:
        """One column of `counts` by its name."""
        return self.counts[..., COUNT[name]]

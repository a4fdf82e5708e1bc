"""Values of a field as messages: a scalar, an array, or an array of arrays, whatever holds them."""

from collections.abc import Iterable, Iterator
from itertools import compress
from typing import Any

import numpy as np

from daemon.codec.results import RefusedError


class Shaped:
    """Values of one field: depth 0 a scalar, 1 an array, 2 an array of arrays; always as a list of messages."""

    __slots__ = ("depth", "messages")

    def __init__(self, depth: int, messages: list[list[Any]]) -> None:
        self.depth = depth
        self.messages = messages

    def matches(self, other: "Shaped") -> bool:
        """Whether each value has its counterpart."""
        return self.depth == other.depth and list(map(len, self.messages)) == list(map(len, other.messages))


def shape_of(value: Any, item: str | None, place: str) -> Shaped:  # noqa: ANN401 - any value of a field
    """Return the messages of a value; `item` is the type of a binary array, `place` tells people where it is.

    Raises RefusedError (`schema`) where it is none of the three shapes.
    """
    if isinstance(value, bytes):
        dtype = np.dtype(item)
        if len(value) % dtype.itemsize:
            raise RefusedError("schema", f"the binary array is no multiple of {dtype.itemsize} bytes{place}")
        return Shaped(1, [np.frombuffer(value, dtype).tolist()])
    if not isinstance(value, list):
        return Shaped(0, [[value]])
    kinds = set(map(type, value))
    if list not in kinds:
        return Shaped(1, [value])
    if len(kinds) > 1:
        raise RefusedError("schema", f"the array mixes values and arrays{place}")
    return Shaped(2, value)


def kept_pairs(
    p: Shaped, q: Shaped, weight: Shaped | None, mask: Shaped | None, message_mask: Shaped | None
) -> Iterator[tuple[list[float | None], list[float | None], list[float]]]:
    """Messages that keep a pair; a scalar weight or mask holds for all pairs, a scalar message mask for the record."""
    rows: Iterable[tuple[Any, ...]] = zip(p.messages, q.messages, _spread(weight, p), _spread(mask, p), strict=True)
    if message_mask is not None:
        only = message_mask.messages[0]
        rows = compress(rows, only * len(p.messages) if message_mask.depth == 0 else only)
    for side_p, side_q, weights, keep in rows:
        if mask is None:
            if side_p:
                yield side_p, side_q, weights
        elif kept := list(compress(side_p, keep)):
            yield kept, list(compress(side_q, keep)), list(compress(weights, keep))


def _spread(values: Shaped | None, like: Shaped) -> list[list[Any]]:
    """One value per pair: those of an array, else the scalar, else 1."""
    if values is not None and values.depth > 0:
        return values.messages
    value = 1.0 if values is None else values.messages[0][0]
    return [[value] * len(message) for message in like.messages]

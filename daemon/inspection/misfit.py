"""What a log holds where no two of its fields are two sides: in words, without any of its values."""

from collections.abc import Mapping
from itertools import combinations
from typing import Final

from daemon.inspection.leaves import Leaf, Look
from daemon.inspection.sample import Sample

_SHOWN: Final = 12


def fields_in_words(leaves: Mapping[str, Leaf]) -> tuple[str, ...]:
    """Each field with what it looks like."""
    arrays = ("", "arrays of ", "arrays of arrays of ")
    return tuple(f"{leaf.path}: {arrays[min(leaf.depth, 2)]}{leaf.look.value}" for leaf in leaves.values())


def misfit(sample: Sample, leaves: Mapping[str, Leaf]) -> str:
    """Say why nothing fits, in sentences."""
    if not sample.records:
        return "There are no records."
    if sample.encoding is None:
        return "Most records are neither JSON nor MessagePack, so nothing can be read from them."
    kind = "JSON" if sample.encoding == "json" else "MessagePack"
    if not leaves:
        return f"The records are {kind}, but no objects with fields."
    sides = [leaf for leaf in leaves.values() if leaf.look in {Look.LOG_PROBABILITY, Look.PROBABILITY}]
    return _why(sides)


def _why(sides: list[Leaf]) -> str:
    for one, other in combinations(sides, 2):
        if one.look is other.look and one.depth and other.depth and not one.aligned(other):
            return (
                f"`{one.path}` and `{other.path}` both look like {one.look.value}, but their arrays differ in length, "
                "so it cannot be told which values belong together."
            )
    if not sides:
        return "No field looks like probabilities or log-probabilities."
    if len(sides) == 1:
        return f"Only `{sides[0].path}` looks like {sides[0].look.value}; there is no second side beside it."
    names = ", ".join(f"`{leaf.path}`" for leaf in sides[:_SHOWN])
    return f"{names} look like probabilities, but no two of them are two models' of the same outcomes (E[p/q] = 1)."

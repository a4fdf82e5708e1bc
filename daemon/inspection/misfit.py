"""What a log holds where no two of its fields are two sides: in words, without any of its values."""

import re
from collections.abc import Iterable, Mapping
from itertools import accumulate, combinations, pairwise
from typing import Final

from daemon.codec import Format
from daemon.inspection.leaves import Leaf, Look
from daemon.inspection.names import MASKS, WEIGHTS, last_name, says_probability, side_of
from daemon.inspection.near_misses import near_miss, unequal_signs
from daemon.inspection.sample import Sample
from daemon.number_words import percent
from estimators.validation import WEIGHT_MIN

_SHOWN: Final = 12
#: A field that fewer than one in so many records has is not told.
_RARE: Final = 10
#: A number, a date, or a sentence: columns have names of a few words.
_DATUM: Final = re.compile(r"-?[0-9.]+(?:[eE][+-]?[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}.*|(\S+\s+){4,}\S*").fullmatch
_NUMBER: Final = re.compile(r"\s*-?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?\s*").fullmatch
_NAME: Final = re.compile(r"[\w.@$:/\\\[\]-]{1,80}").fullmatch


def fields_in_words(leaves: Mapping[str, Leaf]) -> tuple[str, ...]:
    """Each field with what it looks like; not those that few records have, whose names may be data themselves."""
    if without_names(leaves):
        return ()
    records = max((len(leaf.lengths) for leaf in leaves.values()), default=0)
    shown = [leaf for leaf in leaves.values() if len(leaf.lengths) * _RARE >= records and _is_name(leaf.path)]
    arrays = ("", "arrays of ", "arrays of arrays of ")
    return tuple(f"{leaf.path}: {arrays[min(leaf.depth, 2)]}{leaf.look.value}" for leaf in shown)


def without_names(leaves: Mapping[str, Leaf]) -> bool:
    """Tell that what stands for the fields' names is data: the first line of a CSV that has no header."""
    data = [leaf for leaf in leaves.values() if _is_datum(last_name(leaf.path)) or last_name(leaf.path) in leaf.texts]
    return 2 * len(data) > len(leaves)


def _is_datum(name: str) -> bool:
    return _DATUM(name) is not None


def _is_name(path: str) -> bool:
    """Tell a name from text that merely stands where a name belongs, such as the first line of no CSV."""
    return _NAME(path) is not None


def misfit(sample: Sample, leaves: Mapping[str, Leaf]) -> str:
    """Say why nothing fits, in sentences."""
    if sample.encoding is None or not leaves:
        return _unreadable(sample)
    if without_names(leaves):
        return "Its first line looks like data; write a line with the names of the columns above it."
    alike = {Look.LOG_PROBABILITY, Look.PROBABILITY}
    sides = [leaf for leaf in leaves.values() if leaf.look in alike and _is_name(leaf.path)]
    return (
        _too_long(sample)
        or _in_few_records(sides, len(sample.documents))
        or _left_out(sides, leaves.values())
        or unequal_signs(leaves.values())
        or near_miss(leaves.values())
        or _numbers_in_quotes(leaves.values())
        or _why(sides)
    )


def _unreadable(sample: Sample) -> str:
    if not sample.records:
        return "There are no records."
    if sample.encoding is None and sample.bare_nan:
        return (
            "Most records hold a bare NaN or Infinity, which is no JSON, though some programs write it: let the "
            "producer write null instead (in Python: json.dumps(..., allow_nan=False) finds the place)."
        )
    if too_long := _too_long(sample):
        return too_long
    if sample.encoding is None:
        return "Most records are neither JSON nor MessagePack, so nothing can be read from them."
    kind = "JSON" if sample.encoding == "json" else "MessagePack"
    if any(isinstance(each, dict) and each for each in sample.documents):
        return (
            f"The records are {kind}, but what stands for the names of their fields is data: mail addresses, ids, or "
            "text that no name is. Write the fields of a record under names that are the same in every record."
        )
    return f"The records are {kind}, but no objects with fields."


def _too_long(sample: Sample) -> str:
    limit = Format().max_record_bytes
    if 2 * sum(len(value) > limit for batch in sample.batches for value in batch.values if value) <= sample.records:
        return ""
    return (
        f"Most records are longer than {limit:,} bytes (max_record_bytes), so they are not read: write a record for "
        "each message instead of one for all."
    )


def _in_few_records(sides: list[Leaf], records: int) -> str:
    """Say that two sides stand in few of the records: a log of several kinds."""
    for one, other in combinations(sides[:_SHOWN], 2):
        both = one.lengths.keys() & other.lengths.keys()
        if {side_of(one.path), side_of(other.path)} == {"p", "q"} and one.aligned(other) and 2 * len(both) < records:
            return (
                f"`{one.path}` and `{other.path}` are in {percent(len(both) / records)} of the records only: records "
                "of several kinds. Give this command the one kind, and the daemon `where`."
            )
    return ""


def _left_out(sides: list[Leaf], leaves: Iterable[Leaf]) -> str:
    """Say that two sides are there, but that a mask or a weight leaves out what most records hold."""
    if not any(one.look is other.look and one.aligned(other) for one, other in combinations(sides[:_SHOWN], 2)):
        return ""
    for leaf in leaves:
        name = last_name(leaf.path)
        mask, weight = name in MASKS, name in WEIGHTS
        share = _share_of_zeros(leaf) if mask or weight else 0.0
        if 2 * share > 1:
            where = "every record" if share == 1 else f"{percent(share)} of the records"
            what = "for every pair" if leaf.depth else "for the whole record"
            advice = (
                "A mask is 1 for what the model chose, and 0 for prompts and padding; this may be the other way round."
                if mask
                else "Write 1, or leave the field out."
            )
            return f"`{leaf.path}` is 0 {what} in {where}, so nothing of them is read. {advice}"
    return ""


def _share_of_zeros(leaf: Leaf) -> float:
    """Share of the records in which every number of a field is 0; of a field with texts not known, 0."""
    sizes = [sum(lengths) if leaf.depth else 1 for lengths in leaf.lengths.values()]
    ends = [end for end in accumulate(sizes) if end <= len(leaf.numbers)]
    if leaf.texts or not ends:
        return 0.0
    zeros = [
        all(abs(number) < WEIGHT_MIN for number in leaf.numbers[start:end])
        for start, end in pairwise([0, *ends])
        if end > start
    ]
    return sum(zeros) / len(zeros) if zeros else 0.0


def _numbers_in_quotes(leaves: Iterable[Leaf]) -> str:
    quoted = [leaf for leaf in leaves if leaf.texts and all(map(_NUMBER, leaf.texts[:_SHOWN])) and _is_name(leaf.path)]
    named = [leaf for leaf in quoted if side_of(leaf.path) is not None or says_probability(leaf.path)]
    if not named:
        return ""
    comma = any("," in text for leaf in named for text in leaf.texts[:_SHOWN])
    what = "numbers with a decimal comma: write a point" if comma else "numbers in quotes: write them without"
    return f"`{named[0].path}` holds {what}."


def _why(sides: list[Leaf]) -> str:
    for one, other in combinations(sides[:_SHOWN], 2):
        if one.look is other.look and one.depth and other.depth and not one.aligned(other):
            return (
                f"`{one.path}` and `{other.path}` both look like {one.look.value}, but their arrays differ in length, "
                "so it cannot be told which values belong together."
            )
    if not sides:
        return "No field looks like probabilities or log-probabilities."
    if len(sides) == 1:
        return f"Only `{sides[0].path}` looks like {sides[0].look.value}; there is no second side beside it."
    if len(sides) > _SHOWN:
        return (
            f"{len(sides)} fields look like probabilities, but of the first ones no two are two models' of the same "
            "outcomes (E[p/q] = 1)."
        )
    names = ", ".join(f"`{leaf.path}`" for leaf in sides[:_SHOWN])
    return f"{names} look like probabilities, but no two of them are two models' of the same outcomes (E[p/q] = 1)."

"""How a field is read out of compiled records: a column at once, or one record at a time."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from msgspec import UNSET

from daemon.codec.tree import Access

Pull = Callable[[Sequence[Any]], list[Any]]
Get = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the records.

    Attributes
    ----------
    column : records -> their values, UNSET where there is none; AttributeError where an object on the way is null
    of : record -> its value; UNSET where there is none, also where an object on the way is null

    Of a path with every item of an array the value is the array of what its items hold: None for an item that is null
    or does not hold it, and no item for an array within that is null or not there. Where no item holds it, there is no
    value.
    """

    column: Pull
    of: Get


def field_at(access: Access) -> Field:
    """Return the field of a place."""
    first = access.chains[0]
    if access.depth == 0:
        # A comprehension with the attribute written out takes half the time of one over operator.attrgetter, and the
        # columns are a third of the decoder's time. The chain holds only names that the tree made.
        pull: Pull = eval(f"lambda records: [record.{first} for record in records]")  # noqa: S307
        return Field(pull, _getter(first))
    of = _items_of(access.chains, access.firsts)
    if access.depth > 1:
        return Field(lambda records: [of(record) for record in records], of)
    return Field(partial(_items_column, _items_pull(access), of), of)


def present_at(accesses: Sequence[Access]) -> Pull:
    """Return what picks the records that carry any of the fields."""
    present = " or ".join(f"record.{access.chains[0]} is not UNSET" for access in accesses) or "False"
    pull: Pull = eval(f"lambda records: [record for record in records if {present}]", {"UNSET": UNSET})  # noqa: S307
    return pull


def _getter(chain: str) -> Get:
    get = operator.attrgetter(chain)
    return partial(_tolerant, get) if "." in chain else get


def _tolerant(get: Get, record: Any) -> Any:  # noqa: ANN401 - a compiled record, a field of any type
    try:
        return get(record)
    except AttributeError:  # an object on the way is null
        return UNSET


def _items_pull(access: Access) -> Pull:
    array, item = access.chains
    value = f"item.{item}" if item else "item"
    part = f"[{access.firsts[0]}:]" if access.firsts[0] else ""
    pull: Pull = eval(f"lambda records: [[{value} for item in record.{array}{part}] for record in records]")  # noqa: S307
    return pull


def _items_column(pull: Pull, of: Get, records: Sequence[Any]) -> list[Any]:
    try:
        return pull(records)
    except (TypeError, AttributeError):  # an array, an item or an object is null or not there
        return [of(record) for record in records]


def _items_of(chains: tuple[str, ...], firsts: tuple[int, ...]) -> Get:
    """Return what reads every item, whatever is missing."""
    array, first, nested = _value_at(chains[0]), firsts[0], len(firsts) > 1
    item = _items_of(chains[1:], firsts[1:]) if nested else _value_at(chains[1])

    def of(record: Any) -> Any:  # noqa: ANN401 - a compiled record, or an item of an array
        items = array(record)
        if items is None or items is UNSET:
            return UNSET
        values = [item(each) for each in items[first:]]
        absent = values.count(UNSET)
        if not absent:
            return values
        # Where no item holds the field the records are of another kind, and a null for each would hide it.
        return UNSET if absent == len(values) else [_missing(nested) if each is UNSET else each for each in values]

    return of


def _missing(nested: bool) -> list[Any] | None:
    return [] if nested else None


def _value_at(chain: str) -> Get:
    """Return what reads a field of a record or item that may be null; an empty chain is the item itself."""
    return partial(_tolerant, operator.attrgetter(chain)) if chain else _itself


def _itself(item: Any) -> Any:  # noqa: ANN401 - as above
    return item

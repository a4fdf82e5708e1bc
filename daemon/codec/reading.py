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
    or does not hold it, and no item for an array within that is null or not there.
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
    of = _items_of(access)
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


def _items_of(access: Access) -> Get:
    """Return what reads every item, whatever is missing."""
    array = _getter(access.chains[0])
    first = access.firsts[0]
    within = Access(access.chains[1:], access.firsts[1:])
    item = _item_of(within.chains[0]) if within.depth == 0 else _inner_items_of(within)

    def of(record: Any) -> Any:  # noqa: ANN401 - as above
        items = array(record)
        return UNSET if items is None or items is UNSET else [item(each) for each in items[first:]]

    return of


def _item_of(chain: str) -> Get:
    if not chain:
        return lambda item: item
    get = operator.attrgetter(chain)

    def of(item: Any) -> Any:  # noqa: ANN401 - as above
        value = _tolerant(get, item)  # an item that is null has no attributes either
        return None if value is UNSET else value

    return of


def _inner_items_of(access: Access) -> Get:
    get = _items_of(access) if access.chains[0] else _bare_items_of(access)

    def of(item: Any) -> Any:  # noqa: ANN401 - as above
        value = get(item)
        return [] if value is UNSET else value

    return of


def _bare_items_of(access: Access) -> Get:
    """Every item of every item: the array within is the item itself."""
    first, item = access.firsts[0], _item_of(access.chains[1])
    return lambda items: UNSET if items is None else [item(each) for each in items[first:]]

"""From field paths to a typed decoder: which roles, labels and selectors a record type holds, and of which types."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from daemon.codec.format import BINARY_ITEM, CANONICAL_PATHS, LABELS_FIELD, Encoding, Format
from daemon.codec.paths import Every, parse_path, written_name
from daemon.codec.reading import Field, Pull, field_at, present_at
from daemon.codec.tree import Access, Tree
from daemon.errors import UsageError

#: Types of a role by how many arrays its path is nested in: scalar, array, or array of arrays in all. null is a value
#: here, and stands for "not known".
_Types = tuple[Any, ...]
_NUMBERS: Final[_Types] = (
    float | None | list[float | list[float | None] | None],
    float | None | list[float | None],
    float | None,
)
_WEIGHTS: Final[_Types] = (float | None | list[float | list[float]], float | None | list[float], float | None)
_MASK: Final[_Types] = (
    bool | int | float | None | list[bool | int | float | list[bool | int | float]],
    bool | int | float | None | list[bool | int | float],
    bool | int | float | None,
)
_MESSAGE_MASK: Final[_Types] = (bool | int | float | None | list[bool | int | float], bool | int | float | None)
_ANY: Final[_Types] = (Any, Any, Any)
_TIME: Final[_Types] = (int | float | str | None,)
_NUMBER: Final[_Types] = (float | None,)
_OUTCOMES: Final[_Types] = (list[Any] | None,)

PAIR_ROLES: Final = ("log_p", "log_q", "p", "q")
#: Roles that most records do without; looked at only where one of them is there.
OPTIONAL_ROLES: Final = (
    "weight",
    "mask",
    "message_mask",
    "drop_probability",
    "sampler",
    "token_ids_p",
    "token_ids_q",
)

Decode = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class Fields:
    """A compiled record type and its fields.

    Attributes
    ----------
    decode : bytes -> record; raises msgspec.DecodeError, UnicodeDecodeError or RecursionError
    roles : by role, only those that the format has; uniform_over only where a side has no path
    labels : per label its candidates (none, one or two); the first that is set wins
    with_optional : records -> those that carry any of OPTIONAL_ROLES
    always_nested : whether the pairs of every record are arrays of arrays
    """

    decode: Decode
    roles: Mapping[str, Field]
    labels: tuple[tuple[Field, ...], ...]
    with_optional: Pull
    always_nested: bool


def compile_fields(fmt: Format) -> Fields:
    """Compile the fields that a format reads; UsageError (for people) where paths contradict each other."""
    tree = Tree()
    types = _role_types(fmt.encoding)
    places: dict[str, Access] = {}
    paths = _read_paths(fmt)
    # What somebody wrote comes first; a canonical path that it runs into is then simply not there.
    for written in (True, False):
        for role, path in paths.items():
            if (path != CANONICAL_PATHS.get(role)) is written:
                _add(tree, places, role, path, types[role], required=written)
        if written:
            labels = {name: _required(tree, path, name) for name, path in fmt.label_paths.items()}
    _check_sides(places, fmt)
    candidates = tuple((labels[name],) if name in labels else _implicit_label(tree, name) for name in fmt.label_names)
    return Fields(
        decode=make_decoder(fmt.encoding, tree.struct()),
        roles={role: field_at(place) for role, place in places.items()},
        labels=tuple(tuple(map(field_at, each)) for each in candidates),
        with_optional=present_at([places[role] for role in OPTIONAL_ROLES if role in places]),
        always_nested=any(places[role].depth > 1 for role in PAIR_ROLES if role in places),
    )


def compile_untyped(encoding: Encoding, paths: Sequence[str]) -> tuple[Decode, tuple[Field, ...]]:
    """Return a decoder of the given fields, whatever their values, and a field per path."""
    tree = Tree()
    places = [_required(tree, path, path) for path in paths]
    return make_decoder(encoding, tree.struct()), tuple(map(field_at, places))


def make_decoder(encoding: Encoding, struct: type[msgspec.Struct]) -> Decode:
    """Return msgspec's strict decoder of one record."""
    if encoding == "json":
        return msgspec.json.Decoder(struct).decode
    return msgspec.msgpack.Decoder(struct).decode


def _role_types(encoding: Encoding) -> dict[str, _Types]:
    binary = encoding in BINARY_ITEM
    numbers: _Types = (bytes | None,) if binary else _NUMBERS
    return dict.fromkeys(PAIR_ROLES, numbers) | {
        "time": _TIME,
        "weight": (_WEIGHTS[0] | bytes,) if binary else _WEIGHTS,
        "mask": (_MASK[0] | bytes,) if binary else _MASK,
        "sampler": (Any,),
        "token_ids_p": _ANY,
        "token_ids_q": _ANY,
        "message_mask": _MESSAGE_MASK,
        "drop_probability": _NUMBER,
        "uniform_over": _OUTCOMES,
    }


def _read_paths(fmt: Format) -> dict[str, str]:
    """Paths that are read: those of outcomes only where the side that is not the sampler has no path of its own."""
    other = "p" if fmt.sampled_from == "q" else "q"
    known = {other, f"log_{other}"} & fmt.paths.keys()
    return {role: path for role, path in fmt.paths.items() if role != "uniform_over" or not known}


def _check_sides(places: Mapping[str, Access], fmt: Format) -> None:
    if {"log_p", "log_q"} <= places.keys() or {"p", "q"} <= places.keys():
        return
    if "uniform_over" in places and {fmt.sampled_from, f"log_{fmt.sampled_from}"} & places.keys():
        return
    raise UsageError(
        "the format names no field for both sides: give paths for log_p and log_q, or for p and q, or for the sampler "
        f"({fmt.sampled_from}) and for uniform_over"
    )


def _add(tree: Tree, places: dict[str, Access], role: str, path: str, types: _Types, *, required: bool) -> None:
    depth = sum(isinstance(step, Every) for step in parse_path(path))
    if depth >= len(types):
        allowed = (
            "no [], since its value is a single one, or binary" if len(types) == 1 else f"at most {len(types) - 1} []"
        )
        raise UsageError(f"paths.{role}: `{path}` may have {allowed}")
    place = tree.add(path, types[depth], role)
    if place is not None:
        places[role] = place
    elif required:
        raise UsageError(
            f"paths.{role}: `{path}` is the field of another path, or lies within it, or takes for an array what is an "
            "object there; give another one"
        )


def _required(tree: Tree, path: str, name: str) -> Access:
    place = tree.add(path, Any, None)
    if place is None:
        raise UsageError(
            f"the path `{path}` of `{name}` is an object or array for another path, or lies within its field"
        )
    if place.depth:
        raise UsageError(f"the path `{path}` of `{name}` means one value: write [0] for the first item in place of []")
    return place


def _implicit_label(tree: Tree, name: str) -> tuple[Access, ...]:
    field = written_name(name)
    own, within = tree.add(field, Any, None), tree.add(f"{LABELS_FIELD}.{field}", Any, None)
    return tuple(place for place in (own, within) if place is not None)

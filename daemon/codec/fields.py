"""From field paths to a typed decoder: msgspec structs that hold the configured fields and skip all others."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from daemon.codec.format import BINARY_ITEM, CANONICAL_PATHS, LABELS_FIELD, Encoding, Format, split_path
from daemon.errors import UsageError

#: Scalar, array, or array of arrays; null is a value here, and stands for "not known".
_NUMBERS: Final[Any] = float | None | list[float | list[float | None] | None]
_WEIGHTS: Final[Any] = float | None | list[float | list[float]]
_MASK: Final[Any] = bool | int | float | None | list[bool | int | float | list[bool | int | float]]
_TIME: Final[Any] = int | float | str | None

PAIR_ROLES: Final = ("log_p", "log_q", "p", "q")
#: Roles that most records do without; looked at only where one of them is there.
OPTIONAL_ROLES: Final = ("weight", "mask", "sampler", "token_ids_p", "token_ids_q")

Decode = Callable[[bytes], Any]
Pull = Callable[[Sequence[Any]], list[Any]]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the records.

    Attributes
    ----------
    column : records -> their values, UNSET where there is none; AttributeError where an object on the way is null
    of : record -> its value; UNSET where there is none, also where an object on the way is null
    """

    column: Pull
    of: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Fields:
    """A compiled record type and its fields.

    Attributes
    ----------
    decode : bytes -> record; raises msgspec.DecodeError, UnicodeDecodeError or RecursionError
    roles : by role, only those that the format has
    labels : per label its candidates (none, one or two); the first that is set wins
    with_optional : records -> those that carry any of OPTIONAL_ROLES
    """

    decode: Decode
    roles: Mapping[str, Field]
    labels: tuple[tuple[Field, ...], ...]
    with_optional: Pull


@dataclass(slots=True)
class _Leaf:
    name: str
    type: Any
    role: str | None  # None: any value


_Node = dict[str, Any]  # field name -> _Leaf or _Node


class _Tree:
    """Fields by path; grows leaf by leaf, then becomes nested structs."""

    def __init__(self) -> None:
        self._root: _Node = {}
        self._leaves = 0

    def add(self, path: str, kind: Any, role: str | None) -> str | None:  # noqa: ANN401 - a type
        """Return the leaf's chain of attributes; None where the path runs through or ends in something else."""
        *parents, last = split_path(path)
        node, chain = self._root, []
        for name in parents:
            child = node.setdefault(name, {})
            if isinstance(child, _Leaf):
                return None
            node = child
            chain.append(_attribute(name))
        leaf = node.setdefault(last, _Leaf(_attribute(last), kind, role))
        if not isinstance(leaf, _Leaf) or (role and leaf.role and role != leaf.role):
            return None
        if role and leaf.role is None:
            leaf.type, leaf.role = kind, role
        return ".".join((*chain, leaf.name))

    def struct(self) -> type[msgspec.Struct]:
        """Nested struct types; a field or object that a record does not have is UNSET all the way down."""
        return _struct(self._root)


def _attribute(name: str) -> str:
    """Return an identifier that stands for any field name, so that generated code holds only identifiers."""
    return "f_" + name.encode().hex()


def _struct(node: _Node) -> type[msgspec.Struct]:
    fields: list[tuple[str, Any, Any]] = []
    for name, child in node.items():
        if isinstance(child, _Leaf):
            kind = child.type if child.type is Any else child.type | UnsetType
            fields.append((child.name, kind, UNSET))
        else:
            inner = _struct(child)
            fields.append((_attribute(name), inner | None, inner()))
    # gc=False: thousands live for one batch and can form no cycle. frozen: a default may be shared.
    return msgspec.defstruct("Record", fields, rename={_attribute(name): name for name in node}, frozen=True, gc=False)


def compile_fields(fmt: Format) -> Fields:
    """Compile the fields that a format reads; UsageError (for people) where paths contradict each other."""
    tree = _Tree()
    types = _role_types(fmt.encoding)
    chains: dict[str, str] = {}
    # What somebody wrote comes first; a canonical path that it runs into is then simply not there.
    for written in (True, False):
        for role, path in fmt.paths.items():
            if (path != CANONICAL_PATHS.get(role)) is written:
                _add(tree, chains, role, path, types[role], required=written)
        if written:
            labels = {name: _required(tree, path, name) for name, path in fmt.label_paths.items()}
    if not ({"log_p", "log_q"} <= chains.keys() or {"p", "q"} <= chains.keys()):
        raise UsageError("the format names no field for both sides: give paths for log_p and log_q, or for p and q")
    label_chains = tuple((labels[name],) if name in labels else _implicit_label(tree, name) for name in fmt.label_names)
    return Fields(
        decode=make_decoder(fmt.encoding, tree.struct()),
        roles={role: _field(chain) for role, chain in chains.items()},
        labels=tuple(tuple(map(_field, candidates)) for candidates in label_chains),
        with_optional=_compile_optional([chains[role] for role in OPTIONAL_ROLES if role in chains]),
    )


def compile_untyped(encoding: Encoding, paths: Sequence[str]) -> tuple[Decode, tuple[Field, ...]]:
    """Return a decoder of the given fields, whatever their values, and a field per path."""
    tree = _Tree()
    chains = [_required(tree, path, path) for path in paths]
    return make_decoder(encoding, tree.struct()), tuple(map(_field, chains))


def make_decoder(encoding: Encoding, struct: type[msgspec.Struct]) -> Decode:
    """Return msgspec's strict decoder of one record."""
    if encoding == "json":
        return msgspec.json.Decoder(struct).decode
    return msgspec.msgpack.Decoder(struct).decode


def _role_types(encoding: Encoding) -> dict[str, Any]:
    binary = encoding in BINARY_ITEM
    numbers: Any = bytes | None if binary else _NUMBERS
    return dict.fromkeys(PAIR_ROLES, numbers) | {
        "time": _TIME,
        "weight": _WEIGHTS | bytes if binary else _WEIGHTS,
        "mask": _MASK | bytes if binary else _MASK,
        "sampler": Any,
        "token_ids_p": Any,
        "token_ids_q": Any,
    }


def _add(tree: _Tree, chains: dict[str, str], role: str, path: str, kind: Any, *, required: bool) -> None:  # noqa: ANN401 - a type
    chain = tree.add(path, kind, role)
    if chain is not None:
        chains[role] = chain
    elif required:
        raise UsageError(f"paths.{role}: `{path}` is the field of another path, or lies within it; give another one")


def _required(tree: _Tree, path: str, name: str) -> str:
    chain = tree.add(path, Any, None)
    if chain is None:
        raise UsageError(f"the path `{path}` of `{name}` is an object for another path, or lies within its field")
    return chain


def _implicit_label(tree: _Tree, name: str) -> tuple[str, ...]:
    own, within = tree.add(_escaped(name), Any, None), tree.add(f"{LABELS_FIELD}.{_escaped(name)}", Any, None)
    return tuple(chain for chain in (own, within) if chain is not None)


def _escaped(name: str) -> str:
    return name.replace(".", "\\.")


def _field(chain: str) -> Field:
    # A comprehension with the attribute written out takes half the time of one over operator.attrgetter, and the
    # columns are a third of the decoder's time. The chain holds only names from `_attribute`.
    pull: Pull = eval(f"lambda records: [record.{chain} for record in records]")  # noqa: S307
    get = operator.attrgetter(chain)
    return Field(pull, partial(_tolerant, get) if "." in chain else get)


def _tolerant(get: Callable[[Any], Any], record: Any) -> Any:  # noqa: ANN401 - a compiled record, a field of any type
    try:
        return get(record)
    except AttributeError:  # an object on the way is null
        return UNSET


def _compile_optional(chains: list[str]) -> Pull:
    present = " or ".join(f"record.{chain} is not UNSET" for chain in chains) or "False"
    pull: Pull = eval(f"lambda records: [record for record in records if {present}]", {"UNSET": UNSET})  # noqa: S307
    return pull

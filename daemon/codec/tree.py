"""Record types: the configured fields as a tree of objects and arrays, compiled to structs that skip the rest."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from daemon.codec.paths import Every, Step, parse_path


@dataclass(frozen=True, slots=True)
class Access:
    """Where a compiled record holds a field.

    Attributes
    ----------
    chains : tuple of str
        Attributes joined by dots: from the record to the field or to the first array of which every item is meant,
        then from its items on. An empty one is the item itself.
    firsts : tuple of int
        One less: first item that is meant of each such array.
    """

    chains: tuple[str, ...]
    firsts: tuple[int, ...] = ()

    @property
    def depth(self) -> int:
        """How many arrays its value is nested in."""
        return len(self.firsts)


@dataclass(slots=True)
class _Leaf:
    type: Any
    role: str | None  # None: any value


@dataclass(slots=True)
class _Object:
    fields: dict[str, "_Node"] = field(default_factory=dict)


@dataclass(slots=True)
class _Items:
    """An array of which single items are meant, each of its own kind."""

    items: dict[int, "_Node"] = field(default_factory=dict)


@dataclass(slots=True)
class _Array:
    """An array of which every item is meant."""

    item: "list[_Node]" = field(default_factory=list)  # one, once it is known


_Node = _Leaf | _Object | _Items | _Array


class Tree:
    """Fields by path; grows leaf by leaf, then becomes nested structs."""

    def __init__(self) -> None:
        self._root = _Object()

    def add(self, path: str, kind: Any, role: str | None) -> Access | None:  # noqa: ANN401 - a type
        """Return where the leaf is; None where the path runs through or ends in something else.

        Raises UsageError (for people) where the path is none.
        """
        steps = parse_path(path)
        node: _Node = self._root
        chains: list[list[str]] = [[]]
        for step, after in zip(steps, (*steps[1:], None), strict=True):
            made = _node_before(after) if after is not None else _Leaf(kind, role)
            child = _child(node, step, made)
            if type(child) is not type(made):
                return None
            node = child
            if isinstance(step, Every):
                chains.append([])
            else:
                chains[-1].append(_attribute(step))
        if not isinstance(node, _Leaf) or (role and node.role and role != node.role):
            return None
        if role and node.role is None:
            node.type, node.role = kind, role
        return Access(tuple(map(".".join, chains)), tuple(step.first for step in steps if isinstance(step, Every)))

    def struct(self) -> type[msgspec.Struct]:
        """Nested struct types; a field or object that a record does not have is UNSET all the way down."""
        return _struct(self._root)


def _node_before(step: Step) -> _Node:
    if isinstance(step, str):
        return _Object()
    return _Items() if isinstance(step, int) else _Array()


def _child(node: _Node, step: Step, made: _Node) -> _Node:
    """Return what the step leads to, made if nobody led there yet."""
    if isinstance(node, _Object):
        assert isinstance(step, str)  # noqa: S101 - _node_before made the node for this kind of step
        return node.fields.setdefault(step, made)
    if isinstance(node, _Items):
        assert isinstance(step, int)  # noqa: S101 - as above
        return node.items.setdefault(step, made)
    assert isinstance(node, _Array)  # noqa: S101 - as above
    if not node.item:
        node.item.append(made)
    return node.item[0]


def _attribute(step: str | int) -> str:
    """Return an identifier that stands for any field name, so that generated code holds only identifiers."""
    return f"i_{step}" if isinstance(step, int) else "f_" + step.encode().hex()


def _struct(node: _Object | _Items) -> type[msgspec.Struct]:
    if isinstance(node, _Items):
        # What stands before and between the items that are meant may be anything; what follows them is skipped.
        known = {index: node.items.get(index, _Leaf(Any, None)) for index in range(max(node.items) + 1)}
        fields = [_field(_attribute(index), child) for index, child in known.items()]
        return msgspec.defstruct("Items", fields, array_like=True, frozen=True, gc=False)
    fields = [_field(_attribute(name), child) for name, child in node.fields.items()]
    rename = {_attribute(name): name for name in node.fields}
    # gc=False: thousands live for one batch and can form no cycle. frozen: a default may be shared.
    return msgspec.defstruct("Record", fields, rename=rename, frozen=True, gc=False)


def _field(name: str, node: _Node) -> tuple[str, Any, Any]:
    """Return name, type and default."""
    if isinstance(node, _Object | _Items):
        inner = _struct(node)
        return name, inner | None, inner()
    kind = node.type if isinstance(node, _Leaf) else list[_item(node.item[0])] | None  # type: ignore[misc] # a type
    return name, kind if kind is Any else kind | UnsetType, UNSET


def _item(node: _Node) -> Any:  # noqa: ANN401 - a type
    if isinstance(node, _Leaf):
        return node.type
    return list[_item(node.item[0])] | None if isinstance(node, _Array) else _struct(node) | None  # type: ignore[misc]

"""Field paths: names from the outermost object inwards, and items of the arrays on the way."""

import re
from dataclasses import dataclass
from typing import Final

from daemon.errors import UsageError

#: A dot or bracket within a name is written with a backslash before it. msgspec takes no name with a quote, a control
#: character or a backslash of its own.
_NAME: Final = r"(?:\\[.\[]|[^.\[\\\"\x00-\x1f])+"
_ITEMS: Final = r"(?:\[(?:[0-9]{1,2}:?)?\])*"
_IS_PATH: Final = re.compile(rf"{_NAME}{_ITEMS}(?:\.{_NAME}{_ITEMS})*").fullmatch
_STEP: Final = re.compile(rf"\[(?P<item>[0-9]{{0,2}})(?P<rest>:?)\]|\.?(?P<name>{_NAME})")
_DOT: Final = re.compile(r"(?<!\\)\.")
_ESCAPE: Final = re.compile(r"\\([.\[])")


@dataclass(frozen=True, slots=True)
class Every:
    """Every item of an array from one on; the array's values become an array."""

    first: int = 0


#: A field's name, the index of one item, or every item.
Step = str | int | Every


def parse_path(path: str) -> tuple[Step, ...]:
    r"""Return the steps of a path; UsageError (for people) where it is none.

    >>> parse_path(r"choices[].logprobs.content[1:][0].service\.name")
    ('choices', Every(first=0), 'logprobs', 'content', Every(first=1), 0, 'service.name')
    """
    if _IS_PATH(path) is None:
        raise UsageError(
            f"`{path}` is no field path; write names joined by dots, with `[0]` for one item of an array and `[]` for "
            "every item"
        )
    return tuple(_step(found) for found in _STEP.finditer(path))


def split_path(path: str) -> tuple[str, ...]:
    r"""Names between the dots, for files whose columns are named by a path.

    >>> split_path(r"resource.service\.name")
    ('resource', 'service.name')
    """
    return tuple(_plain(part) for part in _DOT.split(path))


def written_name(name: str) -> str:
    """Write any field name so that a path means it."""
    return re.sub(r"[.\[]", r"\\\g<0>", name)


def _step(found: re.Match[str]) -> Step:
    if found["name"] is not None:
        return _plain(found["name"])
    if found["item"] and not found["rest"]:
        return int(found["item"])
    return Every(int(found["item"] or 0))


def _plain(name: str) -> str:
    return _ESCAPE.sub(r"\1", name)

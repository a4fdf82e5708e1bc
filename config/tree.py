"""The tree of keys that the models declare: for the environment's names, near misses, and the reference."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from config.kinds import Secret

PREFIX: Final = "KLAXON_"
_UNIONS: Final = (Union, UnionType)


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the configuration."""

    parts: tuple[str, ...]
    field: FieldInfo
    section: type[BaseModel] | None  # the model of the mapping, or of each entry of the list
    in_list: bool  # a key of a list's entries: it has no name in the environment

    @property
    def variable(self) -> str:
        """Name in the environment."""
        return PREFIX + "__".join(self.parts).upper()

    @property
    def path(self) -> str:
        """Dotted path; keys of a list's entries stand behind `[]`, which `keys_of` writes."""
        return ".".join(self.parts)

    @property
    def structured(self) -> bool:
        """Whether the value is a list or a mapping, which a text holds as JSON."""
        return self.section is not None or any(
            get_origin(each) in {tuple, dict} for each in alternatives(self.field.annotation)
        )

    @property
    def secret(self) -> bool:
        """Whether the value must be shown to nobody."""
        return Secret in alternatives(self.field.annotation)

    @property
    def file(self) -> bool:
        """Whether the value names a file."""
        return Path in alternatives(self.field.annotation)


def keys_of(model: type[BaseModel], parts: tuple[str, ...] = (), *, in_list: bool = False) -> Iterator[Key]:
    """List every key of a model, each section before its keys."""
    for name, field in model.model_fields.items():
        section = section_of(field.annotation)
        yield Key((*parts, name), field, section, in_list)
        if section is not None:
            is_list = any(get_origin(each) is tuple for each in alternatives(field.annotation))
            yield from keys_of(section, (*parts, name + "[]" if is_list else name), in_list=in_list or is_list)


def section_of(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 (an annotation can be anything)
    """Return the model of a section, also where it is optional or the entry of a list."""
    for each in alternatives(annotation):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
        if get_origin(each) is tuple:
            return section_of(get_args(each)[0])
    return None


def model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """Return the model that declares the keys at a location; None inside a free mapping such as `where`."""
    current: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, str):
            if current is None or part not in current.model_fields:
                return None
            current = section_of(current.model_fields[part].annotation)
    return current


def alternatives(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401 (an annotation can be anything)
    """Take `Annotated` and unions apart: `Annotated[Path, ...] | None` is Path and None."""
    if hasattr(annotation, "__metadata__"):
        return alternatives(get_args(annotation)[0])
    if get_origin(annotation) in _UNIONS:
        return tuple(part for each in get_args(annotation) for part in alternatives(each))
    return (annotation,)

"""streams[].paths: where a record holds what."""

import re
from collections.abc import Callable
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from config.kinds import DefaultText, Kind, Section

#: A dot or bracket within a name is written with a backslash before it. The decoder takes no name with a quote, a
#: control character or a backslash of its own.
_NAME: Final = r"(?:\\[.\[]|[^.\[\\\"\x00-\x1f])+"
#: The decoder is compiled level by level.
_NAMES_MAX: Final = 50
_ITEM: Final = r"(?:\[[0-9]{1,2}\])*"
_ITEMS: Final = r"(?:\[(?:[0-9]{1,2}:?)?\])*"
_STRANGE: Final = re.compile(r"[\"\x00-\x1f]|\\(?![.\[])").search
_IS_FIELD: Final = re.compile(rf"(?!\$){_NAME}{_ITEM}(?:\.{_NAME}{_ITEM})*").fullmatch
_ARE_FIELDS: Final = re.compile(rf"(?!\$){_NAME}{_ITEMS}(?:\.{_NAME}{_ITEMS})*").fullmatch


def fields_path(path: str) -> str:
    r"""Validate the path of one or many values; ValueError (for people) if it is none.

    Names joined by dots, `[0]` for one item of an array (up to `[99]`), `[]` for every item, `[1:]` for every item but
    the first; `\.` and `\[` are a dot and a bracket within a name. At most 50 names.
    """
    if path.count(".") >= _NAMES_MAX:
        raise ValueError(f"`{path[:40]}` has more than {_NAMES_MAX} names")
    if _ARE_FIELDS(path) is None:
        if _STRANGE(path) is not None:
            raise ValueError(
                f"`{path[:40]}` has a quote, a control character, or a backslash that is not before a dot or an "
                "opening bracket; the name of a field has none here"
            )
        raise ValueError(
            f"`{path[:40]}` is no field path; write names joined by dots, such as `logp` or `response.logp`, "
            "with `[0]` for one item of an array and `[]` for every item"
        )
    return path


def field_path(path: str) -> str:
    """Validate the path of one value: the same without `[]` and `[1:]`."""
    if _IS_FIELD(fields_path(path)) is None:
        raise ValueError(f"`{path[:40]}` means many values, but one is needed here; write `[0]` for the first item")
    return path


FieldPath = Annotated[str, AfterValidator(field_path), Kind("field path")]


def _or_not(validate: Callable[[str], str]) -> PlainValidator:
    """Take a path, null for the preset's, or false for none: a field of the preset's name may mean something else."""

    def validated(path: object) -> str | Literal[False] | None:
        if path is None or path is False:
            return path
        if not isinstance(path, str):
            raise ValueError("write a field path, or false if the preset's field is not to be read")  # noqa: TRY004
        return validate(path)

    return PlainValidator(validated)


_SCHEMA: Final = WithJsonSchema(
    {"anyOf": [{"type": "string"}, {"const": False}, {"type": "null"}], "default": None},
)
PresetPath = Annotated[
    str | Literal[False] | None,
    _or_not(field_path),
    _SCHEMA,
    Kind("field path or `false`"),
    DefaultText("the preset's"),
]
PresetPaths = Annotated[
    str | Literal[False] | None,
    _or_not(fields_path),
    _SCHEMA,
    Kind("field path, also with `[]`, or `false`"),
    DefaultText("the preset's"),
]


class PathSettings(Section):
    """Where a record holds what; a path that is not written is the preset's, one that is false is not read."""

    log_p: PresetPaths = Field(default=None, description="Log-probability of the outcome under p, scalar or array.")
    log_q: PresetPaths = Field(default=None, description="Log-probability of the outcome under q, scalar or array.")
    p: PresetPaths = Field(default=None, description="Probability under p, for logs that hold no logarithms.")
    q: PresetPaths = Field(default=None, description="Probability under q, for logs that hold no logarithms.")
    time: PresetPath = Field(
        default=None, description="Event time: a number or RFC 3339. Without it: the Kafka record's time."
    )
    uniform_over: PresetPath = Field(
        default=None,
        description="Array with one item for each possible outcome, for logs that hold only the sampler's side: the "
        "other side is then the uniform distribution over it. One pair a record. A path of that side holds instead.",
    )
    weight: PresetPaths = Field(default=None, description="Weight of the pairs; a record without it weighs 1.")
    drop_probability: PresetPath = Field(
        default=None,
        description="Probability that the record had been left out of a sub-sampled log, below 1; "
        "it weighs 1 / (1 - that), times its weight.",
    )
    mask: PresetPaths = Field(
        default=None, description="Array of 0 and 1 that leaves out pairs that no model chose: prompts, padding."
    )
    message_mask: PresetPaths = Field(
        default=None, description="Array of 0 and 1, one for each message of a record that packs several."
    )
    sampler: PresetPath = Field(
        default=None,
        description="Name of the sampler, `p` or `q`; a record that names another one than its stream is rejected.",
    )
    token_ids_p: PresetPaths = Field(
        default=None,
        description="Outcomes that p scored, numbers or texts; compared with q's, so that shifted arrays are rejected.",
    )
    token_ids_q: PresetPaths = Field(default=None, description="Outcomes that q scored; compared with those of p.")
    labels: dict[str, FieldPath] = Field(
        default_factory=dict,
        description="Per series label the path of its value; others are fields of their own name, here or in `labels`.",
    )

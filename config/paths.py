"""streams[].paths: where a record holds what."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from config.kinds import DefaultText, Kind, Section

_DOT: Final = re.compile(r"(?<!\\)\.")


def field_path(path: str) -> str:
    r"""Validate names joined by dots, `\.` being a dot within a name; ValueError (for people) if it is none."""
    if not path or path.startswith("$") or not all(_DOT.split(path)):
        raise ValueError(
            f"`{path[:40]}` is no field path; write names joined by dots, such as `logp` or `response.logp`"
        )
    return path


FieldPath = Annotated[str, AfterValidator(field_path), Kind("field path")]
PresetPath = Annotated[FieldPath | None, DefaultText("the preset's")]


class PathSettings(Section):
    """Where a record holds what; a path that is not written is the preset's."""

    log_p: PresetPath = Field(default=None, description="Log-probability of the outcome under p, scalar or array.")
    log_q: PresetPath = Field(default=None, description="Log-probability of the outcome under q, scalar or array.")
    p: PresetPath = Field(default=None, description="Probability under p, for logs that hold no logarithms.")
    q: PresetPath = Field(default=None, description="Probability under q, for logs that hold no logarithms.")
    time: PresetPath = Field(
        default=None, description="Event time: a number or RFC 3339. Without it: the Kafka record's time."
    )
    weight: PresetPath = Field(default=None, description="Weight of the pairs; a record without it weighs 1.")
    mask: PresetPath = Field(
        default=None, description="Array of 0 and 1 that leaves out pairs that no model chose: prompts, padding."
    )
    sampler: PresetPath = Field(
        default=None,
        description="Name of the sampler, `p` or `q`; a record that names another one than its stream is rejected.",
    )
    token_ids_p: PresetPath = Field(
        default=None, description="Outcomes that p scored; compared with q's, so that shifted arrays are rejected."
    )
    token_ids_q: PresetPath = Field(default=None, description="Outcomes that q scored; compared with those of p.")
    labels: dict[str, FieldPath] = Field(
        default_factory=dict,
        description="Per series label the path of its value; others are fields of their own name, here or in `labels`.",
    )

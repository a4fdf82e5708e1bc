"""streams[].paths: where a record holds what."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from config.kinds import Kind, Section

_DOT: Final = re.compile(r"(?<!\\)\.")


def field_path(path: str) -> str:
    r"""Validate names joined by dots, `\.` being a dot within a name; ValueError (for people) if it is none."""
    if not path or path.startswith("$") or not all(_DOT.split(path)):
        raise ValueError(
            f"`{path[:40]}` is no field path; write names joined by dots, such as `logp` or `response.logp`"
        )
    return path


FieldPath = Annotated[str, AfterValidator(field_path), Kind("field path")]


class PathSettings(Section):
    """Where a record holds what; a path that is not written is the preset's."""

    log_p: FieldPath | None = Field(
        default=None, description="Log-probability of the outcome under p, scalar or array."
    )
    log_q: FieldPath | None = Field(
        default=None, description="Log-probability of the outcome under q, scalar or array."
    )
    p: FieldPath | None = Field(default=None, description="Probability under p, for logs that hold no logarithms.")
    q: FieldPath | None = Field(default=None, description="Probability under q, for logs that hold no logarithms.")
    time: FieldPath | None = Field(
        default=None, description="Event time: a number or RFC 3339. Without it: the Kafka record's time."
    )
    weight: FieldPath | None = Field(default=None, description="Weight of the pairs; a record without it weighs 1.")
    mask: FieldPath | None = Field(
        default=None, description="Array of 0 and 1 that leaves out pairs that no model chose: prompts, padding."
    )
    sampler: FieldPath | None = Field(
        default=None,
        description="Name of the sampler, `p` or `q`; a record that names another one than its stream is rejected.",
    )
    token_ids_p: FieldPath | None = Field(
        default=None, description="Outcomes that p scored; compared with q's, so that shifted arrays are rejected."
    )
    token_ids_q: FieldPath | None = Field(default=None, description="Outcomes that q scored; compared with those of p.")
    labels: dict[str, FieldPath] = Field(
        default_factory=dict,
        description="Per series label the path of its value; a label not named here is a field of its own name.",
    )

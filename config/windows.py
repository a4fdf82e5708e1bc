"""windows: their labels are their lengths as somebody wrote them."""

from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from config.durations import PATTERN, microseconds_of, parse_duration
from config.kinds import Kind, NotEmpty


def _length(label: str) -> str:
    if microseconds_of(parse_duration(label)) == 0:
        raise ValueError("must be longer than 0")
    return label


def _multiples(labels: tuple[str, ...]) -> tuple[str, ...]:
    lengths_us = [microseconds_of(parse_duration(label)) for label in labels]
    for place, (label, length_us) in enumerate(zip(labels, lengths_us, strict=True)):
        if length_us in lengths_us[:place]:
            raise ValueError(f"`{labels[lengths_us.index(length_us)]}` and `{label}` are the same length; keep one")
        if length_us % lengths_us[0]:
            raise ValueError(
                f"`{label}` is no whole multiple of the first, `{labels[0]}`: every window is made of the first one's "
                "panes; write the shortest first, and multiples of it"
            )
    return labels


Label = Annotated[
    str, AfterValidator(_length), WithJsonSchema({"type": "string", "pattern": PATTERN}), Kind("duration")
]
Windows = Annotated[tuple[Label, ...], NotEmpty, AfterValidator(_multiples)]

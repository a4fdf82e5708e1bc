"""Sizes in bytes, as a number or as text with a unit: 65536, 64KiB, 1MiB, 1MB."""

import re
from typing import Annotated, Final

from pydantic import Field, PlainValidator, WithJsonSchema

from config.kinds import Kind

_UNITS: Final = {"": 1, "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_UNITS_BINARY: Final = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
PATTERN: Final = "^[0-9]{1,12}(B|kB|KB|MB|GB|KiB|MiB|GiB)?$"


def parse_size(text: str) -> int:
    """Read a size in bytes; ValueError (for people) if it is none."""
    if re.fullmatch(PATTERN, text) is None:
        raise ValueError(f"`{text[:40]}` is no size; write bytes or a unit, such as 65536, 64KiB or 1MiB")
    unit = text.lstrip("0123456789")
    return int(text.removesuffix(unit)) * (_UNITS | _UNITS_BINARY)[unit]


def _to_size(value: object) -> int:
    if isinstance(value, str):
        value = parse_size(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("write bytes or a unit, such as 65536, 64KiB or 1MiB")  # noqa: TRY004 (pydantic collects ValueError only)
    return value


Size = Annotated[
    int,
    PlainValidator(_to_size),
    Field(ge=1),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": PATTERN}]}),
    Kind("size", "bytes, or written with a unit such as `1MiB`"),
]

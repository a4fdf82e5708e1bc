"""Series labels of records: values as text, checked, and remembered so that a known series costs one look-up."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import UNSET

#: What a label's value may be: safe in a metric, a URL and a file name without any escaping.
_ALLOWED: Final = re.compile(r"[A-Za-z0-9._:/@-]{1,128}").fullmatch
#: The series that takes what is above the cap; a record must not pretend to be it.
_RESERVED: Final = "__other__"
_ABSENT: Final = "unknown"

#: Remembered series; above it the memory is emptied, since only an attack or a mistake has so many.
CACHE_SIZE: Final = 16_384

Key = tuple[str, ...]


def scalar_text(value: object) -> str | None:
    """Text of a string, a boolean or a finite number; None for anything else.

    >>> scalar_text(7), scalar_text(True), scalar_text(0.5), scalar_text(None)
    ('7', 'true', '0.5', None)
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    return None


def label_text(name: str, value: object) -> str:
    """Text of one label's value, UNSET being an absent field; ValueError (for people) where it may be no label."""
    if value is UNSET:
        return _ABSENT
    text = scalar_text(value)
    if text is None:
        raise ValueError(f"label `{name}` is no string, number or boolean")
    if _ALLOWED(text) is None:
        raise ValueError(f"label `{name}` is empty, longer than 128, or has characters outside A-Za-z0-9._:/@-")
    if text == _RESERVED:
        raise ValueError(f"label `{name}` is {_RESERVED}, which is reserved")
    return text


class LabelKeys:
    """Keys of one stream's series."""

    __slots__ = ("_known", "_names")

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        # Only tuples of str are in it: 1, 1.0 and True would be one key, and none of them equals a str.
        self._known: dict[Key, Key] = {}

    def known(self, columns: Sequence[Sequence[object]], count: int) -> list[Key | None]:
        """Keys of `count` records, where every label is a string and the series was seen before; else None."""
        rows: Iterable[tuple[object, ...]] = zip(*columns, strict=True) if columns else [()] * count
        try:
            return list(map(self._known.get, rows))  # type: ignore[arg-type] # what is no tuple of str is not in it
        except TypeError:  # a list or an object, which has no hash
            return [None] * count

    def key(self, values: Sequence[object]) -> Key:
        """Key of one record; ValueError (for people) where a value may be no label."""
        key = tuple(map(label_text, self._names, values))
        if (known := self._known.get(key)) is not None:
            return known
        if len(self._known) >= CACHE_SIZE:
            self._known.clear()
        self._known[key] = key
        return key

"""The fields of untyped records, by the paths that the codec reads, each with what its values look like."""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import numpy as np

from daemon.codec.paths import written_name
from daemon.codec.times import event_time_us
from estimators.pairs import Floats

#: Values that are kept of a field; more tell nothing more of what it is.
_VALUES_MAX: Final = 50_000
_DEPTH_MAX: Final = 8
#: Records whose keys are data have any number of fields.
_FIELDS_MAX: Final = 2_000
#: A class holds for a field if all but this part of its values agree: logs have faults.
_FAULTS: Final = 0.05
#: Log-probabilities at or below it say "not known"; as `sentinel_below` has it by default.
SENTINEL: Final = -9000.0
#: Rounding may bring a log-probability this far above 0; as `positive_tolerance` has it.
POSITIVE: Final = 1e-3
_NAME_LENGTH_MAX: Final = 100
#: What stands for one person or thing, and is no name of a field: a mail address, a UUID.
_IDENTITY: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
_YEAR_2000_US: Final = 946_684_800_000_000
_YEAR_2100_US: Final = 4_102_444_800_000_000


class Look(StrEnum):
    """What the values of a field look like, in the words that people are shown."""

    LOG_PROBABILITY = "log-probabilities"
    PROBABILITY = "probabilities"
    FLAG = "0 and 1"
    WHOLE = "whole numbers"
    NUMBER = "numbers"
    TIME = "times"
    TEXT = "texts"
    OTHER = "nothing of use"


@dataclass(slots=True)
class Leaf:
    """One field over the probed records.

    Attributes
    ----------
    path : as the codec reads it
    depth : 0 a scalar, 1 an array, 2 an array of arrays
    numbers : values that are numbers or booleans, as floats; a null or NaN is NaN
    texts : values that are texts
    others : count of values that are neither
    lengths : per record that has the field, the lengths of its arrays; () for a scalar
    """

    path: str
    depth: int = 0
    numbers: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    others: int = 0
    lengths: dict[int, tuple[int, ...]] = field(default_factory=dict)
    _look: Look | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def known(self) -> Floats:
        """Finite numbers that are no sentinel."""
        values = np.array(self.numbers, np.float64)
        return values[np.isfinite(values) & (values > SENTINEL)]

    @property
    def look(self) -> Look:
        """What the values look like."""
        if self._look is None:
            self._look = self._look_of_texts() if self.texts else self._look_of_numbers()
        return self._look

    def _look_of_numbers(self) -> Look:
        values = self.known
        if not values.size or self.others > _FAULTS * values.size:
            return Look.OTHER
        # The first that holds decides: 0 and 1 are whole numbers, and also probabilities.
        looks = (
            (Look.FLAG, (values == 0) | (values == 1)),
            (Look.TIME, _plausible_times(values) & (self.depth == 0)),
            (Look.WHOLE, values == np.rint(values)),
            (Look.LOG_PROBABILITY, values <= POSITIVE),
            (Look.PROBABILITY, (values >= 0) & (values <= 1)),
        )
        return next((look for look, holds in looks if _mostly(holds)), Look.NUMBER)

    def _look_of_texts(self) -> Look:
        if len(self.texts) < (1 - _FAULTS) * (len(self.texts) + len(self.numbers) + self.others):
            return Look.OTHER
        some = self.texts[:100]
        return Look.TIME if self.depth == 0 and sum(map(_is_time, some)) > 0.9 * len(some) else Look.TEXT

    def distinct(self) -> int:
        """Count distinct values of a scalar among those kept."""
        return len(set(self.texts)) + len(set(self.numbers))

    def aligned(self, other: "Leaf") -> bool:
        """Whether both have values side by side: arrays of one shape in nearly every record that has both."""
        if self.depth != other.depth:
            return False
        both = self.lengths.keys() & other.lengths.keys()
        same = sum(self.lengths[record] == other.lengths[record] for record in both)
        return same > 0.9 * max(len(self.lengths), len(other.lengths))


def leaves_of(records: Sequence[Any]) -> dict[str, Leaf]:
    """Return every field of the records by its path, in the order in which they come."""
    leaves: dict[str, Leaf] = {}
    for number, record in enumerate(records):
        if isinstance(record, dict):
            for path, value in _fields(record, 0).items():
                if path in leaves or len(leaves) < _FIELDS_MAX:
                    _add(leaves.setdefault(path, Leaf(path)), value, number)
    return leaves


def is_sayable(name: str) -> bool:
    """Tell whether a key is a name that may be shown and that the codec can read, and not data."""
    plain = name.isprintable() and '"' not in name and "\\" not in name
    return plain and 0 < len(name) <= _NAME_LENGTH_MAX and _IDENTITY(name) is None


def _fields(value: Any, depth: int) -> dict[str, Any]:  # noqa: ANN401 - any document
    """Values below a value, by path, as the codec pulls them: `a[].b` gives an array of each item's b."""
    found: dict[str, Any] = {}
    if depth > _DEPTH_MAX:
        return found
    if isinstance(value, dict):
        for name, child in value.items():
            if isinstance(name, str) and is_sayable(name):
                for path, inner in _fields(child, depth + 1).items():
                    found[_joined(written_name(name), path)] = inner
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        items = [_fields(item, depth + 1) for item in value]
        for path in dict.fromkeys(path for item in items for path in item):
            found[_joined("[]", path)] = [item.get(path) for item in items]
    elif isinstance(value, list) and _is_rows(value):
        for column in range(len(value[0])):
            found[f"[][{column}]"] = [row[column] for row in value]
    else:
        found[""] = value
    return found


def _joined(name: str, path: str) -> str:
    return name + path if not path or path.startswith("[") else f"{name}.{path}"


def _is_rows(value: list[Any]) -> bool:
    """Whether an array holds tuples of several kinds, such as [log-probability, token id, text]."""
    if not all(isinstance(item, list) for item in value) or not value or not 2 <= len(value[0]) <= _DEPTH_MAX:
        return False
    width = len(value[0])
    kinds = {type(item) for item in value[0]} - {type(None)}
    return len(kinds) > 1 and all(len(item) == width for item in value)


def _add(leaf: Leaf, value: Any, number: int) -> None:  # noqa: ANN401 - any value of a field
    depth, lengths, flat = _shape(value)
    leaf._look = None  # noqa: SLF001 - asked for too early, it is not what all values look like
    leaf.depth = max(leaf.depth, depth)
    leaf.lengths[number] = lengths
    if len(leaf.numbers) + len(leaf.texts) < _VALUES_MAX:
        _sort(leaf, flat)


def _shape(value: Any) -> tuple[int, tuple[int, ...], list[Any]]:  # noqa: ANN401 - any value of a field
    """Depth, lengths of the innermost arrays, and all scalars."""
    if not isinstance(value, list):
        return 0, (), [value]
    inner = [_shape(item) for item in value if isinstance(item, list)]
    if not inner:
        return 1, (len(value),), value
    depth = 1 + max(depth for depth, _, _ in inner)
    return depth, tuple(n for _, ns, _ in inner for n in ns), [each for _, _, flat in inner for each in flat]


def _sort(leaf: Leaf, values: list[Any]) -> None:
    for value in values:
        if value is None:
            leaf.numbers.append(np.nan)
        elif isinstance(value, bool | int | float):
            with contextlib.suppress(OverflowError):  # an integer beyond any float
                leaf.numbers.append(float(value))
        elif isinstance(value, str):
            leaf.texts.append(value)
        else:
            leaf.others += 1


def _mostly(holds: np.ndarray[Any, np.dtype[np.bool_]]) -> bool:
    return bool(np.count_nonzero(holds) >= (1 - _FAULTS) * holds.size)


def _plausible_times(values: Floats) -> np.ndarray[Any, np.dtype[np.bool_]]:
    times = np.zeros(values.shape)
    for limit, factor in ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (np.inf, 1e-3)):
        times = np.where((times == 0) & (values < limit), values * factor, times)
    return (times > _YEAR_2000_US) & (times < _YEAR_2100_US)


def _is_time(text: str) -> bool:
    with contextlib.suppress(ValueError):
        return _YEAR_2000_US < event_time_us(text, "auto") < _YEAR_2100_US
    return False

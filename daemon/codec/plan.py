"""What the two ways of reading records share: the compiled format, the columns that they fill, and the arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from daemon.codec.fields import Fields
from daemon.codec.format import Format
from daemon.codec.labels import Key, LabelKeys
from daemon.codec.times import END_US
from estimators.pairs import NULL_LOG_PROB, Floats, Ints

US_PER_MS: Final = 1_000
END_MS: Final = END_US // US_PER_MS
#: Event time of a record that has none, where none is required.
NO_TIME_US: Final = 0
#: Of a field other than a pair's or a label's, null is as good as absent: many serialisers write it for "not set".
ABSENT: Final = (None, UNSET)


@dataclass(frozen=True, slots=True)
class Plan:
    """A format, compiled."""

    fmt: Format
    fields: Fields
    keys: LabelKeys

    def value(self, record: Any, role: str) -> Any:  # noqa: ANN401 - a compiled record, fields of any type
        """Return what a record holds in a role, UNSET for nothing."""
        field = self.fields.roles.get(role)
        return UNSET if field is None else field.of(record)

    def at(self, role: str) -> str:
        """Tell people where a role's field is."""
        return f" - at `$.{self.fmt.paths[role]}`"


@dataclass(frozen=True, slots=True)
class Records:
    """Decoded records of one batch, in log order.

    Attributes
    ----------
    values : records of the compiled type, UNSET where a field is absent
    row : int64 [records]
        Their rows in the batch.
    offset, timestamp_ms : int64 [records]
        Of the Kafka records.
    """

    values: Sequence[Any]
    row: Ints
    offset: Ints
    timestamp_ms: Ints

    def part(self, which: slice) -> "Records":
        """Return some of them."""
        return Records(self.values[which], self.row[which], self.offset[which], self.timestamp_ms[which])


@dataclass(frozen=True, slots=True)
class Columns:
    """Messages of one batch, in log order.

    Attributes
    ----------
    log_p, log_q : float64 [pairs]
    weight : float64 [pairs] or None
    lengths : int64 [messages]
        Pairs of each message, at least one.
    keys : list of tuples of str [messages]
    row : int64 [messages]
        Index of the message's record in the batch.
    time_us : int64 [messages]
    """

    log_p: Floats
    log_q: Floats
    weight: Floats | None
    lengths: Ints
    keys: list[Key]
    row: Ints
    time_us: Ints


def joined(parts: list[Columns]) -> Columns | None:
    """Return the parts as one, None where there is none."""
    if len(parts) <= 1:
        return parts[0] if parts else None
    weights = [np.ones(part.log_p.size) if part.weight is None else part.weight for part in parts]
    return Columns(
        log_p=np.concatenate([part.log_p for part in parts]),
        log_q=np.concatenate([part.log_q for part in parts]),
        weight=None if all(part.weight is None for part in parts) else np.concatenate(weights),
        lengths=np.concatenate([part.lengths for part in parts]),
        keys=[key for part in parts for key in part.keys],
        row=np.concatenate([part.row for part in parts]),
        time_us=np.concatenate([part.time_us for part in parts]),
    )


def logarithms(probabilities: Floats, nats_per_unit: float) -> Floats:
    """Logarithms in the log's own unit: -inf of 0, NaN of a negative number or NaN, NULL_LOG_PROB of itself.

    Both ways call it on whole contiguous columns, so that a value's last bit never depends on its neighbours.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs: Floats = np.log(probabilities)
    if nats_per_unit != 1.0:
        logs /= nats_per_unit
    logs[probabilities == NULL_LOG_PROB] = NULL_LOG_PROB
    return logs


def without_nulls(values: list[float | None]) -> list[float]:
    """Write NULL_LOG_PROB for every null."""
    return [NULL_LOG_PROB if value is None else value for value in values]


def has_record_time(timestamps_ms: Ints) -> NDArray[np.bool_]:
    """Tell which record timestamps are times; a negative one stands for none."""
    return (timestamps_ms >= 0) & (timestamps_ms < END_MS)

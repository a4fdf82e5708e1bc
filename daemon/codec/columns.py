"""The fast way: whole columns at once, for batches whose records all have one plain shape.

It takes all records of a batch or none. Whatever looks odd in any of them, and every record that must be rejected,
is left to the exact way (daemon/codec/records.py), which gives the same columns one record at a time.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from msgspec import UNSET

from daemon.codec.format import BINARY_ITEM
from daemon.codec.labels import Key
from daemon.codec.plan import NO_TIME_US, US_PER_MS, Columns, Plan, Records, has_record_time, logarithms, without_nulls
from daemon.codec.reading import Field
from daemon.codec.results import Tally
from daemon.codec.times import event_times_us
from estimators.pairs import Floats, Ints


class _OddError(Exception):
    """Some record of the batch needs a closer look."""


@dataclass(frozen=True, slots=True)
class _Sides:
    """Pairs as columns: float64 [pairs] each, pairs per record, and whether they are scalars in their records."""

    p: Floats
    q: Floats
    lengths: Ints
    scalar: bool


def plain_columns(records: Records, plan: Plan, tally: Tally) -> Columns | None:
    """Return the columns of at least one record; None where the exact way must read them.

    The tally is told only of records without any time; whatever is to be rejected is left to the exact way.
    """
    values = records.values
    try:
        sides = _pairs(values, plan)
        weight = None
        if plan.fields.with_optional(values):
            _check_sampler_and_tokens(values, plan)
            weight = _weights(values, plan, sides)
            sides, weight = _masked(values, plan, sides, weight)
        keys = _keys(values, plan)
        time_us, timeless = _times(records, plan)
    except (_OddError, struct.error, AttributeError, RecursionError):
        # AttributeError: an object on a field's path is null. RecursionError: tokens, nested as deep as can be read.
        return None
    tally.without_time += timeless
    return Columns(sides.p, sides.q, weight, sides.lengths, keys, records.row, time_us)


def _pairs(values: Sequence[Any], plan: Plan) -> _Sides:
    roles = plan.fields.roles
    if "uniform_over" in roles:
        return _against_uniform(values, plan)
    if "log_p" in roles and "log_q" in roles:
        log_p, log_q = roles["log_p"].column(values), roles["log_q"].column(values)
        if log_p[0] is not UNSET:
            return _sides(log_p, log_q, plan)
        if not (_absent(log_p) and _absent(log_q)):
            raise _OddError
    if "p" not in roles or "q" not in roles:
        raise _OddError
    sides = _sides(roles["p"].column(values), roles["q"].column(values), plan)
    base = plan.fmt.nats_per_unit
    return replace(sides, p=logarithms(sides.p, base), q=logarithms(sides.q, base))


def _sides(p: list[Any], q: list[Any], plan: Plan) -> _Sides:
    if isinstance(p[0], float | None):
        if None in p and None in q:  # two nulls in one record may give way to its probabilities
            raise _OddError
        return _Sides(_packed(p), _packed(q), np.ones(len(p), np.int64), scalar=True)
    item = BINARY_ITEM.get(plan.fmt.encoding)
    lengths = _lengths(p, item)
    if not np.array_equal(lengths, _lengths(q, item)):
        raise _OddError
    if int(lengths.min()) == 0 or int(lengths.max()) > plan.fmt.max_pairs_per_record:
        raise _OddError
    return _Sides(_joined(p, item), _joined(q, item), lengths, scalar=False)


def _against_uniform(values: Sequence[Any], plan: Plan) -> _Sides:
    """One pair a record, the side that is not the sampler being uniform over the outcomes that the record names."""
    roles, base = plan.fields.roles, plan.fmt.nats_per_unit
    column = _optional(values, roles.get(f"log_{plan.fmt.sampled_from}"))
    probabilities = column is None
    if column is None:
        column = _optional(values, roles.get(plan.fmt.sampled_from))
    outcomes = roles["uniform_over"].column(values)
    if column is None or set(map(type, column)) != {float} or set(map(type, outcomes)) != {list}:
        raise _OddError
    counts = np.fromiter(map(len, outcomes), np.int64, len(outcomes))
    if int(counts.min()) == 0:
        raise _OddError
    sampler, other = _packed(column), logarithms(1 / counts, base)
    if probabilities:
        sampler = logarithms(sampler, base)
    p, q = (other, sampler) if plan.fmt.sampled_from == "q" else (sampler, other)
    return _Sides(p, q, np.ones(len(column), np.int64), scalar=True)


def _packed(values: list[Any]) -> Floats:
    return np.frombuffer(_bytes(values))


def _bytes(values: list[Any]) -> bytes:
    """Float64 of a list that should hold floats and nulls; struct.error where it does not."""
    try:
        return struct.pack(f"{len(values)}d", *values)  # takes half the time of np.array
    except struct.error:
        return struct.pack(f"{len(values)}d", *without_nulls(values))


def _lengths(column: list[Any], item: str | None) -> Ints:
    """Items per record of a column of lists, or of bytes where `item` is their type."""
    if set(map(type, column)) != {list if item is None else bytes}:
        raise _OddError
    lengths = np.fromiter(map(len, column), np.int64, len(column))
    if item is None:
        return lengths
    lengths, rest = np.divmod(lengths, np.dtype(item).itemsize)
    if rest.any():
        raise _OddError
    return lengths


def _joined(column: list[Any], item: str | None) -> Floats:
    if item is None:
        return np.frombuffer(b"".join(map(_bytes, column)))
    return np.frombuffer(b"".join(column), item).astype(np.float64)


def _absent(column: list[Any]) -> bool:
    return column.count(UNSET) == len(column)


def _optional(values: Sequence[Any], field: Field | None) -> list[Any] | None:
    """Column of a field that all records have; None where none has it."""
    if field is None:
        return None
    column = field.column(values)
    if UNSET not in column:
        return column
    if _absent(column):
        return None
    raise _OddError


def _check_sampler_and_tokens(values: Sequence[Any], plan: Plan) -> None:
    roles = plan.fields.roles
    sampler = _optional(values, roles.get("sampler"))
    if sampler is not None and sampler.count(plan.fmt.sampled_from) != len(sampler):
        raise _OddError
    tokens_p, tokens_q = (_optional(values, roles.get(role)) for role in ("token_ids_p", "token_ids_q"))
    if tokens_p is not None and tokens_q is not None and tokens_p != tokens_q:
        raise _OddError


def _weights(values: Sequence[Any], plan: Plan, sides: _Sides) -> Floats | None:
    """Weights per pair; None where all are 1."""
    weight = _logged_weights(values, plan, sides)
    field = plan.fields.roles.get("drop_probability")
    if field is None:
        return weight
    dropped = _packed([0.0 if each is UNSET else each for each in field.column(values)])
    if not ((dropped >= 0) & (dropped < 1)).all():
        raise _OddError
    return (1.0 if weight is None else weight) / np.repeat(1.0 - dropped, sides.lengths)


def _logged_weights(values: Sequence[Any], plan: Plan, sides: _Sides) -> Floats | None:
    field = plan.fields.roles.get("weight")
    if field is None:
        return None
    column: list[Any] = [1.0 if weight is UNSET else weight for weight in field.column(values)]
    kinds = set(map(type, column))
    if kinds == {float}:
        weight = np.repeat(_packed(column), sides.lengths)
    else:
        item = BINARY_ITEM.get(plan.fmt.encoding) if kinds == {bytes} else None
        if sides.scalar or not np.array_equal(sides.lengths, _lengths(column, item)):
            raise _OddError
        if item is None and any(None in weights for weights in column):  # an item of an array lacks its weight
            raise _OddError
        weight = _joined(column, item)
    return None if (weight == 1).all() else weight


def _masked(values: Sequence[Any], plan: Plan, sides: _Sides, weight: Floats | None) -> tuple[_Sides, Floats | None]:
    """Take away the pairs that a mask of 0 and 1 leaves out."""
    if _optional(values, plan.fields.roles.get("message_mask")) is not None:  # records that pack several messages
        raise _OddError
    column = _optional(values, plan.fields.roles.get("mask"))
    if column is None:
        return sides, weight
    item = "u1" if type(column[0]) is bytes else None
    if sides.scalar or not np.array_equal(sides.lengths, _lengths(column, item)):
        raise _OddError
    try:
        mask = np.frombuffer(b"".join(map(bytes, column)), np.uint8)
    except (TypeError, ValueError) as error:  # a float such as 1.0, or a number that fits no byte
        raise _OddError from error
    if mask.max() > 1:
        raise _OddError
    lengths = np.add.reduceat(mask, np.cumsum(sides.lengths) - sides.lengths, dtype=np.int64)
    if int(lengths.min()) == 0:
        raise _OddError
    keep = mask.view(np.bool_)
    kept = _Sides(sides.p[keep], sides.q[keep], lengths, scalar=False)
    return kept, None if weight is None else weight[keep]


def _keys(values: Sequence[Any], plan: Plan) -> list[Key]:
    candidates = plan.fields.labels
    count = len(values)
    columns = [fields[0].column(values) if fields else [UNSET] * count for fields in candidates]
    keys = plan.keys.known(columns, count)
    if None in keys:
        columns = [_resolved(column, fields, values) for column, fields in zip(columns, candidates, strict=True)]
        keys = plan.keys.known(columns, count)
        try:
            return [key or plan.keys.key([column[i] for column in columns]) for i, key in enumerate(keys)]
        except ValueError as error:
            raise _OddError from error
    return keys  # type: ignore[return-value] # none is None


def _resolved(column: list[Any], fields: tuple[Field, ...], values: Sequence[Any]) -> list[Any]:
    """Fill in the second place of a label, and turn a column of integers into text."""
    if len(fields) == 2 and UNSET in column:
        other = _tolerant(values, fields[1])
        column = [second if first is UNSET else first for first, second in zip(column, other, strict=True)]
    return list(map(repr, column)) if set(map(type, column)) == {int} else column


def _tolerant(values: Sequence[Any], field: Field) -> list[Any]:
    try:
        return field.column(values)
    except AttributeError:  # an object on the way is null
        return [field.of(record) for record in values]


def _times(records: Records, plan: Plan) -> tuple[Ints, int]:
    """Event times, and how many records had none."""
    field = plan.fields.roles.get("time")
    column = [] if field is None else field.column(records.values)
    if not column or (column[0] is UNSET and _absent(column)):
        known = has_record_time(records.timestamp_ms)
        if plan.fmt.require_time and not known.all():
            raise _OddError
        return np.where(known, records.timestamp_ms * US_PER_MS, NO_TIME_US), int(np.count_nonzero(~known))
    times = event_times_us(column, plan.fmt.time_unit)
    if times is None:
        raise _OddError
    return times, 0

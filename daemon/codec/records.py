"""The exact way: one record at a time, every oddity looked at, every reject with its reason and its place."""

from typing import Any, Final

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from daemon.codec.extras import check_lengths, check_sampler, check_tokens, extras_of
from daemon.codec.format import BINARY_ITEM
from daemon.codec.labels import Key
from daemon.codec.plan import ABSENT, END_MS, NO_TIME_US, US_PER_MS, Columns, Plan, Records, logarithms, without_nulls
from daemon.codec.results import RefusedError, Tally
from daemon.codec.shapes import Shaped, kept_pairs, shape_of
from daemon.codec.times import event_time_us
from estimators.pairs import Floats

_KINDS: Final = ((("log_p", "log_q"), False), (("p", "q"), True))


def exact_columns(records: Records, plan: Plan, tally: Tally) -> Columns | None:
    """Return the columns of the records that can be used, and count the others; None where there are none."""
    gathered = _Gathered(plan, tally)
    places = zip(records.row.tolist(), records.offset.tolist(), records.timestamp_ms.tolist(), strict=True)
    for record, (row, offset, timestamp_ms) in zip(records.values, places, strict=True):
        try:
            gathered.add(record, row, timestamp_ms)
        except RefusedError as refused:
            tally.reject(refused.reason, offset, refused.detail)
        except RecursionError:
            tally.reject("depth", offset, "the record is nested too deeply")
    return gathered.columns()


class _Gathered:
    """Columns while they grow."""

    def __init__(self, plan: Plan, tally: Tally) -> None:
        self._plan = plan
        self._tally = tally
        self._p: list[float | None] = []
        self._q: list[float | None] = []
        self._weight: list[float] = []
        self._of_probabilities: list[bool] = []  # per message
        self._lengths: list[int] = []
        self._keys: list[Key] = []
        self._row: list[int] = []
        self._time_us: list[int] = []

    def add(self, record: Any, row: int, timestamp_ms: int) -> None:  # noqa: ANN401 - a compiled record
        """Append one record's messages; RefusedError where it cannot be used. The order of checks is DESIGN.md's."""
        plan = self._plan
        p, q, probabilities = _sides(record, plan)
        extras = extras_of(record, plan)
        _check_size(p, q, plan)
        key = _key(record, plan)
        check_sampler(extras, plan)
        time_us, timeless = self._time(record, timestamp_ms)
        _check_sides(p, q)
        check_lengths(p, extras, plan)
        check_tokens(extras)
        before = len(self._lengths)
        for message_p, message_q, message_weight in kept_pairs(p, q, extras.weight, extras.mask, extras.message_mask):
            self._p += message_p
            self._q += message_q
            share = extras.kept_share
            self._weight += message_weight if share == 1 else [each / share for each in message_weight]
            self._lengths.append(len(message_p))
            self._of_probabilities.append(probabilities)
            self._keys.append(key)
            self._row.append(row)
            self._time_us.append(time_us)
        if len(self._lengths) == before:
            raise RefusedError("empty", "the record holds no pair, or its mask leaves none")
        self._tally.without_time += timeless

    def columns(self) -> Columns | None:
        """Return what has been gathered; None for nothing."""
        if not self._lengths:
            return None
        lengths = np.array(self._lengths, np.int64)
        of_probabilities = np.repeat(np.array(self._of_probabilities, np.bool_), lengths)
        weight = np.array(self._weight, np.float64)
        return Columns(
            log_p=_logs(self._p, of_probabilities, self._plan.fmt.nats_per_unit),
            log_q=_logs(self._q, of_probabilities, self._plan.fmt.nats_per_unit),
            weight=None if (weight == 1).all() else weight,
            lengths=lengths,
            keys=self._keys,
            row=np.array(self._row, np.int64),
            time_us=np.array(self._time_us, np.int64),
        )

    def _time(self, record: Any, timestamp_ms: int) -> tuple[int, bool]:  # noqa: ANN401 - a compiled record
        """Event time, and whether there was none."""
        plan, fmt = self._plan, self._plan.fmt
        value = plan.value(record, "time")
        if value not in ABSENT:
            try:
                return event_time_us(value, fmt.time_unit), False
            except ValueError as error:
                raise RefusedError("timestamp", f"{error}{plan.at('time')}") from error
        if 0 <= timestamp_ms < END_MS:
            return timestamp_ms * US_PER_MS, False
        if fmt.require_time:
            self._tally.without_time += 1
            raise RefusedError("timestamp", "neither the record's fields nor Kafka tell its time")
        return NO_TIME_US, True


def _sides(record: Any, plan: Plan) -> tuple[Shaped, Shaped, bool]:  # noqa: ANN401 - a compiled record
    """Both sides' values, and whether they are probabilities.

    Log-probabilities win where both kinds are there; two nulls are there only if nothing better is.
    """
    if "uniform_over" in plan.fields.roles:
        return _against_uniform(record, plan)
    both_null = None
    for roles, probabilities in _KINDS:
        p, q = plan.value(record, roles[0]), plan.value(record, roles[1])
        if p is None and q is None:
            both_null = both_null or (roles, p, q, probabilities)
        elif p is not UNSET and q is not UNSET:
            break
    else:
        if both_null is None:
            raise RefusedError("schema", f"the record does not hold both sides: {_wanted(plan)}")
        roles, p, q, probabilities = both_null
    item = BINARY_ITEM.get(plan.fmt.encoding)
    return shape_of(p, item, plan.at(roles[0])), shape_of(q, item, plan.at(roles[1])), probabilities


def _against_uniform(record: Any, plan: Plan) -> tuple[Shaped, Shaped, bool]:  # noqa: ANN401 - a compiled record
    """Return the sampler's one value, and that of the uniform distribution over the outcomes that the record names."""
    outcomes = plan.value(record, "uniform_over")
    kinds = (
        (role, probabilities)
        for role, probabilities in ((f"log_{plan.fmt.sampled_from}", False), (plan.fmt.sampled_from, True))
    )
    found = [(role, value, kind) for role, kind in kinds if (value := plan.value(record, role)) is not UNSET]
    if not found or outcomes in ABSENT:
        raise RefusedError("schema", f"the record does not hold both sides: {_wanted(plan)}")
    role, value, probabilities = next((each for each in found if each[1] is not None), found[0])
    sampler = shape_of(value, None, plan.at(role))
    if sampler.depth > 0:
        raise RefusedError("schema", f"against the uniform distribution a record holds one pair{plan.at(role)}")
    if not outcomes:
        raise RefusedError("schema", f"the array names no possible outcome{plan.at('uniform_over')}")
    share = 1 / len(outcomes)
    if not probabilities:
        share = float(logarithms(np.array([share]), plan.fmt.nats_per_unit)[0])
    other = Shaped(0, [[share]])
    return (other, sampler, probabilities) if plan.fmt.sampled_from == "q" else (sampler, other, probabilities)


def _wanted(plan: Plan) -> str:
    paths = plan.fmt.paths
    if "uniform_over" in plan.fields.roles:
        side = plan.fmt.sampled_from
        known = " or ".join(f"`{paths[role]}`" for role in (f"log_{side}", side) if role in plan.fields.roles)
        return f"{known} and the array `{paths['uniform_over']}`"
    complete = (roles for roles, _ in _KINDS if plan.fields.roles.keys() >= set(roles))
    return ", or ".join(f"`{paths[p]}` and `{paths[q]}`" for p, q in complete)


def _check_size(p: Shaped, q: Shaped, plan: Plan) -> None:
    limit = plan.fmt.max_pairs_per_record
    if max(sum(map(len, p.messages)), sum(map(len, q.messages))) > limit:
        raise RefusedError("size", f"the record holds more than {limit} pairs")


def _key(record: Any, plan: Plan) -> Key:  # noqa: ANN401 - a compiled record
    values = []
    for candidates in plan.fields.labels:
        value = UNSET
        for field in candidates:
            value = field.of(record)
            if value is not UNSET:
                break
        values.append(value)
    try:
        return plan.keys.key(values)
    except ValueError as error:
        raise RefusedError("label", str(error)) from error


def _check_sides(p: Shaped, q: Shaped) -> None:
    if not p.matches(q):
        raise RefusedError("length_mismatch", "the arrays of the two sides differ in length")


def _logs(values: list[float | None], of_probabilities: NDArray[np.bool_], nats_per_unit: float) -> Floats:
    logs = np.array(without_nulls(values), np.float64)
    if of_probabilities.any():
        logs[of_probabilities] = logarithms(logs[of_probabilities], nats_per_unit)
    return logs

"""The exact way: one record at a time, every oddity looked at, every reject with its reason and its place."""

from itertools import chain
from typing import Any, Final

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from daemon.codec.fields import OPTIONAL_ROLES
from daemon.codec.format import BINARY_ITEM
from daemon.codec.labels import Key
from daemon.codec.plan import END_MS, NO_TIME_US, US_PER_MS, Columns, Plan, Records, logarithms, without_nulls
from daemon.codec.results import RefusedError, Tally
from daemon.codec.shapes import Shaped, kept_pairs, shape_of
from daemon.codec.times import event_time_us
from estimators.pairs import Floats

#: Of a field other than a pair's or a label's, null is as good as absent: many serialisers write it for "not set".
_ABSENT: Final = (None, UNSET)
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
        optional = _optional(record, plan)
        weight = _weight(optional, plan)
        kept_share = _kept_share(optional, plan)
        mask = _mask(optional, "mask", plan)
        message_mask = _mask(optional, "message_mask", plan)
        _check_size(p, q, plan)
        key = _key(record, plan)
        _check_sampler(optional, plan)
        time_us, timeless = self._time(record, timestamp_ms)
        _check_lengths(p, q, weight, mask, plan)
        _check_messages(p, message_mask, plan)
        _check_tokens(optional)
        before = len(self._lengths)
        for message_p, message_q, message_weight in kept_pairs(p, q, weight, mask, message_mask):
            self._p += message_p
            self._q += message_q
            self._weight += [each / kept_share for each in message_weight] if kept_share != 1 else message_weight
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
        fmt = self._plan.fmt
        value = _value(record, "time", self._plan)
        if value not in _ABSENT:
            try:
                return event_time_us(value, fmt.time_unit), False
            except ValueError as error:
                raise RefusedError("timestamp", f"{error}{_at('time', self._plan)}") from error
        if 0 <= timestamp_ms < END_MS:
            return timestamp_ms * US_PER_MS, False
        if fmt.require_time:
            self._tally.without_time += 1
            raise RefusedError("timestamp", "neither the record's fields nor Kafka tell its time")
        return NO_TIME_US, True


def _value(record: Any, role: str, plan: Plan) -> Any:  # noqa: ANN401 - fields of any type
    field = plan.fields.roles.get(role)
    return UNSET if field is None else field.of(record)


def _optional(record: Any, plan: Plan) -> dict[str, Any]:  # noqa: ANN401 - a compiled record
    """Fields that most records do without, those that are there."""
    try:
        if not plan.fields.with_optional((record,)):
            return {}
    except AttributeError:  # an object on the way is null: look at each
        pass
    values = {role: _value(record, role, plan) for role in OPTIONAL_ROLES}
    return {role: value for role, value in values.items() if value not in _ABSENT}


def _sides(record: Any, plan: Plan) -> tuple[Shaped, Shaped, bool]:  # noqa: ANN401 - a compiled record
    """Both sides' values, and whether they are probabilities.

    Log-probabilities win where both kinds are there; two nulls are there only if nothing better is.
    """
    if "uniform_over" in plan.fields.roles:
        return _against_uniform(record, plan)
    both_null = None
    for roles, probabilities in _KINDS:
        p, q = _value(record, roles[0], plan), _value(record, roles[1], plan)
        if p is None and q is None:
            both_null = both_null or (roles, p, q, probabilities)
        elif p is not UNSET and q is not UNSET:
            break
    else:
        if both_null is None:
            raise RefusedError("schema", f"the record does not hold both sides: {_wanted(plan)}")
        roles, p, q, probabilities = both_null
    item = BINARY_ITEM.get(plan.fmt.encoding)
    return shape_of(p, item, _at(roles[0], plan)), shape_of(q, item, _at(roles[1], plan)), probabilities


def _against_uniform(record: Any, plan: Plan) -> tuple[Shaped, Shaped, bool]:  # noqa: ANN401 - a compiled record
    """Return the sampler's one value, and that of the uniform distribution over the outcomes that the record names."""
    outcomes = _value(record, "uniform_over", plan)
    kinds = (
        (role, probabilities)
        for role, probabilities in ((f"log_{plan.fmt.sampled_from}", False), (plan.fmt.sampled_from, True))
    )
    found = [(role, value, kind) for role, kind in kinds if (value := _value(record, role, plan)) is not UNSET]
    if not found or outcomes in _ABSENT:
        raise RefusedError("schema", f"the record does not hold both sides: {_wanted(plan)}")
    role, value, probabilities = next((each for each in found if each[1] is not None), found[0])
    sampler = shape_of(value, None, _at(role, plan))
    if sampler.depth > 0:
        raise RefusedError("schema", f"against the uniform distribution a record holds one pair{_at(role, plan)}")
    if not outcomes:
        raise RefusedError("schema", f"the array names no possible outcome{_at('uniform_over', plan)}")
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


def _weight(optional: dict[str, Any], plan: Plan) -> Shaped | None:
    if "weight" not in optional:
        return None
    weight = shape_of(optional["weight"], BINARY_ITEM.get(plan.fmt.encoding), _at("weight", plan))
    if None in chain.from_iterable(weight.messages):
        raise RefusedError("schema", f"a weight is null or not there{_at('weight', plan)}")
    return weight


def _kept_share(optional: dict[str, Any], plan: Plan) -> float:
    """How many of such records the log keeps, as a share."""
    dropped: float = optional.get("drop_probability", 0.0)
    if not 0 <= dropped < 1:
        raise RefusedError("schema", f"a drop probability is at least 0 and below 1{_at('drop_probability', plan)}")
    return 1.0 - dropped


def _mask(optional: dict[str, Any], role: str, plan: Plan) -> Shaped | None:
    if role not in optional:
        return None
    mask = shape_of(optional[role], "u1", _at(role, plan))
    if not {0, 1}.issuperset(chain.from_iterable(mask.messages)):
        raise RefusedError("schema", f"a mask holds only 0, 1, true and false{_at(role, plan)}")
    return mask


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


def _check_sampler(optional: dict[str, Any], plan: Plan) -> None:
    if optional.get("sampler", plan.fmt.sampled_from) != plan.fmt.sampled_from:
        raise RefusedError(
            "sampler_mismatch", f"the stream is sampled from {plan.fmt.sampled_from}{_at('sampler', plan)}"
        )


def _check_lengths(p: Shaped, q: Shaped, weight: Shaped | None, mask: Shaped | None, plan: Plan) -> None:
    if not p.matches(q):
        raise RefusedError("length_mismatch", "the arrays of the two sides differ in length")
    for role, values in (("weight", weight), ("mask", mask)):
        if values is not None and values.depth > 0 and not values.matches(p):
            raise RefusedError("length_mismatch", f"the array is not as long as those of the sides{_at(role, plan)}")


def _check_messages(p: Shaped, message_mask: Shaped | None, plan: Plan) -> None:
    if message_mask is not None and message_mask.depth > 0 and len(message_mask.messages[0]) != len(p.messages):
        raise RefusedError(
            "length_mismatch", f"the array does not have one value for each message{_at('message_mask', plan)}"
        )


def _check_tokens(optional: dict[str, Any]) -> None:
    tokens_p, tokens_q = optional.get("token_ids_p"), optional.get("token_ids_q")
    if tokens_p is not None and tokens_q is not None and tokens_p != tokens_q:
        raise RefusedError("token_mismatch", "the sides name different tokens")


def _at(role: str, plan: Plan) -> str:
    return f" - at `$.{plan.fmt.paths[role]}`"


def _logs(values: list[float | None], of_probabilities: NDArray[np.bool_], nats_per_unit: float) -> Floats:
    logs = np.array(without_nulls(values), np.float64)
    if of_probabilities.any():
        logs[of_probabilities] = logarithms(logs[of_probabilities], nats_per_unit)
    return logs

"""The decoder's laws for paths through arrays, one-sided and packed records: a second program reads the same.

The second program walks the record as an object, by DESIGN.md section 6 alone.
"""

import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.codec import Format, compile_decoder
from estimators.pairs import NULL_LOG_PROB
from tests.daemon.codec_cases import batch_of, messages

ABSENT = object()
EVERY, FROM_SECOND = "[]", "[1:]"
#: Steps of each role's path, and the same as a path.
STEPS = {
    "objects": {
        "log_p": ("p", "c", EVERY, "lp"),
        "log_q": ("q", "c", EVERY, "lp"),
        "token_ids_p": ("p", "c", EVERY, "t"),
        "token_ids_q": ("q", "c", EVERY, "t"),
        "mask": ("m",),
    },
    "tuples": {
        "log_p": ("p", FROM_SECOND, 0),
        "log_q": ("q", EVERY, 0),
        "token_ids_p": ("p", FROM_SECOND, 1),
        "token_ids_q": ("q", EVERY, 1),
        "weight": ("w", EVERY, "v"),
    },
    "choices": {
        "log_p": ("p", EVERY, "c", EVERY, "lp"),
        "log_q": ("q", EVERY, "c", EVERY, "lp"),
        "message_mask": ("mm",),
    },
    "lists": {"log_p": ("p", EVERY, "l"), "log_q": ("q", EVERY, "l"), "message_mask": ("k", EVERY, "keep")},
    "first": {"log_p": ("p", 0, "l"), "log_q": ("q", 1), "message_mask": ("mm",)},
    "bare": {"log_p": ("p", EVERY, EVERY), "log_q": ("q", EVERY, FROM_SECOND), "mask": ("m",)},
    "uniform": {"q": ("q",), "uniform_over": ("c", "a"), "drop_probability": ("d",), "weight": ("w",)},
    "uniform_logs": {"log_q": ("r", 0, "lq"), "uniform_over": ("a",), "drop_probability": ("d",)},
}


def path(steps):
    """Write steps as a path."""
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else step if step.startswith("[") else f".{step}"
    return text.removeprefix(".")


FORMATS = {
    name: Format(paths={role: path(steps) for role, steps in roles.items()}, max_pairs_per_record=8, nats_per_unit=base)
    for (name, roles), base in zip(STEPS.items(), [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, math.log(2)], strict=True)
}


class RefusedError(Exception):
    """The second program's way to name a reason."""


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def check(value, steps, leaf):
    """Refuse what is of another type anywhere on a path, also in items that are not meant."""
    if value is None and steps:
        return
    if not steps:
        if not leaf(value):
            raise RefusedError("schema")
        return
    step, rest = steps[0], steps[1:]
    if isinstance(step, str) and not step.startswith("["):
        if not isinstance(value, dict):
            raise RefusedError("schema")
        if step in value:
            check(value[step], rest, leaf)
    elif not isinstance(value, list):
        raise RefusedError("schema")
    else:
        for item in value[step : step + 1] if isinstance(step, int) else value:
            check(item, rest, leaf)


def numbers(depth, *, null, booleans=False):
    """Tell whether a value is a number, or numbers in at most so many arrays."""

    def leaf(value):
        if isinstance(value, list) and depth:
            return all(map(numbers(depth - 1, null=null, booleans=booleans), value))
        if value is None:
            return null
        return is_number(value) or (booleans and isinstance(value, bool))

    return leaf


def missing(value):
    return value is None or value is ABSENT


def leaf_of(role, depth):
    """What may stand at the end of a role's path."""
    if role in {"log_p", "log_q", "q"}:
        return numbers(2 - depth, null=True)
    if role == "drop_probability":
        return numbers(0, null=True)
    if role == "uniform_over":
        return lambda value: value is None or isinstance(value, list)
    if role.startswith("token"):
        return lambda value: True
    within = numbers({"weight": 2, "mask": 2, "message_mask": 1}[role] - depth, null=False, booleans=role != "weight")
    return lambda value: value is None or within(value)


def walk(value, steps):
    """Return what a path leads to, ABSENT for nothing."""
    if not steps:
        return value
    if missing(value):
        return ABSENT
    step, rest = steps[0], steps[1:]
    if step in {EVERY, FROM_SECOND} and isinstance(value, list):
        found = [walk(item, rest) for item in value[step == FROM_SECOND :]]
        if found and all(item is ABSENT for item in found):
            return ABSENT
        nested = EVERY in rest or FROM_SECOND in rest
        return [([] if nested else None) if missing(item) else item for item in found]
    if isinstance(step, int):
        return walk(value[step], rest) if len(value) > step else ABSENT
    return walk(value.get(step, ABSENT), rest)


def shape(value):
    if not isinstance(value, list):
        return 0, [[value]]
    nested = [isinstance(each, list) for each in value]
    if any(nested) and not all(nested):
        raise RefusedError("schema")
    return (2, value) if any(nested) else (1, [value])


def expected(record, name):
    """Messages of one record as lists of (log p, log q, weight); RefusedError for a reject."""
    roles, base = STEPS[name], FORMATS[name].nats_per_unit
    for role, steps in roles.items():
        check(record, steps, leaf_of(role, sum(step in {EVERY, FROM_SECOND} for step in steps)))
    found = {role: walk(record, steps) for role, steps in roles.items()}
    p, q = sides(found, base)
    weight, mask, message_mask = (
        None if missing(found.get(role)) else shape(found[role]) for role in ("weight", "mask", "message_mask")
    )
    drop = 0 if missing(found.get("drop_probability")) else found["drop_probability"]
    check_values(weight, (mask, message_mask), drop)
    if any(sum(map(len, side[1])) > 8 for side in (p, q)):
        raise RefusedError("size")
    check_lengths(p, q, (weight, mask), message_mask)
    tokens_p, tokens_q = found.get("token_ids_p"), found.get("token_ids_q")
    if not missing(tokens_p) and not missing(tokens_q) and tokens_p != tokens_q:
        raise RefusedError("token_mismatch")
    return kept(p, q, weight, mask, message_mask, drop)


def check_values(weight, masks, drop):
    """Refuse values outside their range."""
    if weight and any(each is None for row in weight[1] for each in row):
        raise RefusedError("schema")
    if any(value not in {0, 1} for mask in masks if mask for row in mask[1] for value in row):
        raise RefusedError("schema")
    if not 0 <= drop < 1:
        raise RefusedError("schema")


def check_lengths(p, q, others, message_mask):
    """Refuse what has no counterpart."""
    lengths = [len(row) for row in p[1]]
    for each in (q, *others):
        if each and (each is q or each[0]) and (each[0], [len(row) for row in each[1]]) != (p[0], lengths):
            raise RefusedError("length_mismatch")
    if message_mask and message_mask[0] and len(message_mask[1][0]) != len(lengths):
        raise RefusedError("length_mismatch")


def sides(found, base):
    """Depth and messages of both sides as logarithms in the log's own unit."""
    if "uniform_over" not in found:
        values = [found["log_p"], found["log_q"]]
        if any(value is ABSENT for value in values):
            raise RefusedError("schema")
        return tuple(
            (depth, [[log(each, 0, base) for each in row] for row in rows]) for depth, rows in map(shape, values)
        )
    role = "q" if "q" in found else "log_q"
    outcomes = found["uniform_over"]
    if found[role] is ABSENT or missing(outcomes) or isinstance(found[role], list) or not outcomes:
        raise RefusedError("schema")
    return (0, [[log(1 / len(outcomes), 1, base)]]), (0, [[log(found[role], role == "q", base)]])


def log(value, probability, base):
    if value is None:
        return NULL_LOG_PROB
    if not probability:
        return float(value)
    return math.log(value) / base if value > 0 else -math.inf if value == 0 else math.nan


def kept(p, q, weight, mask, message_mask, drop):
    """Pairs that the masks leave, by message."""
    made = []
    for index, (row_p, row_q) in enumerate(zip(p[1], q[1], strict=True)):
        rows = [
            [1] * len(row_p) if each is None else each[1][index] if each[0] else each[1][0] * len(row_p)
            for each in (weight, mask)
        ]
        if message_mask is None or message_mask[1][0][index if message_mask[0] else 0]:
            pairs = [(a, b, w / (1 - drop)) for a, b, w, k in zip(row_p, row_q, *rows, strict=True) if k]
            made += [pairs] if pairs else []
    if not made:
        raise RefusedError("empty")
    return made


def outcome(record, name):
    try:
        return expected(record, name)
    except RefusedError as refused:
        return str(refused)


logs = st.one_of(st.floats(-9, 0), st.floats(-9, 0), st.integers(-3, 0), st.none())
tokens = st.sampled_from(["a", 7])


@st.composite
def record_of(draw, name):
    """A record that is mostly well formed; in the end one of its nodes may be replaced."""
    rows = [
        [draw(st.tuples(logs, logs, tokens)) for _ in range(draw(st.integers(1, 3)))]
        for _ in range(draw(st.integers(1, 2)))
    ]
    one = rows[0]
    bits = st.sampled_from([1, 1, True, 0, 1.0])
    record = {
        "objects": lambda: {
            "p": {"c": [{"lp": a, "t": t, "x": [1]} for a, _, t in one]},
            "q": {"c": [{"t": t, "lp": b} for _, b, t in one]},
            **({"m": [draw(bits) for _ in one]} if draw(st.booleans()) else {}),
        },
        "tuples": lambda: {
            "p": [[None, 5, "x"], *([a, t, None] for a, _, t in one)],
            "q": [[b, t] for _, b, t in one],
            **({"w": [{"v": draw(st.floats(0, 3))} for _ in one]} if draw(st.booleans()) else {}),
        },
        "choices": lambda: {
            "p": [{"c": [{"lp": a} for a, _, _ in row]} for row in rows],
            "q": [{"c": [{"lp": b} for _, b, _ in row]} for row in rows],
            **({"mm": [draw(bits) for _ in rows]} if draw(st.booleans()) else {}),
        },
        "lists": lambda: {
            "p": [{"l": [a for a, _, _ in row]} for row in rows],
            "q": [{"l": [b for _, b, _ in row]} for row in rows],
            **({"k": [{"keep": draw(bits)} for _ in rows]} if draw(st.booleans()) else {}),
        },
        "first": lambda: {
            "p": [{"l": one[0][0]}, 5],
            "q": ["x", one[0][1]],
            **({"mm": 1} if draw(st.booleans()) else {}),
        },
        "bare": lambda: {
            "p": [[a for a, _, _ in row] for row in rows],
            "q": [[0, *(b for _, b, _ in row)] for row in rows],
            **({"m": [[draw(bits) for _ in row] for row in rows]} if draw(st.booleans()) else {}),
        },
        "uniform": lambda: {
            "q": draw(st.floats(0, 1)),
            "c": {"a": [0] * draw(st.integers(1, 5))},
            **({"d": draw(st.floats(0, 1))} if draw(st.booleans()) else {}),
            **({"w": draw(st.floats(0, 3))} if draw(st.booleans()) else {}),
        },
        "uniform_logs": lambda: {
            "r": [{"lq": one[0][1]}],
            "a": [{}] * draw(st.integers(1, 5)),
            **({"d": draw(st.sampled_from([0, 0.5, 0.9, None]))} if draw(st.booleans()) else {}),
        },
    }[name]()  # fmt: skip
    if not draw(st.integers(0, 6)):
        replace_a_node(draw, record)
    return record


def replace_a_node(draw, record):
    """Put something odd anywhere in the tree, or take a node away."""
    node = record
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        if isinstance(node[key], dict | list) and draw(st.integers(0, 3)):
            node = node[key]
            continue
        if draw(st.integers(0, 3)):
            node[key] = draw(st.sampled_from([None, None, "x", 2, -1.5, [], {}, [None], [-1.0], True, [[-1.0]]]))
        else:
            del node[key]
        return


batches = st.sampled_from(sorted(STEPS)).flatmap(
    lambda name: st.tuples(st.just(name), st.lists(record_of(name), min_size=1, max_size=36))
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(batches)
def test_a_second_program_reads_the_same_by_paths_through_arrays(batch):
    name, records = batch
    decoded = compile_decoder(FORMATS[name]).decode(batch_of(records))
    found, rejected = {}, {}
    for offset, _, _, pairs in messages(decoded):
        found.setdefault(offset, []).append(pairs)
    for reason, each in decoded.rejected.items():
        rejected |= dict.fromkeys(each.offsets, reason)
    for offset, record in enumerate(records):
        wanted = outcome(record, name)
        got = rejected.get(offset, found.get(offset))
        if isinstance(wanted, str):
            assert got == wanted, (name, record, decoded.rejected.get(got))
        else:
            assert not isinstance(got, str), (name, record, wanted, decoded.rejected[got])
            assert list(map(len, got)) == list(map(len, wanted)), (name, record)
            for mine, theirs in zip(got, wanted, strict=True):
                np.testing.assert_allclose(mine, np.array(theirs, float), rtol=1e-15, err_msg=json.dumps(record))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(batches, st.sampled_from(["json", "msgpack"]))
def test_a_batch_by_paths_through_arrays_is_the_sum_of_its_records_to_the_bit(batch, encoding):
    name, records = batch
    known = FORMATS[name]
    decoder = compile_decoder(Format(encoding, paths=known.paths, nats_per_unit=known.nats_per_unit))
    encode = msgspec.msgpack.encode if encoding == "msgpack" else msgspec.json.encode
    values = [encode(record) for record in records]
    whole = decoder.decode(batch_of(values))
    alone = [decoder.decode(batch_of([value], first=offset)) for offset, value in enumerate(values)]
    assert repr(messages(whole)) == repr([message for each in alone for message in messages(each)])
    told = {
        (reason, offset, detail)
        for each in (whole,)
        for reason, rejected in each.rejected.items()
        for offset, detail in zip(rejected.offsets, rejected.details, strict=True)
    }
    assert told == {
        (reason, rejected.offsets[0], rejected.details[0])
        for each in alone
        for reason, rejected in each.rejected.items()
    }


@pytest.mark.parametrize("name", sorted(STEPS))
def test_the_second_program_can_tell_a_wrong_decoder(name):
    """Negative control: where the sides are exchanged, the pairs differ."""
    sample = {
        "objects": {"p": {"c": [{"lp": -1}]}, "q": {"c": [{"lp": -2}]}},
        "tuples": {"p": [[0], [-1]], "q": [[-2]]},
        "choices": {"p": [{"c": [{"lp": -1}]}], "q": [{"c": [{"lp": -2}]}]},
        "lists": {"p": [{"l": [-1]}], "q": [{"l": [-2]}]},
        "first": {"p": [{"l": -1}], "q": [0, -2]},
        "bare": {"p": [[-1]], "q": [[0, -2]]},
        "uniform": {"q": 0.3, "c": {"a": [1, 2]}},
        "uniform_logs": {"r": [{"lq": -3.0}], "a": [1, 2]},
    }[name]
    ((_, _, _, ((log_p, log_q, weight),)),) = messages(compile_decoder(FORMATS[name]).decode(batch_of([sample])))
    (((wanted_p, wanted_q, wanted_weight),),) = expected(sample, name)
    assert (log_p, log_q, weight) == pytest.approx((wanted_p, wanted_q, wanted_weight), rel=1e-15)
    assert (log_q, log_p) != pytest.approx((wanted_p, wanted_q))

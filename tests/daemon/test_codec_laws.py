"""Laws of the decoder over random records: a second program gives the same, neighbours do not matter, nothing raises.

The second program reads DESIGN.md section 6 in plain Python, one record at a time, from the record as an object.
"""

import json
import math
import re
from datetime import datetime

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.codec import RECORD_REASONS, Format, compile_decoder
from estimators.pairs import NULL_LOG_PROB
from tests.daemon.codec_cases import RECORD_TIME_MS, batch_of, messages, reasons

LABELS = ("model", "region")
FORMAT = Format(label_names=LABELS, max_pairs_per_record=6)


class RefusedError(Exception):
    """The second program's way to name a reason."""


def shape(value):
    """Depth and messages of a value; refuses what is no number, array of numbers or array of those."""
    if not isinstance(value, list):
        return 0, [[value]]
    nested = [isinstance(each, list) for each in value]
    if any(nested) and not all(nested):
        raise RefusedError("schema")
    return (2, value) if any(nested) else (1, [value])


def number(value, *, null):
    """Refuse what JSON does not call a number."""
    if value is None and null:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RefusedError("schema")


def side(value):
    depth, rows = shape(value)
    for each in (each for row in rows for each in row):
        number(each, null=True)
    return depth, rows


def sides(record):
    """Values of both sides and whether they are probabilities."""
    for names in (("logp", "logq"), ("p", "q")):
        for name in names:
            if name in record:
                side(record[name])
    logs, probabilities = ([record[n] for n in names if n in record] for names in (("logp", "logq"), ("p", "q")))
    for pair, kind in ((logs, False), (probabilities, True)):
        if len(pair) == 2 and pair != [None, None]:
            return pair, kind
    for pair, kind in ((logs, False), (probabilities, True)):
        if len(pair) == 2:
            return pair, kind
    raise RefusedError("schema")


def label(record, name):
    inner = record.get("labels") or {}
    value = record.get(name, inner.get(name, "unknown"))
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise RefusedError("label")
    text = str(value)
    if not re.fullmatch(r"[A-Za-z0-9._:/@-]{1,128}", text) or text == "__other__":
        raise RefusedError("label")
    return text


def time_us(record):
    value = record.get("ts")
    if value is None:
        return RECORD_TIME_MS * 1000
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise RefusedError("timestamp") from None
        if moment.tzinfo is None or "T" not in value:
            raise RefusedError("timestamp")
        return round(moment.timestamp() * 1e6)
    if value < 0:
        raise RefusedError("timestamp")
    if value >= 1e17:
        return value // 1000
    per_unit = 1_000_000 if value < 1e11 else 1000 if value < 1e14 else 1
    return round(value * per_unit)


def expected(record):
    """Messages of one record, as `messages` gives them without the offset; RefusedError for a reject."""
    (value_p, value_q), probabilities = sides(record)
    check_types(record)
    if any(sum(map(len, shape(value)[1])) > FORMAT.max_pairs_per_record for value in (value_p, value_q)):
        raise RefusedError("size")
    key = tuple(label(record, name) for name in LABELS)
    if record.get("sampled_from") not in {None, "q"}:
        raise RefusedError("sampler_mismatch")
    at = time_us(record)
    _, rows_p = shape(value_p)
    columns = rows_p, *(spread(record, name, value_p, value_q) for name in ("logq", "weight", "mask"))
    made = []
    for row in zip(*columns, strict=True):
        pairs = tuple(
            (log(p, probabilities), log(q, probabilities), w) for p, q, w, keep in zip(*row, strict=True) if keep
        )
        if pairs:
            made.append((key, at, pairs))
    if not made:
        raise RefusedError("empty")
    return made


def check_types(record):
    """Refuse weights, masks and times of another type."""
    weights, masks = (shape(record.get(name))[1] for name in ("weight", "mask"))
    for each in (each for row in weights for each in row):
        number(each, null=not isinstance(record.get("weight"), list))
    if record.get("mask") is not None and any(each not in {0, 1} for row in masks for each in row):
        raise RefusedError("schema")
    if not isinstance(record.get("ts"), str):
        number(record.get("ts"), null=True)


def spread(record, name, value_p, value_q):
    """Rows of the other side, or of weights or a mask, one value per pair of p."""
    depth_p, rows_p = shape(value_p)
    depth, rows = shape(value_q if name == "logq" else record.get(name))
    if name != "logq" and depth == 0:
        value = 1 if rows[0][0] is None else rows[0][0]
        return [[value] * len(row) for row in rows_p]
    if (depth, list(map(len, rows))) != (depth_p, list(map(len, rows_p))):
        raise RefusedError("length_mismatch")
    return rows


def log(value, probabilities):
    if value is None:
        return NULL_LOG_PROB
    if not probabilities:
        return float(value)
    return math.log(value) if value > 0 else -math.inf if value == 0 else math.nan


def outcome(record):
    """Messages of one record, or the reason of its reject."""
    try:
        return expected(record)
    except RefusedError as refused:
        return str(refused)


def same(found, wanted):
    """Equal, where NaN equals NaN and logarithms may differ in their last bit."""
    return np.array_equal(np.shape(found), np.shape(wanted)) and np.allclose(
        np.array(found, float), np.array(wanted, float), rtol=1e-15, atol=0, equal_nan=True
    )


logs = st.one_of(st.none(), st.integers(-5, 1), st.floats(-50, 1), st.sampled_from(["x", True]))
plain = st.one_of(st.integers(-5, 1), st.floats(-50, 0))
arrays = st.integers(0, 4).flatmap(lambda n: st.tuples(*[st.lists(plain, min_size=n, max_size=n)] * 2))
nested = st.lists(arrays, min_size=1, max_size=3).map(lambda rows: ([p for p, _ in rows], [q for _, q in rows]))
wild = st.tuples(*[st.one_of(logs, st.lists(logs, max_size=3), st.lists(st.lists(logs, max_size=2), max_size=2))] * 2)
both = st.one_of(st.tuples(plain, plain), arrays, nested, wild)
OPTIONAL = {
    "ts": st.one_of(
        st.integers(0, 2 * 10**18), st.floats(0, 2e10), st.integers(-2, 2), st.none(),
        st.sampled_from(["2024-02-29T12:00:00.5+01:00", "2024-01-01T00:00:00", "soon", True]),
    ),
    "weight": st.one_of(st.floats(0, 5), st.integers(0, 3), st.none(), st.lists(st.floats(0, 2), max_size=4)),
    "mask": st.one_of(st.lists(st.sampled_from([0, 1, True, False, 1.0]), max_size=4), st.sampled_from([1, 0, 2])),
    "sampled_from": st.sampled_from(["q", "q", "p", None]),
    "model": st.one_of(st.sampled_from(["a", "b", "1", "true", ""]), st.integers(0, 2), st.booleans(), st.just(1.0)),
    "region": st.sampled_from(["eu", "us", None, [], "__other__"]),
    "labels": st.one_of(st.none(), st.fixed_dictionaries({}, optional={"region": st.sampled_from(["in", 2])})),
}  # fmt: skip


@st.composite
def records(draw):
    """One record: mostly plain, so that whole batches often are; sometimes with anything odd."""
    names = draw(st.sampled_from([("logp", "logq"), ("logp", "logq"), ("p", "q")]))
    values = draw(st.tuples(plain, plain) if draw(st.integers(0, 2)) else both)
    record = dict(zip(names, values, strict=True))
    if not draw(st.integers(0, 5)):
        record |= dict(zip(("p", "q"), draw(both), strict=True))
    for name, strategy in OPTIONAL.items():
        if not draw(st.integers(0, 4)):
            record[name] = draw(strategy)
    return record


VALID = {
    "ts": [st.integers(0, 10**10), st.floats(0, 1e10), st.integers(10**17, 10**18), st.just("2024-02-29T12:00:00Z")],
    "weight": [st.floats(0, 5), st.just(1)],
    "sampled_from": [st.just("q")],
    "model": [st.sampled_from(["a", "b"]), st.integers(0, 2), st.booleans()],
    "region": [st.sampled_from(["eu", "us"])],
    "labels": [st.fixed_dictionaries({"region": st.sampled_from(["in", "out"])}), st.just({})],
}


@st.composite
def uniform_batches(draw):
    """Batches of one plain shape, as real topics have them, sometimes with one record that is different."""
    names = draw(st.sampled_from([("logp", "logq"), ("p", "q")]))
    value = st.one_of(plain, st.none()) if draw(st.booleans()) else plain
    if draw(st.booleans()):
        shapes = st.tuples(value, value)
    else:
        size = st.integers(1, 4) if draw(st.booleans()) else st.just(3)
        shapes = size.flatmap(lambda n: st.tuples(*[st.lists(value, min_size=n, max_size=n)] * 2))
    masked = draw(st.booleans())
    fields = {name: draw(st.sampled_from(kinds)) for name, kinds in VALID.items() if draw(st.booleans())}
    batch = []
    for _ in range(draw(st.integers(2, 24))):
        record = dict(zip(names, draw(shapes), strict=True)) | {name: draw(each) for name, each in fields.items()}
        if masked and isinstance(record[names[0]], list):
            record["mask"] = [draw(st.sampled_from([1, True, 1, 0])) for _ in record[names[0]]]
        batch.append(record)
    if draw(st.booleans()):
        batch[draw(st.integers(0, len(batch) - 1))] = draw(records())
    return batch


batches = st.one_of(uniform_batches(), st.lists(records(), min_size=1, max_size=40))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batches)
def test_a_second_program_reads_the_same_whatever_stands_beside_a_record(batch):
    decoded = compile_decoder(FORMAT).decode(batch_of(batch))
    found = {}
    for offset, key, at, pairs in messages(decoded):
        found.setdefault(offset, []).append((key, at, pairs))
    rejected = {}
    for offset, record in enumerate(batch):
        wanted = outcome(record)
        if isinstance(wanted, str):
            rejected.setdefault(wanted, []).append(offset)
            continue
        got = found.pop(offset)
        assert [each[:2] for each in got] == [each[:2] for each in wanted], record
        assert all(same(a[2], b[2]) for a, b in zip(got, wanted, strict=True)), (record, got, wanted)
    assert not found
    assert {name: each.offsets for name, each in decoded.rejected.items()} == {
        name: tuple(offsets) for name, offsets in rejected.items()
    }
    assert decoded.records == len(batch) - sum(map(len, rejected.values()))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batches, st.sampled_from(["json", "msgpack"]))
def test_a_batch_is_the_sum_of_its_records_to_the_bit(batch, encoding):
    decoder = compile_decoder(Format(encoding, label_names=LABELS))
    encode = msgspec.msgpack.encode if encoding == "msgpack" else msgspec.json.encode
    values = [encode(record) for record in batch]
    whole = decoder.decode(batch_of(values))
    alone = [decoder.decode(batch_of([value], first=offset)) for offset, value in enumerate(values)]
    assert repr(messages(whole)) == repr([message for each in alone for message in messages(each)])
    assert whole.records == sum(each.records for each in alone)
    refused = [
        (name, offset, detail)
        for each in alone
        for name, rejected in each.rejected.items()
        for offset, detail in zip(rejected.offsets, rejected.details, strict=True)
    ]
    assert refused == sorted(
        (
            (name, offset, detail)
            for name, rejected in whole.rejected.items()
            for offset, detail in zip(rejected.offsets, rejected.details, strict=True)
        ),
        key=lambda found: found[1],
    )


def mutated(draw, value):
    """Cut, doubled or altered bytes."""
    at, until = sorted((draw(st.integers(0, len(value))), draw(st.integers(0, len(value)))))
    middle = draw(st.one_of(st.just(b""), st.just(value[at:until] * 2), st.binary(max_size=4)))
    return value[:at] + middle + value[until:]


@st.composite
def hostile(draw):
    """Raw values: bytes, mutated JSON, mutated MessagePack, tombstones."""
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return draw(st.one_of(st.none(), st.binary(max_size=60)))
    record = draw(records())
    value = msgspec.msgpack.encode(record) if kind == 1 else json.dumps(record).encode()
    return value if kind == 4 else mutated(draw, value)


@pytest.mark.parametrize("encoding", ["json", "msgpack", "msgpack-f32", "msgpack-f64"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values=st.lists(hostile(), max_size=12), selective=st.booleans())
def test_no_bytes_raise_and_every_record_is_counted_once(encoding, values, selective):
    where = {"model": ("a", 1)} if selective else {}
    decoded = compile_decoder(Format(encoding, label_names=LABELS, where=where)).decode(batch_of(values))
    assert decoded.records + decoded.ignored + sum(reasons(decoded).values()) == len(values)
    assert set(decoded.rejected) <= set(RECORD_REASONS)
    assert len({offset for offset, *_ in messages(decoded)}) == decoded.records
    if decoded.pairs is not None:
        columns = decoded.pairs
        assert columns.log_p.dtype == columns.log_q.dtype == np.float64
        assert {column.dtype for column in (columns.first_pair, columns.offset, columns.event_time_us)} == {
            np.dtype(np.int64)
        }


def test_the_second_program_can_tell_a_wrong_decoder():
    """Negative control: where probabilities are taken for logarithms, the comparison fails."""
    ((_, _, _, pairs),) = messages(compile_decoder(FORMAT).decode(batch_of([{"logp": 0.5, "logq": 0.25}])))
    ((_, _, wanted),) = expected({"p": 0.5, "q": 0.25})
    assert not same(pairs, wanted)


def test_a_logarithm_does_not_depend_on_its_place_in_the_column():
    values = np.random.default_rng(5).random(1003)
    whole = np.log(values)
    assert (whole == [np.log(values[index : index + 1])[0] for index in range(values.size)]).all()
    assert all((whole[first:] == np.log(values[first:])).all() for first in range(17))

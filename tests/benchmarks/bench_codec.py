"""Decoding, per pair, beside json.loads or NumPy's plain reading of the same bytes, interleaved in one run.

Run: python tests/benchmarks/bench_codec.py
"""

import json
import random
import time

import msgspec
import numpy as np

from daemon.codec import Format, compile_decoder
from daemon.source import Batch, Partition

RECORDS = 2000
LONG = 512
REPEATS = 15


def main():
    """Print the table: best of interleaved repeats, nanoseconds per pair, and the ratio to the baseline."""
    print(f"{'format':36} {'bytes/pair':>10} {'ns/pair':>9} {'baseline':>26} {'ns/pair':>9} {'ratio':>7}")
    for name, fmt, values, pairs, baseline_name, baseline in cases():
        decoder = compile_decoder(fmt)
        batch = batch_of(values)
        assert decoder.decode(batch).records == len(values)
        ours, theirs = interleaved(lambda d=decoder, b=batch: d.decode(b), baseline)
        size = sum(map(len, values)) / pairs
        print(
            f"{name:36} {size:10.1f} {ours / pairs * 1e9:9.1f} {baseline_name:>26} {theirs / pairs * 1e9:9.1f} "
            f"{ours / theirs:7.3f}"
        )


def cases():
    """Formats that the budget names, and the same with what makes decoding slower."""
    draw = random.Random(1)
    labels = ("model", "version")
    one = [record(draw, i, 1) for i in range(RECORDS)]
    many = [record(draw, i, LONG) for i in range(RECORDS // 50)]
    plain = Format(label_names=labels)
    yield json_case("JSON, 1 pair", plain, one)
    yield json_case("JSON, 1 pair, time as text", plain, [each | {"ts": rfc3339(each["ts"])} for each in one])
    yield json_case("JSON, 1 pair, weights", plain, [each | {"weight": 0.5} for each in one])
    nested = [{**each, "labels": {"model": each["model"], "version": each["version"]}} for each in one]
    yield json_case("JSON, 1 pair, nested labels", plain, [without(each, *labels) for each in nested])
    odd = [
        each | ({"logp": [each["logp"]], "logq": [each["logq"]]} if i % 1000 == 7 else {}) for i, each in enumerate(one)
    ]
    yield json_case("JSON, 1 pair, 2 odd records of 2000", plain, odd)
    yield json_case("JSON, 1 pair, all nested arrays", plain, [nested_arrays(each) for each in one])
    yield json_case("JSON, 512 pairs", plain, many, LONG)
    masked = [each | {"mask": [i % 3 > 0 for i in range(LONG)]} for each in many]
    yield json_case("JSON, 512 pairs, mask", plain, masked, LONG)
    yield "msgpack, 1 pair", Format("msgpack", label_names=labels), *packed(one, RECORDS)
    yield "msgpack, 512 pairs", Format("msgpack", label_names=labels), *packed(many, RECORDS // 50 * LONG)
    for name, item in (("f32", "<f4"), ("f64", "<f8")):
        records = [{**each, **{k: np.array(each[k], item).tobytes() for k in ("logp", "logq")}} for each in many]
        values = [msgspec.msgpack.encode(each) for each in records]
        buffers = [each[k] for each in records for k in ("logp", "logq")]
        yield (
            f"msgpack-{name}, 512 pairs",
            Format(f"msgpack-{name}", label_names=labels),
            values,
            len(many) * LONG,
            "np.frombuffer, to float64",
            lambda b=buffers, i=item: [np.frombuffer(each, i).astype(np.float64) for each in b],
        )


def json_case(name, fmt, records, length=1):
    """Return one case of JSON records, against json.loads."""
    values = [json.dumps(each, separators=(",", ":")).encode() for each in records]
    return name, fmt, values, len(records) * length, "json.loads", lambda: [json.loads(each) for each in values]


def packed(records, pairs):
    """Return values of MessagePack, against json.loads of the same records."""
    texts = [json.dumps(each, separators=(",", ":")).encode() for each in records]
    values = [msgspec.msgpack.encode(each) for each in records]
    return values, pairs, "json.loads (as JSON)", lambda: [json.loads(each) for each in texts]


def record(draw, index, length):
    """One message in its canonical form; 6 decimals where it is a single pair, as in a log of 88 bytes a record."""
    if length == 1:
        logs = {"logp": round(-draw.expovariate(1), 6), "logq": round(-draw.expovariate(1), 6)}
    else:
        logs = {name: [-draw.expovariate(1) for _ in range(length)] for name in ("logp", "logq")}
    return {"model": f"ranker-{index % 5}", "version": "7", "ts": 1_700_000_000 + index * 0.01, **logs}


def rfc3339(seconds):
    """Text of a time, with microseconds."""
    return np.datetime64(round(seconds * 1e6), "us").item().isoformat() + "Z"


def nested_arrays(record):
    """Return the record as a batch of one message, which is read one record at a time."""
    return record | {name: [[record[name]]] for name in ("logp", "logq")}


def without(record, *names):
    """A copy without some fields."""
    return {name: value for name, value in record.items() if name not in names}


def batch_of(values):
    """Batch with offsets and timestamps as Kafka gives them."""
    count = len(values)
    return Batch(Partition("bench", 0), np.arange(count), np.full(count, 1_700_000_000_000), values)


def interleaved(ours, theirs):
    """Best time of each in seconds, taken in turns so that a slow spell hits both."""
    best = [float("inf"), float("inf")]
    for _ in range(REPEATS):
        for which, run in enumerate((ours, theirs)):
            started = time.perf_counter()
            run()
            best[which] = min(best[which], time.perf_counter() - started)
    return best


if __name__ == "__main__":
    main()

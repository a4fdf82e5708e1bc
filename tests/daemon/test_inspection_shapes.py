"""Inspection of records under unknown names, in other encodings, with faults, and of what is no log of pairs."""

import json
import math
import random

import msgspec
import numpy as np
import pytest

from daemon.inspection.leaves import Look, leaves_of
from daemon.inspection.precision import precision_of
from daemon.inspection.sample import BYTES_MAX, sample_of
from tests.daemon.inspection_worlds import World, batch, inspected


def two_arrays(world=None, p="alpha", q="beta", **others):
    """Records of two arrays under the given names, with whatever else."""
    return [{p: log_p, q: log_q, **others} for log_p, log_q in (world or World()).sequences()]


def padded(log_p, log_q, zeros=10):
    return [0.0] * zeros + log_p, [0.0] * zeros + log_q


@pytest.mark.parametrize("swapped", [False, True])
def test_of_two_unknown_arrays_the_sampler_is_called_q(swapped):
    records = two_arrays(p="beta" if swapped else "alpha", q="alpha" if swapped else "beta")
    finding = inspected(records)
    assert finding.preset is None
    assert finding.stream["paths"] == {
        "log_p": "beta" if swapped else "alpha",
        "log_q": "alpha" if swapped else "beta",
    }
    assert "sampled_from" not in finding.stream
    assert (finding.sampler.sampled_from, finding.sampler.decided_by) == ("q", "evidence")


def test_known_names_that_contradict_the_data_lose():
    finding = inspected(two_arrays(p="inference_logprobs_1", q="ref_logprobs_1"))
    assert finding.stream["paths"]["log_q"] == "ref_logprobs_1"
    assert finding.sampler.contradicts_names


def test_known_names_decide_where_the_data_cannot():
    world = World(scale=0.01)
    records = [{"old_log_probs": p, "vllm_logprobs": q} for p, q in world.sequences(20)]
    finding = inspected(records)
    assert finding.q_path == "vllm_logprobs"
    assert finding.sampler.decided_by == "name"
    assert finding.sampler.pairs_needed > 800


def test_paths_run_through_objects_arrays_and_escaped_names():
    records = [
        {"a.b": {"steps": [{"x": p, "y[0]": q} for p, q in zip(*each, strict=True)]}} for each in World().sequences()
    ]
    assert inspected(records).stream["paths"] == {"log_p": r"a\.b.steps[].x", "log_q": r"a\.b.steps[].y\[0]"}


def test_probabilities_of_single_decisions_are_found_by_evidence():
    world = World()
    records = [
        {"u": round(math.exp(p), 6), "v": round(math.exp(q), 6), "ctr": random.Random(at).random(), "click": at % 2}
        for at, (p, q) in enumerate((p[0], q[0]) for p, q in world.sequences(3000, 1))
    ]
    finding = inspected(records)
    assert finding.stream["paths"] == {"p": "u", "q": "v"}
    assert not finding.logarithms
    assert finding.log_base.zscores == {}


def test_an_array_that_leaves_out_just_the_placeholders_is_taken_for_the_mask():
    records = []
    for log_p, log_q in World().sequences():
        p, q = padded(log_p, log_q)
        records.append(
            {"alpha": p, "beta": q, "wide": [0] * 20 + [1] * 30, "flags": [0] * 10 + [1] * 40, "odd": [0, 1] * 25}
        )
    finding = inspected(records)
    assert finding.stream["paths"]["mask"] == "flags"
    assert finding.mask.decided_by == "evidence"
    assert finding.mask.masked == pytest.approx(0.2)
    assert finding.mask.candidates == ("wide", "odd")
    assert not finding.mask.missing


def test_a_known_mask_is_taken_by_its_name_though_prompts_have_numbers():
    records = [
        {"alpha": [-1.0] * 5 + p, "beta": [-1.5] * 5 + q, "completion_mask": [0] * 5 + [1] * 40}
        for p, q in World().sequences()
    ]
    assert inspected(records).stream["paths"]["mask"] == "completion_mask"


def test_a_mask_whose_name_is_part_of_the_taken_ones_is_still_named_as_a_candidate():
    records = [
        {"alpha": p, "beta": q, "loss_mask": [1] * 40, "mask_": [0, 1] * 20, "mask": "no"} | {"loss": [1, 0] * 20}
        for p, q in World().sequences()
    ]
    finding = inspected(records)
    assert finding.stream["paths"]["mask"] == "loss_mask"
    assert "loss" in finding.mask.candidates


@pytest.mark.parametrize("batches", [1, 7, 3000])
def test_the_probe_is_every_nth_record_however_the_sample_is_cut(batches):
    values = [str(number).encode() for number in range(3000)]
    cut = len(values) // batches
    parts = [batch(values[first : first + cut]) for first in range(0, len(values), cut)]
    probed = [int(value) for part in sample_of(parts, 3000).probe for value in part.values]
    assert probed == list(range(0, 3000, 10))


def test_certain_outcomes_are_no_placeholders():
    draw = np.random.default_rng(3)
    records = []
    for p, q in World().sequences():
        nearly = (-(10.0 ** draw.uniform(-7, -4.2, 20))).tolist()
        records.append({"alpha": [0.0] * 5 + nearly + p, "beta": [0.0] * 5 + nearly + q})
    mask = inspected(records).mask
    assert mask.placeholders > 0.05
    assert not mask.missing


def test_shares_of_faulty_values_are_told_per_side():
    records = two_arrays(p="ref_logprobs", q="vllm_logprobs")
    for record in records:
        record["ref_logprobs"][0] = None
        record["ref_logprobs"][1] = -9999.0
        record["vllm_logprobs"][2] = 0.5
        record["vllm_logprobs"][3] = -100.0
    finding = inspected(records)
    p, q = finding.quality_p, finding.quality_q
    assert (p.path, q.path) == ("ref_logprobs", "vllm_logprobs")
    assert (p.null, p.sentinel, p.positive, q.positive) == pytest.approx((1 / 40, 1 / 40, 0.0, 1 / 40))
    assert (q.floor, q.floor_share) == (-100.0, 1 / 40)
    assert finding.pairs == 200 * 37


def test_garbage_between_the_records_is_counted_and_does_no_harm():
    good = [json.dumps(each).encode() for each in two_arrays()]
    records = [value for each in good for value in (each, b"# a comment", b'{"other": 1}')]
    finding = inspected(records[: len(good) * 2])
    assert finding.q_path == "beta"
    assert finding.unreadable == finding.records // 3
    assert finding.decoded == -(-finding.records // 3)
    assert finding.rejected == {"schema": finding.records - finding.unreadable - finding.decoded}


def test_a_bare_nan_is_told_as_what_it_is():
    records = [json.dumps({"alpha": [math.nan, *p], "beta": [-1.0, *q]}).encode() for p, q in World().sequences(20)]
    finding = inspected(records)
    assert not finding.fits
    assert "NaN" in finding.problem
    assert inspected([*records[:5], *(json.dumps(each).encode() for each in two_arrays())]).bare_nan


@pytest.mark.parametrize("encoding", ["msgpack", "msgpack-f32", "msgpack-f64"])
def test_messagepack_is_told_from_json_and_packed_arrays_by_their_width(encoding):
    item = {"msgpack-f32": "<f4", "msgpack-f64": "<f8"}.get(encoding)
    packed = list if item is None else lambda side: np.array(side, item).tobytes()
    records = [msgspec.msgpack.encode({"logp": packed(p), "logq": packed(q)}) for p, q in World().sequences()]
    finding = inspected(records)
    assert finding.encoding == encoding
    assert finding.stream["preset"] == "canonical"
    assert finding.stream["format"] == encoding
    assert finding.sampler.evident == "q"


def test_ids_that_both_sides_name_are_compared_and_weights_weigh():
    records = [
        {"one": {"ids": [1, 2, 3], "lp": p}, "two": {"ids": [1, 2, 3], "lp": q}, "weight": 1 + number % 2}
        for number, (p, q) in enumerate(World().sequences(400, 3))
    ]
    paths = inspected(records).stream["paths"]
    assert (paths["log_q"], paths["token_ids_q"], paths["token_ids_p"]) == ("two.lp", "two.ids", "one.ids")
    assert paths["weight"] == "weight"


def test_labels_are_counted_over_the_whole_sample_and_too_many_values_are_not_proposed():
    records = [
        {**record, "model": f"m{number % 3}", "version": number, "arm": "xy"[number % 2], "id": f"user-{number}"}
        for number, record in enumerate(two_arrays())
    ]
    finding = inspected(records)
    assert finding.stream["series_labels"] == ["model"]
    counted = {each.name: each.values for each in finding.labels}
    assert counted == {"model": 3, "arm": 2, "version": 200}


def test_delay_and_pace_come_from_event_times_and_record_timestamps():
    start_s = 1_772_000_000
    records = [{**record, "when": start_s + 6 * number} for number, record in enumerate(two_arrays())]
    delays_s = np.linspace(1, 101, len(records))
    stamps = [(start_s + 6 * number) * 1000 + round(1000 * delay) for number, delay in enumerate(delays_s)]
    time = inspected(records, stamps).time
    assert time.path == "when"
    assert time.messages_per_minute == pytest.approx(10.0)
    assert time.delay_median_seconds == pytest.approx(51.0)
    assert time.delay_p99_seconds == pytest.approx(100.0, abs=0.1)
    assert time.expected_delay == "2m"


@pytest.mark.parametrize(
    ("written", "precision"),
    [
        (lambda x: x.astype(np.float32).astype(np.float64), None),
        (lambda x: (x.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32).astype(np.float64), "bf16"),
        (lambda x: x.astype(np.float16).astype(np.float64), "float16"),
        (lambda x: x.round(3), "decimals:3"),
    ],
)
def test_precision_is_read_off_the_digits(written, precision):
    assert precision_of(written(-np.random.default_rng(1).exponential(2, 500)), logarithms=True) == precision


def test_decimals_of_probabilities_count_by_what_they_do_to_the_logarithm():
    """Rounding of 1e-4 at a probability of 0.1 moves the logarithm by 1e-3."""
    values = np.full(50, 0.1) + np.arange(50) * 1e-4
    assert precision_of(values, logarithms=False) == "decimals:3"


def test_the_looks_of_fields_are_told_apart():
    some = {"lp": [-0.5, -1.25], "pr": 0.25, "flag": [True, False], "id": 7, "iso": "2024-05-01T12:00:00Z", "name": "a"}
    more = {"nested": [[-0.1], [-0.2, -0.3]], "rows": [[-0.5, 3, None]], "none": None}
    leaves = leaves_of([{**some, **more, "t": 1.7e9 + number} for number in range(5)])
    looks = {path: (leaf.depth, leaf.look) for path, leaf in leaves.items()}
    assert looks == {
        "lp": (1, Look.LOG_PROBABILITY),
        "pr": (0, Look.PROBABILITY),
        "flag": (1, Look.FLAG),
        "id": (0, Look.WHOLE),
        "t": (0, Look.TIME),
        "iso": (0, Look.TIME),
        "name": (0, Look.TEXT),
        "nested": (2, Look.LOG_PROBABILITY),
        "rows[][0]": (1, Look.LOG_PROBABILITY),
        "rows[][1]": (1, Look.WHOLE),
        "rows[][2]": (1, Look.OTHER),
        "none": (0, Look.OTHER),
    }


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([], "no records"),
        ([b"one line", b"another"], "neither JSON nor MessagePack"),
        ([b"1", b"2"], "no objects"),
        ([{"name": "a", "count": 3}] * 30, "No field looks like"),
        ([{"score": number / 97} for number in range(90)], "Only `score`"),
        ([{"lon": -0.1 - n / 999, "temp": -3.5 - n % 7 / 10} for n in range(300)], "no two of them"),
        ([{"0.25": n / 99, "0.125": n / 100} for n in range(99)], "first line looks like data"),
        ([{"x": [-0.5, -0.7], "y": [-0.5]}] * 30, "`x` and `y` both look like log-probabilities, but their arrays"),
    ],
)
def test_what_is_no_log_of_pairs_is_called_what_it_is(records, words):
    finding = inspected(records)
    assert not finding.fits
    assert finding.stream == {}
    assert words in finding.problem


def test_no_more_batches_are_taken_than_are_needed():
    def endless():
        while True:
            yield batch([json.dumps(each).encode() for each in two_arrays()])

    from daemon.inspection import inspect_batches

    assert inspect_batches(endless(), max_records=450).records == 450
    assert BYTES_MAX < 1 << 28

"""Inspection never leaves out a label in silence: what is merged into one series is said, and why; never a value."""

import json

import pytest

from daemon.codec import Format, compile_decoder
from daemon.inspection.text import finding_rows
from daemon.replay.reading import found_sentence
from tests.daemon.inspection_worlds import World, batch, inspected

MERGED = "one that drifts hides among the others"


def told(fields, count=300):
    """Series labels of the stream, what inspect says of labels, and what replay says of its input."""
    sequences = World().sequences(count, 20)
    finding = inspected([{"log_p": p, "log_q": q, **fields(number)} for number, (p, q) in enumerate(sequences)])
    return finding.stream.get("series_labels"), dict(finding_rows(finding, None))["Labels"], found_sentence(finding)


@pytest.mark.parametrize("name", ["model", "version", "env_name", "model_name"])
def test_a_label_with_too_many_values_is_named_with_their_number(name):
    labels, text, read = told(lambda number: {name: f"secret-{number}"})
    assert labels is None
    assert f"Not a label: {name} (300 values in the sample" in text
    assert f"Not told apart: {name} (300 values" in read
    assert MERGED in text
    assert MERGED in read
    assert "secret" not in text + read


def test_a_label_with_characters_that_metrics_do_not_take_is_named_without_its_values():
    labels, text, read = told(lambda number: {"model": f"secret {number % 3}"})
    assert labels is None
    assert "Not a label: model (values with characters that metrics do not take" in text
    assert "Not told apart: model (values with characters" in read
    assert MERGED in read
    assert "secret" not in text + read


def test_a_label_that_is_null_in_many_records_is_named():
    labels, text, read = told(lambda number: {"model": None if number % 2 else "a"})
    assert labels is None
    assert "Not a label: model (null, an array or an object in many records" in text
    assert MERGED in read


def test_one_faulty_value_does_not_merge_the_models_and_its_record_is_told():
    labels, text, read = told(lambda number: {"model": "" if number == 7 else f"m{number % 3}"})
    assert labels == ["model"]
    assert "One series per model (3 values)." in text
    assert "No label takes the model of 1 record, which is rejected." in text
    assert "Not told apart" not in read


@pytest.mark.parametrize(("faults", "taken"), [(15, ["model"]), (16, None)])
def test_a_label_is_one_with_faults_in_a_twentieth_of_its_records(faults, taken):
    assert told(lambda number: {"model": "no name" if number < faults else f"m{number % 3}"})[0] == taken


def test_nothing_is_merged_where_there_is_one_value():
    _, text, read = told(lambda _: {"model": "some model"})
    assert "Not a label: model" in text
    assert MERGED not in text
    assert "Not told apart" not in read


def test_a_text_of_few_values_without_a_telling_name_is_named_but_nobody_meant_it_to_tell_series_apart():
    _, text, read = told(lambda number: {"city": ("New York", "Rome")[number % 2]})
    assert "Not a label: city (values with characters" in text
    assert "Not told apart" not in read


def test_versions_may_be_numbers_with_a_point_and_dates():
    assert told(lambda number: {"version": 1.5 + number % 2})[0] == ["version"]
    assert told(lambda number: {"version": f"2024-05-0{1 + number % 3}", "ts": 1.75e9 + number})[0] == ["version"]


def test_what_inspection_counts_as_rejected_the_codec_rejects():
    bad = ["", "a b", None, [1], "x" * 129, "__other__"]
    records = [
        {"log_p": p, "log_q": q, "model": bad[number] if number < len(bad) else f"m{number % 2}"}
        for number, (p, q) in enumerate(World().sequences(200, 5))
    ]
    (label,) = inspected(records).labels
    paths = {"log_p": "log_p", "log_q": "log_q"}
    decoder = compile_decoder(Format(label_names=("model",), require_time=False, paths=paths))
    rejected = decoder.decode(batch([json.dumps(each).encode() for each in records])).rejected
    assert label.chosen
    assert label.values == 2
    assert label.refused == rejected["label"].count == len(bad)

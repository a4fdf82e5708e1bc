"""The JSON of the API against its own OpenAPI document, key by key in both directions, and against the board."""

import json
import math
import time
from dataclasses import replace

import numpy as np
import pytest

from daemon.health import Readiness
from daemon.history import COLUMNS, extended
from daemon.verdicts import verdicts
from daemon.web.openapi import openapi_json
from daemon.web.status import history_json, status_json
from tests.daemon.board_examples import published
from tests.daemon.series_boards import NOW, board, series
from tests.daemon.series_boards import published as publish

NOT_READY = Readiness(ready=False, reasons=("starting",))
TYPES = {"string": str, "boolean": bool, "array": list, "object": dict, "null": type(None)}


def with_history(value):
    """The published value, each stream with three points."""
    draw = np.random.default_rng(1)
    streams = []
    for stream in value.streams:
        history = None
        for second in range(3):
            newest = draw.random((len(COLUMNS), len(stream.keys)))
            newest[:, 0] = [np.nan, np.inf, 0.1][second]
            newest[-1] = draw.choice([0.0, 1.0, np.nan], len(stream.keys))
            history = extended(history, NOW + second, stream.shown_direction, stream.keys, newest)
        streams.append(replace(stream, history=history))
    return replace(value, streams=tuple(streams))


DOCUMENT = json.loads(openapi_json("1.2.3"))
VALUE = with_history(published())
ANSWERS = {
    "/api/v1/status": (status_json(VALUE, NOT_READY, "1.2.3"), status_json(None, NOT_READY, "1.2.3")),
    "/api/v1/history": (history_json(VALUE, "1.2.3"), history_json(None, "1.2.3")),
}


def resolved(schema):
    """The schema that a reference names."""
    while "$ref" in schema:
        name = schema["$ref"].removeprefix("#/components/schemas/")
        schema = DOCUMENT["components"]["schemas"][name]
    return schema


def problems(value, schema, path="$"):
    """Where a value is not what the schema says; a key that the schema does not name is a problem too."""
    schema = resolved(schema)
    unknown = set(schema) - {"title", "description", "type", "properties", "required", "items", "anyOf", "enum",
                             "additionalProperties"}  # fmt: skip
    assert not unknown, unknown  # this checker would not see a rule that it does not know
    if "anyOf" in schema:
        found = [problems(value, each, path) for each in schema["anyOf"]]
        return min(found, key=len)
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{path}: {value!r} is none of {schema['enum']}"]
    kind = schema["type"]
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = {"number": number, "integer": number and isinstance(value, int)}.get(kind)
    if not (isinstance(value, TYPES[kind]) if fits is None else fits):
        return [f"{path}: {value!r} is no {kind}"]
    if kind == "array":
        return [
            each for place, item in enumerate(value) for each in problems(item, schema["items"], f"{path}[{place}]")
        ]
    if kind == "object":
        return list(_object_problems(value, schema, path))
    return []


def _object_problems(value, schema, path):
    named = schema.get("properties", {})
    for key in set(schema.get("required", ())) - set(value):
        yield f"{path}: {key} is missing"
    assert set(named) == set(schema.get("required", ()))
    for key, item in value.items():
        if key in named:
            yield from problems(item, named[key], f"{path}.{key}")
        elif isinstance(schema.get("additionalProperties"), dict):
            yield from problems(item, schema["additionalProperties"], f"{path}.{key}")
        else:
            yield f"{path}: {key} is not in the document"


@pytest.mark.parametrize("path", sorted(ANSWERS))
def test_real_answers_are_what_the_openapi_document_says(path):
    schema = DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    for answer in ANSWERS[path]:
        assert problems(json.loads(answer), schema) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda told: told["streams"][0]["series"][0].pop("verdict"),
        lambda told: told.update(ready="yes"),
        lambda told: told["streams"][0].update(more=1),
        lambda told: told["streams"][0]["series"][0]["verdict"].update(state="fine"),
        lambda told: told["streams"][0]["series"][0]["windows"][0]["reverse"]["naive"].update(value="1"),
        lambda told: told["streams"][0]["records_rejected"].update(late=None),
    ],
)
def test_an_answer_that_is_not_what_the_document_says_is_found(spoil):
    told = json.loads(ANSWERS["/api/v1/status"][0])
    spoil(told)
    assert len(problems(told, {"$ref": "#/components/schemas/Status"})) == 1


def test_the_document_is_openapi_3_1_with_every_reference_resolved_and_every_type_used():
    assert (DOCUMENT["openapi"], DOCUMENT["info"]["title"], DOCUMENT["info"]["version"]) == ("3.1.0", "Klaxon", "1.2.3")
    named, left = set(), [DOCUMENT["paths"]]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            if (name := node.get("$ref", "").rpartition("/")[2]) and name not in named:
                named.add(name)
                left.append(DOCUMENT["components"]["schemas"][name])
            left.extend(node.values())
        elif isinstance(node, list):
            left.extend(node)
    assert named == set(DOCUMENT["components"]["schemas"])
    for operation in (path["get"] for path in DOCUMENT["paths"].values()):
        assert operation["summary"].endswith(".")
        assert operation["responses"]["200"]["description"]


def test_every_series_has_its_verdict():
    told = json.loads(ANSWERS["/api/v1/status"][0])
    for stream, shown in zip(VALUE.streams, told["streams"], strict=True):
        for verdict, each in zip(verdicts(stream), shown["series"], strict=True):
            assert each["verdict"] == {
                "state": verdict.state,
                "sentence": verdict.sentence,
                "severity": verdict.severity,
                "direction": verdict.direction,
            }


def test_the_history_has_every_point_of_the_board():
    told = json.loads(ANSWERS["/api/v1/history"][0])
    for stream, shown in zip(VALUE.streams, told["streams"], strict=True):
        history = stream.history
        assert shown["timestamps_seconds"] == history.timestamp_seconds.tolist()
        assert shown["since_timestamp_seconds"] == NOW
        assert (shown["direction"], shown["long_window"], shown["short_window"]) == (history.direction, "1h", "5m")
        for row, each in enumerate(shown["series"]):
            assert tuple(each["labels"].values()) == history.keys[row]
            for name in ("value", "lower", "upper", "short_value"):
                expected = history.of(name)[:, row].tolist()
                assert each[name] == [number if math.isfinite(number) else None for number in expected]
            flags = history.of("comparable")[:, row].tolist()
            assert each["comparable"] == [None if math.isnan(flag) else flag == 1 for flag in flags]


def test_the_history_of_one_stream_is_that_stream():
    told = json.loads(history_json(VALUE, "1", "bandit"))
    assert [stream["name"] for stream in told["streams"]] == ["bandit"]


def test_a_thousand_series_are_written_in_a_moment():
    value = publish(board(*[series()] * 1000))
    started = time.perf_counter()
    told = json.loads(status_json(value, NOT_READY, "1"))
    assert time.perf_counter() - started < 2
    assert len(told["streams"][0]["series"]) == 1000

"""streams[]: what may be written for one topic."""

import json
import math

import pytest

from daemon.codec import Format, compile_decoder


@pytest.mark.parametrize("name", ["pairs", "a.b-c_D9", "_private", "9lives", "x" * 249])
def test_a_topic_is_what_kafka_accepts_and_names_its_stream(load_text, name):
    stream = load_text(f"kafka: {{bootstrap_servers: [a:1], group_id: g}}\nstreams: [{{topic: {name}}}]").streams[0]
    assert (stream.topic, stream.name) == (name, name)


@pytest.mark.parametrize("name", ["''", ".", "..", "a b", "a/b", "x" * 250, "'a\n'", "Ünicode"])
def test_another_topic_or_name_is_refused(problems, name):
    kafka = "kafka: {bootstrap_servers: [a:1], group_id: g}\n"
    assert "streams[0].topic" in problems(f"{kafka}streams: [{{topic: {name}}}]")
    if name != "''":
        assert list(problems(f"{kafka}streams: [{{topic: pairs, name: {name}}}]")) == ["streams[0].name"]


@pytest.mark.parametrize("label", ["model", "Version_2", "_x"])
def test_series_labels_are_prometheus_label_names(stream, label):
    assert stream(f"series_labels: [{label}]").series_labels == (label,)


@pytest.mark.parametrize(
    "label",
    [
        *("stream", "window", "direction", "estimator", "versus", "moment", "severity", "reason", "topic", "partition"),
        *("le", "quantile", "job", "instance", "__name__", "__x"),
        *("1a", "a-b", "a.b", "''", "a b"),
    ],
)
def test_reserved_and_impossible_label_names_are_refused(stream_problems, label):
    assert list(stream_problems(f"series_labels: [{label}]")) == ["series_labels[0]"]


def test_a_label_is_there_once_and_has_a_path_only_if_it_is_there(stream_problems, stream):
    assert "`a` is there twice" in stream_problems("series_labels: [a, b, a]")["series_labels"]
    assert "`c`" in stream_problems("series_labels: [a], paths: {labels: {c: x}}")["series_labels"]
    assert stream("series_labels: [a], paths: {labels: {a: x.y}}").paths.labels == {"a": "x.y"}
    assert stream("preset: prime-rl, paths: {labels: {env_name: x}}").paths.labels == {"env_name": "x"}


@pytest.mark.parametrize(
    "path", ["''", "a..b", ".a", "a.", "$.a", "5", "[a]", "'a[x]'", "'[0]'", "'a[0]b'", "'a[100]'"]
)
def test_a_field_path_is_names_joined_by_dots(stream_problems, stream, path):
    assert list(stream_problems(f"paths: {{log_p: {path}}}")) == ["paths.log_p"]
    assert stream("paths: {log_p: response.log-probs, time: ts}").paths.log_p == "response.log-probs"
    assert stream("paths: {log_p: 'a\\.b\\..c'}").paths.log_p == "a\\.b\\..c"


@pytest.mark.parametrize("path", ["c\\[0\\]", 'a"b', "a\\b", "a\tb", "a\\"])
def test_a_path_that_the_decoder_cannot_take_is_refused_with_its_key(stream_problems, path):
    told = stream_problems(f"paths: {{log_p: {json.dumps(path)}, labels: {{a: {json.dumps(path)}}}}}")
    assert list(told) == ["paths.log_p", "paths.labels.a"]
    assert "a quote, a control character, or a backslash" in told["paths.log_p"]


def test_a_path_has_50_names_and_no_more(stream_problems, stream):
    path = ".".join(["a"] * 50)
    assert stream(f"paths: {{log_p: {path}}}").paths.log_p == path
    compile_decoder(Format(paths={"log_p": path, "log_q": "b"}))
    assert "more than 50 names" in stream_problems(f"paths: {{log_p: {path}.a}}")["paths.log_p"]


@pytest.mark.parametrize("path", ["a[0].b", "a[].b[1:][0]", "a[][]", "a\\[0]"])
def test_a_field_path_may_go_through_arrays(stream, path):
    assert stream(f"paths: {{log_p: '{path}'}}").paths.log_p == path


@pytest.mark.parametrize("path", ["a[].b", "a[1:]"])
@pytest.mark.parametrize("key", ["time", "sampler", "drop_probability", "uniform_over", "labels"])
def test_where_one_value_is_needed_a_path_has_no_every_item(stream, stream_problems, key, path):
    written = f"{{x: '{path}'}}" if key == "labels" else f"'{path}'"
    place = f"paths.{key}{'.x' if key == 'labels' else ''}"
    assert stream_problems(f"series_labels: [x], paths: {{{key}: {written}}}") == {
        place: f"`{path}` means many values, but one is needed here; write `[0]` for the first item"
    }
    assert "many values" in stream_problems(f"where: {{'{path}': x}}")["where"]
    assert stream("where: {'a[0].b': x}").where == {"a[0].b": ("x",)}


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("{env: prod}", {"env": ("prod",)}),
        ("{env: [prod, test], n: 3}", {"env": ("prod", "test"), "n": (3,)}),
        ("{ok: true, x: 1.5}", {"ok": (True,), "x": (1.5,)}),
        ("{'header:type': pair, 'header:v': 3}", {"header:type": ("pair",), "header:v": (3,)}),
    ],
)
def test_where_selects_by_one_value_or_several(stream, written, values):
    assert stream(f"where: {written}").where == values


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("{env: []}", "where.env"),
        ("{env: null}", "where.env"),
        ("{env: {a: b}}", "where.env"),
        ("{env: [a, [b]]}", "where.env"),
        ("{env: .nan}", "where.env"),
        ("{'a..b': x}", "where"),
        ("{'header:': x}", "where"),
        ("[a]", "where"),
    ],
)
def test_a_selection_of_another_form_is_refused(stream_problems, written, path):
    assert list(stream_problems(f"where: {written}")) == [path]


@pytest.mark.parametrize(
    ("written", "nats"), [("e", 1.0), ("2", math.log(2)), ("10", math.log(10)), ("'1.5'", 0.4054651081)]
)
def test_a_log_base_gives_the_nats_of_its_unit(stream, written, nats):
    assert stream(f"log_base: {written}").nats_per_unit == pytest.approx(nats, rel=1e-9)


@pytest.mark.parametrize("base", ["1", "0", "-2", ".inf", ".nan", "true", "ln", "null", "[2]", "1" + "0" * 400])
def test_another_log_base_is_refused(stream_problems, base):
    assert list(stream_problems(f"log_base: {base}")) == ["log_base"]


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ("sentinel_below: 0", "sentinel_below"),
        ("sentinel_below: -.inf", "sentinel_below"),
        ("sentinel_below: -1.5e308", "sentinel_below"),
        ("positive_tolerance: -1", "positive_tolerance"),
        ("positive_tolerance: .inf", "positive_tolerance"),
        ("positive_tolerance: true", "positive_tolerance"),
        ("format: avro", "format"),
        ("preset: gpt", "preset"),
        ("sampled_from: r", "sampled_from"),
        ("kind: continuous", "kind"),
        ("time_unit: minutes", "time_unit"),
        ("resolution: float64", "resolution"),
        ("resolution: 'decimals:0'", "resolution"),
        ("resolution: 'decimals:18'", "resolution"),
        ("expected_delay: 5", "expected_delay"),
        ("keyed_by_series: sometimes", "keyed_by_series"),
        ("thresholds: [{nats: 0}]", "thresholds[0].nats"),
        ("thresholds: [{nats: .inf}]", "thresholds[0].nats"),
        ("thresholds: [{}]", "thresholds[0].nats"),
        ("thresholds: [{nats: 1, severity: 'a b'}]", "thresholds[0].severity"),
        ("thresholds: [{nats: 1, direction: up}]", "thresholds[0].direction"),
        ("thresholds: [{nats: 1}, {nats: 2}]", "thresholds"),
        ("paths: {labels: {model: 5}}", "paths.labels.model"),
    ],
)
def test_a_value_out_of_its_range_is_refused_at_its_own_path(problems, keys, path):
    kafka = "kafka: {bootstrap_servers: [a:1], group_id: g}\n"
    found = problems(f"{kafka}streams: [{{topic: pairs, {keys}}}]")
    assert list(found) == [f"streams[0].{path}"]


def test_values_in_range_are_taken(stream):
    taken = stream(
        "name: other, format: msgpack-f32, preset: prime-rl, sampled_from: p, kind: density, time_unit: ms, "
        "sentinel_below: -100, positive_tolerance: 0, resolution: 'decimals:6', expected_delay: 1h, "
        "keyed_by_series: true, "
        "thresholds: [{nats: 0.05}, {nats: 0.2, severity: critical, direction: forward}]"
    )
    assert (taken.name, taken.format, taken.preset, taken.sampled_from) == ("other", "msgpack-f32", "prime-rl", "p")
    assert (taken.kind, taken.time_unit, taken.sentinel_below, taken.positive_tolerance) == ("density", "ms", -100, 0)
    assert (taken.resolution, taken.expected_delay.total_seconds(), taken.keyed_by_series) == ("decimals:6", 3600, True)
    assert [(each.severity, each.direction, each.nats) for each in taken.thresholds] == [
        ("warning", "reverse", 0.05),
        ("critical", "forward", 0.2),
    ]


def test_a_preset_can_tell_what_was_written_from_what_is_a_default(stream):
    assert not stream().written("series_labels")
    assert stream("series_labels: []").written("series_labels")
    assert not stream().written("resolution")


def test_a_path_may_be_false_for_a_field_of_the_presets_name_that_means_something_else(stream, stream_problems):
    paths = stream("paths: {time: false, mask: null, log_p: lp}").paths
    assert (paths.time, paths.mask, paths.log_p) == (False, None, "lp")
    told = stream_problems("paths: {time: true, weight: 1}")
    assert told == dict.fromkeys(
        ("paths.time", "paths.weight"), "write a field path, or false if the preset's field is not to be read"
    )

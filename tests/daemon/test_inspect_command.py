"""`klaxond inspect`: what it prints, what it never prints, and that what is pasted from it loads."""

import gzip
import json
import re
import time

import numpy as np
import pytest

from daemon.collect_series import Exports
from daemon.inspection.cost import cost_of
from estimators.spec import StreamSpec, WindowSpec
from tests.daemon.inspection_worlds import World
from tests.fixtures.presets import make

CANARY = "canary-4711"
TITLES = ("Shape", "Sampler", "Logarithms", "Mask", "Values", "Precision", "Time", "Labels", "Cost")


@pytest.fixture
def written(tmp_path):
    """Write records, one a line."""

    def write(records, name="log.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(each) + "\n" for each in records))
        return path

    return write


def pasted(out, folder):
    """Write the configuration that is the end of what was printed, without its indent, into a file."""
    text = out[out.index("  kafka: ") :]
    path = folder / "klaxon.yaml"
    path.write_text(re.sub("^  ", "", text, flags=re.MULTILINE))
    return path


def telling(count=150):
    """Records under unknown names with canaries wherever content may stand."""
    return [
        {
            "alpha": p,
            "beta": q,
            "note": f"{CANARY}-{number % 3}",
            "who": f"{CANARY}@x.com",
            CANARY: 1,
            "flags": [1] * 40,
        }
        if number % 50 == 0
        else {"alpha": p, "beta": q, "note": f"{CANARY}-{number % 3}", "who": f"{CANARY}{number}", "flags": [1] * 40}
        for number, (p, q) in enumerate(World().sequences(count))
    ]


@pytest.mark.parametrize("name", list(make.CASES) + list(make.BANDITS))
def test_the_printed_configuration_of_every_producers_log_passes_check(klaxond, tmp_path, name):
    status, out, err = klaxond("inspect", "--input", make.path_of(name))
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines() if line.startswith(TITLES)] == list(TITLES)
    status, checked, err = klaxond("check", "--config.file", pasted(out, tmp_path))
    assert (status, err) == (0, "")
    assert "stream pairs: reads topic pairs" in checked


def test_what_was_found_of_unknown_names_passes_check_too(klaxond, written, tmp_path):
    _, out, _ = klaxond("inspect", "--input", written(telling()))
    config = pasted(out, tmp_path)
    assert "log_q: beta" in config.read_text()
    assert klaxond("check", "--config.file", config)[0] == 0


@pytest.mark.parametrize("output", ["table", "json"])
def test_nothing_of_a_records_content_is_printed(klaxond, written, output):
    status, out, err = klaxond("inspect", "--input", written(telling()), "--output", output)
    assert status == 0
    assert "note" in out
    assert CANARY not in out + err


@pytest.mark.parametrize("name", ["log.jsonl", "log.csv", "log.txt"])
def test_nothing_of_a_file_of_another_kind_is_printed(klaxond, tmp_path, name):
    path = tmp_path / name
    path.write_text("".join(f"2024-05-01 INFO user {CANARY} logged in, {CANARY}\n" for _ in range(40)))
    status, out, err = klaxond("inspect", "--input", path)
    assert status == 2
    assert CANARY not in out + err


def test_the_narrow_terminal_and_the_pipe_get_lines_that_fit(klaxond, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    _, out, _ = klaxond("inspect", "--input", make.path_of("vllm"))
    sentences = out[: out.index("The configuration")]
    assert max(map(len, sentences.splitlines()[1:])) <= 60


def test_json_holds_the_finding_the_cost_and_the_configuration(klaxond):
    _, out, _ = klaxond("inspect", "--input", make.path_of("sglang"), "--output", "json")
    made = json.loads(out)
    assert made["fits"]
    assert made["preset"] == "sglang"
    assert made["sampler"]["q"]["fit"] == "below"
    assert made["sampler"]["support_gap"] == pytest.approx(0.1, abs=0.01)
    assert made["time"]["messages_per_minute"] is None
    assert made["cost"]["series"] == 1
    assert "preset: sglang" in made["configuration"]


def test_the_truncated_sampler_the_swapped_sides_and_the_missing_mask_are_said_in_words(klaxond, tmp_path):
    _, out, _ = klaxond("inspect", "--input", make.path_of("sglang"))
    assert "It can never draw outcomes that carry 10.1 % of p's mass" in " ".join(out.split())
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\n".join(make.lines("verl", swapped=True, masked=False)))
    _, out, _ = klaxond("inspect", "--input", path)
    said = " ".join(out.split())
    assert "The names say q: the data are believed" in said
    assert "41.4 % of the pairs are exactly 0.0 on both sides: placeholders, so a mask is missing" in said
    assert "sampled_from: p # by the data; the names say q" in said


def test_too_few_pairs_are_said_to_be_too_few_with_how_many_are_needed(klaxond, written):
    records = [{"logp": p, "logq": q} for p, q in World(scale=0.02).sequences(20)]
    _, out, _ = klaxond("inspect", "--input", written(records))
    said = " ".join(out.split())
    assert re.search(
        r"The data cannot tell yet; about [\d,]+ pairs are needed\. q is taken for the sampler by its name", said
    )


def test_standard_input_is_read_and_fewer_records_may_be_asked_for(klaxond):
    lines = b"\n".join(make.lines("verl"))
    status, out, _ = klaxond("inspect", "--input", "-", "--records", "100", stdin=lines)
    assert status == 0
    assert out.startswith("standard input: 100 records looked at, CSV or JSON")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("notes.txt", "hello\nworld\n", "1 record looked at, CSV"),
        ("notes", '{"a": 1}\n{"a": 2}\n', "2 records looked at, JSON"),
        ("rows.csv.gz", "\N{ZERO WIDTH NO-BREAK SPACE}a,b\n1,2\n3,4\n", "2 records looked at, CSV"),
    ],
)
def test_the_kind_of_a_file_is_told_as_it_was_read(klaxond, tmp_path, name, text, told):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    _, out, _ = klaxond("inspect", "--input", path)
    assert out.startswith(f"{path}: {told}\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "write --input FILE, or --topic TOPIC"),
        (("--topic", "t"), "--bootstrap-servers HOST:PORT"),
        (("--input", "x.jsonl", "--topic", "t"), "leave --topic"),
        (("--topic", "no topic!", "--bootstrap-servers", "127.0.0.1:1"), "streams[0].topic"),
    ],
)
def test_flags_that_do_not_go_together_are_told(klaxond, arguments, words):
    status, out, err = klaxond("inspect", *arguments)
    assert (status, out) == (2, "")
    assert words in err


def test_an_empty_file_and_a_broker_that_is_not_there_are_faults_outside(klaxond, tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    assert klaxond("inspect", "--input", empty)[0] == 3
    status, _, err = klaxond("inspect", "--topic", "t", "--bootstrap-servers", "127.0.0.1:1")
    assert status == 3
    assert "127.0.0.1:1 refuses connections" in err


@pytest.mark.kafka
def test_a_topic_is_inspected_from_all_partitions_without_a_group(klaxond, kafka_broker, tmp_path):
    topic = f"inspect-{time.time_ns()}"
    kafka_broker.create_topic(topic, 2)
    values = make.lines("verl")
    now_ms = time.time_ns() // 1_000_000
    for partition in (0, 1):
        part = values[partition::2]
        kafka_broker.produce(topic, part, partition, [now_ms + 10 * at for at in range(len(part))])
    groups = set(kafka_broker.groups()) if hasattr(kafka_broker, "groups") else None
    arguments = ("inspect", "--topic", topic, "--bootstrap-servers", kafka_broker.bootstrap_servers)
    status, out, err = klaxond(*arguments)
    assert (status, err) == (0, "")
    assert f"topic {topic}: {len(values)} records looked at, JSON" in out
    assert f"topic: {topic}" in out.replace('"', "")
    assert "messages a minute" in " ".join(out.split())  # the line may end between any two words
    if groups is not None:
        assert set(kafka_broker.groups()) == groups
    _, out, _ = klaxond(*arguments, "--records", "20")
    assert "20 records looked at" in out
    config = tmp_path / "klaxond.yaml"
    config.write_text(
        f"kafka: {{bootstrap_servers: ['{kafka_broker.bootstrap_servers}'], group_id: klaxond}}\n"
        f"streams: [{{topic: {topic}}}]\n"
    )
    status, out, _ = klaxond("inspect", "--config.file", config)
    assert status == 0
    assert "Preset verl" in out


@pytest.mark.kafka
def test_a_topic_without_records_and_one_that_is_not_there_are_told_apart(klaxond, kafka_broker):
    topic = f"empty-{time.time_ns()}"
    kafka_broker.create_topic(topic, 1)
    servers = kafka_broker.bootstrap_servers
    status, _, err = klaxond("inspect", "--topic", topic, "--bootstrap-servers", servers)
    assert status == 3
    assert f"topic {topic} holds no record yet" in err
    status, _, err = klaxond("inspect", "--topic", "nobody-made-it", "--bootstrap-servers", servers)
    assert status == 3
    assert "know no topic nobody-made-it" in err


def test_prometheus_series_are_counted_as_the_catalogue_has_them():
    """With w windows, both directions and two estimators: by hand from the metrics of section 7."""
    for windows in (1, 3):
        spec = StreamSpec(windows=tuple(WindowSpec(f"{n}h", n * 3_600_000_000) for n in range(1, windows + 1)))
        cost = cost_of(spec, Exports(), series=5, labels=1, bytes_per_series=10, seconds_per_record=1e-6)
        per_window = (
            (2 * 2 + 1) + 3 * 2 + 2 + 2 + 2 * 2 + 6 + 2 + 1
        )  # values, errors, pane, lambda, ratios, checks, counts
        per_series = 5 + 2 + 2  # counters, sums by direction, stamps
        assert cost.samples_per_series == windows * per_window + per_series
        assert cost.samples == 5 * cost.samples_per_series + cost.samples_besides
        assert cost.bytes == 50


def test_two_columns_of_one_name_are_refused(klaxond, tmp_path):
    path = tmp_path / "twice.csv"
    path.write_text("a,b,a\n0.5,0.4,0.5\n")
    status, _, err = klaxond("inspect", "--input", path)
    assert status == 2
    assert "column 3" in err


def test_a_configuration_for_a_log_that_neither_side_drew_says_so_and_loads(klaxond, written, tmp_path):
    draw = np.random.default_rng(1)
    logits = draw.normal(-2, 1, 8000)
    one, other = (1 / (1 + np.exp(-each)) for each in (logits, logits + draw.normal(0, 0.5, 8000)))
    records = [{"prob_a": a, "prob_b": b} for a, b in zip(one.tolist(), other.tolist(), strict=True)]
    _, out, _ = klaxond("inspect", "--input", written(records))
    assert "# neither side was drawn from" in out
    assert klaxond("check", "--config.file", pasted(out, tmp_path))[0] == 0


def test_a_field_of_the_presets_name_with_another_meaning_is_not_read_by_the_printed_configuration(
    klaxond, written, tmp_path
):
    """Times without a zone, and a mask that is a word: read as the canonical record's they would reject each record."""
    records = [{"ts": "2026-01-01 10:00:00", "mask": "no", "logp": p, "logq": q} for p, q in World().sequences(200)]
    path = written(records)
    _, out, _ = klaxond("inspect", "--input", path)
    assert "time: false" in out
    assert "mask: false" in out
    assert "ts holds times without a zone" in " ".join(out.split())
    status, made, _ = klaxond(
        "replay", "--input", path, "--config.file", pasted(out, tmp_path), "--window", "all", "--output", "json"
    )
    made = json.loads(made)
    assert (status, made["records"], made["rejected"]) == (0, 200, {})

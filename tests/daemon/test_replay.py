"""`klaxond replay`: a file's numbers against a second program that computes them from the file's own text."""

import csv
import gzip
import io
import json
import math
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from tests.e2e.recomputation import Ring, adaptive, closed_form, window

ROOT = Path(__file__).parents[2]
LOG = ROOT / "daemon" / "data" / "open_bandit_bts.csv.gz"
WHOLE_LOG = ("replay", "--input", str(LOG), "--preset", "open-bandit", "--window", "all")
MINUTE_US = 60_000_000
CANONICAL = ("--preset", "canonical")
SLIDING = (*CANONICAL, "--window", "sliding")


def blocks_of(messages):
    """Single messages, neighbours merged at the moment the 120th block is complete, and so on."""
    size, blocks = 1, [[]]
    for message in messages:
        if len(blocks[-1]) == size:
            blocks.append([])
        blocks[-1].append(message)
        if len(blocks) == 120 and len(blocks[-1]) == size:
            blocks, size = [one + two for one, two in zip(blocks[::2], blocks[1::2], strict=True)], 2 * size
    return blocks


@pytest.fixture(scope="module")
def log_truth():
    """Per campaign what the real log comes to, from its text, by plain Python."""
    with gzip.open(LOG, "rt") as lines:
        rows = list(csv.DictReader(lines))
    truth = {}
    for campaign in ("all", "men"):
        ratios = [
            math.log(float(row["uniform_probability"])) - math.log(float(row["propensity_score"]))
            for row in rows
            if row["campaign"] == campaign
        ]
        blocks = blocks_of([(1.0, math.expm1(u), math.expm1(u) - u, u) for u in ratios])
        rows_of_sums = [row[:3] for block in blocks for row in block]
        value, error = adaptive(blocks, 0, len(blocks))
        truth[campaign] = closed_form(rows_of_sums) | {"adaptive": value, "adaptive_se": error, "blocks": len(blocks)}
    return truth


def test_the_recomputation_itself_gives_the_published_figures(log_truth):
    everyone, men = log_truth["all"], log_truth["men"]
    rounded = {
        name: round(everyone[name], 4) for name in ("naive", "fixed", "fitted", "ratio_mean", "fixed_se", "fitted_se")
    }
    assert rounded == {
        "naive": 1.4206, "fixed": 1.4317, "fitted": 1.4218,
        "ratio_mean": 1.0111, "fixed_se": 0.0495, "fitted_se": 0.0129,
    }  # fmt: skip
    assert (everyone["adaptive"], everyone["adaptive_se"]) == pytest.approx((1.4105315825616056, 0.01417769539444686))
    assert (men["adaptive"], men["adaptive_se"]) == pytest.approx((1.2101090004925947, 0.01207512242735908))


def test_the_real_log_equals_its_recomputation(replayed, log_truth):
    found = replayed(*WHOLE_LOG[1:])
    assert [series["labels"] for series in found["series"]] == [{"campaign": "all"}, {"campaign": "men"}]
    assert (found["records"], found["rejected"]) == (20_000, {})
    for series in found["series"]:
        truth, reverse = log_truth[series["labels"]["campaign"]], series["reverse"]
        for estimator in ("naive", "fixed", "fitted", "adaptive"):
            assert reverse[estimator]["value"] == pytest.approx(truth[estimator], rel=1e-9)
        for estimator in ("fixed", "fitted", "adaptive"):
            assert reverse[estimator]["standard_error"] == pytest.approx(truth[f"{estimator}_se"], rel=1e-9)
            columns = reverse[estimator]
            assert columns["lower"] < columns["value"] < columns["upper"]
        assert series["ratio_mean"] == pytest.approx(truth["ratio_mean"], rel=1e-12)
        assert series["support_gap"] == pytest.approx(1 - truth["ratio_mean"], rel=1e-9)
        assert (series["window"], series["comparable"], series["infinite"]) == ("all", None, False)
        assert (series["messages"], series["pairs"], series["blocks"]) == (10_000, 10_000, truth["blocks"])


def test_the_json_has_the_documented_keys_and_no_others(replayed):
    found = replayed(*WHOLE_LOG[1:])
    assert set(found) == {"read_as", "series", "records", "rejected", "conclusion", "notes"}
    assert found["read_as"] == {"preset": "open-bandit", "by": "flag", "sampled_from": "q"}
    estimate = {"value", "standard_error", "lower", "upper"}
    for series in found["series"]:
        assert set(series) == {
            "labels", "window", "messages", "pairs", "blocks", "ratio_mean", "ratio_zscore", "support_gap",
            "comparable", "infinite", "effective_sample_ratio", "reverse", "forward",
            "verdict", "total_variation", "certain_pairs", "placeholders",
        }  # fmt: skip
        assert set(series["total_variation"]) == estimate
        for direction in ("reverse", "forward"):
            assert set(series[direction]) == {
                "naive", "fixed", "fitted", "adaptive", "k2", "lambda", "pane_standard_error", "variance_ratio",
            }  # fmt: skip
            assert set(series[direction]["variance_ratio"]) == {"naive", "fixed"}
            assert all(set(series[direction][each]) == estimate for each in ("naive", "fixed", "fitted", "adaptive"))
        assert series["forward"]["k2"] is None  # of the sampler's side only


def test_as_a_program_in_a_pipe_it_prints_json_alone():
    ran = subprocess.run(
        [sys.executable, "-m", "daemon", *WHOLE_LOG, "--output", "json"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert json.loads(ran.stdout)["records"] == 20_000


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz", "log.jsonl", "log.jsonl.gz", "-"])
def test_every_way_to_hand_over_a_file_gives_the_same(replayed, tmp_path, name):
    with gzip.open(LOG, "rt") as lines:
        rows = list(csv.DictReader(lines))[:400]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    numbers = ("propensity_score", "uniform_probability")
    jsonl = "".join(json.dumps({**row, **{key: float(row[key]) for key in numbers}}) + "\n" for row in rows)
    content = (text.getvalue() if "csv" in name else jsonl).encode()
    (tmp_path / "reference.csv").write_text(text.getvalue())
    reference = replayed("--input", tmp_path / "reference.csv", "--preset", "open-bandit", "--window", "all")
    if name == "-":
        found = replayed("--input", "-", "--preset", "open-bandit", "--window", "all", stdin=content)
    else:
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        found = replayed("--input", path, "--preset", "open-bandit", "--window", "all")
    assert found == reference
    assert reference["records"] == 400


# Sliding windows


def test_sliding_windows_end_at_the_largest_event_time_and_equal_a_recomputation(replayed, windows_file):
    path, config, messages = windows_file
    found = replayed("--input", path, "--config.file", config)
    assert [(series["labels"]["model"], series["window"]) for series in found["series"]] == [
        (model, label) for model in ("ranker", "reader") for label in ("10m", "30m", "1h")
    ]
    newest = max(message.event_us for message in messages)
    counts = set()
    for label, minutes in (("10m", 10), ("30m", 30), ("1h", 60)):
        ring = Ring(minutes * MINUTE_US)
        end = Fraction((ring.pane(newest) + 1) * ring.length_us, ring.panes * 1_000_000)
        expected = window(messages, ring, end)
        for series in (each for each in found["series"] if each["window"] == label):
            truth = expected[series["labels"]["model"], "1"]
            assert series["messages"] == truth["messages"]
            counts.add(series["messages"])
            for estimator in ("naive", "fixed", "fitted", "adaptive"):
                assert series["reverse"][estimator]["value"] == pytest.approx(truth[estimator], rel=1e-9)
            assert series["reverse"]["adaptive"]["standard_error"] == pytest.approx(truth["adaptive_se"], rel=1e-9)
            assert series["ratio_mean"] == pytest.approx(truth["ratio_mean"], rel=1e-12)
    assert len(counts) == 6, "the windows must differ, else the comparison proves little"


def test_windows_end_at_the_largest_event_time_wherever_in_the_file_it_is(replayed, windows_file, traffic, tmp_path):
    _, config, _ = windows_file
    lines = [json.dumps(record) + "\n" for record in traffic(minutes=60)[0]]
    newest_last, newest_first = tmp_path / "last.jsonl", tmp_path / "first.jsonl"
    newest_last.write_text("".join(lines))
    newest_first.write_text("".join(reversed(lines)))
    found, expected = (replayed("--input", path, "--config.file", config) for path in (newest_first, newest_last))
    assert found["rejected"] == {}
    for one, other in zip(found["series"], expected["series"], strict=True):
        assert (one["labels"], one["window"], one["messages"]) == (other["labels"], other["window"], other["messages"])


def test_sliding_windows_without_configuration_are_the_defaults_and_the_labels_model_and_version(
    replayed, windows_file
):
    path, _, messages = windows_file
    found = replayed("--input", path, *SLIDING)
    assert [series["window"] for series in found["series"]] == ["5m", "1h", "24h"] * 2
    assert {tuple(series["labels"]) for series in found["series"]} == {("model", "version")}
    day = [series["messages"] for series in found["series"] if series["window"] == "24h"]
    assert sum(day) == len(messages) == found["records"]


def test_an_event_is_late_by_the_files_own_clock(replayed, windows_file, tmp_path):
    path, config, messages = windows_file
    newest = max(message.event_us for message in messages)
    late = {"model": "ranker", "version": "1", "ts": newest - 100 * MINUTE_US, "logp": -1.0, "logq": -1.1}
    longer = tmp_path / "late.jsonl"
    longer.write_text(path.read_text() + json.dumps(late) + "\n")
    found, before = (replayed("--input", each, "--config.file", config) for each in (longer, path))
    assert found["rejected"] == {"late": 1}
    for one, other in zip(found["series"], before["series"], strict=True):
        assert one | {"total_variation": None} == other | {"total_variation": None}


@pytest.mark.parametrize("arguments", [SLIDING, CANONICAL], ids=["sliding", "all"])
def test_every_reject_is_counted_by_its_reason(replayed, tmp_path, arguments):
    good = {"model": "m", "version": "1", "ts": 1700000000, "logp": -1.0, "logq": -1.2}
    records = [
        good,
        good | {"logp": [-1.0, -2.0], "logq": [-1.1]},  # length_mismatch
        good | {"model": "two words"},  # label
        good | {"logp": [-1.0, None], "logq": [-1.2, -1.0]},  # a pair: sentinel
        good | {"logp": 1.0},  # a pair: positive, and so the record: empty
    ]
    path = tmp_path / "bad.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records) + "{not json\n")
    found = replayed("--input", path, *arguments)
    assert found["records"] == 6
    assert found["rejected"] == {
        "empty": 1, "label": 1, "length_mismatch": 1, "positive": 1, "sentinel": 1, "syntax": 1,
    }  # fmt: skip
    assert {series["messages"] for series in found["series"]} == {2}


def test_a_delay_that_records_have_on_their_way_moves_no_window_of_a_file(replayed, windows_file, tmp_path):
    path, config, _ = windows_file
    delayed = tmp_path / "delayed.yaml"
    delayed.write_text(config.read_text().replace("{topic: pairs", "{topic: pairs, expected_delay: 20m"))
    found, plain = (replayed("--input", path, "--config.file", each)["series"] for each in (delayed, config))
    for one, other in zip(found, plain, strict=True):
        assert (one["messages"], one["reverse"]["fixed"]) == (other["messages"], other["reverse"]["fixed"])


def test_series_beyond_the_cap_are_counted_together_and_it_is_said(klaxond, replayed, windows_file, tmp_path):
    path, config, messages = windows_file
    capped = tmp_path / "capped.yaml"
    capped.write_text(config.read_text() + "max_series_per_partition: 1\n")
    series = replayed("--input", path, "--config.file", capped)["series"]
    assert "__other__" in {each["labels"]["model"] for each in series}
    others = sum(message.key[0] != messages[0].key[0] for message in messages)
    _, out, _ = klaxond("replay", "--input", path, "--config.file", capped)
    assert f"More than 1 series: {others} messages are counted as __other__." in out


def test_records_that_are_not_meant_are_said_and_not_rejected(klaxond, replayed, windows_file, tmp_path):
    path, config, messages = windows_file
    chosen = tmp_path / "chosen.yaml"
    chosen.write_text(config.read_text().replace("{topic: pairs", "{topic: pairs, where: {model: ranker}"))
    found = replayed("--input", path, "--config.file", chosen)
    assert ({each["labels"]["model"] for each in found["series"]}, found["rejected"]) == ({"ranker"}, {})
    ignored = sum(message.key[0] != "ranker" for message in messages)
    _, out, _ = klaxond("replay", "--input", path, "--config.file", chosen)
    assert f"Not selected by `where`: {ignored} records." in out

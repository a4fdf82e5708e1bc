"""What `klaxond replay` prints for people and spreadsheets, and its faults as sentences."""

import csv
import io
import json
import math
import os
import pty
import random
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.layout import number
from daemon.presets import PRESETS

ROOT = Path(__file__).parents[2]
LOG = ROOT / "daemon" / "data" / "open_bandit_bts.csv.gz"
CANONICAL = ("--preset", "canonical")
SLIDING = (*CANONICAL, "--window", "sliding")
WHOLE_LOG = ("replay", "--input", str(LOG), "--preset", "open-bandit", "--window", "all")


def test_a_terminal_sees_how_far_the_reading_is():
    """A pipe does not: the standard error of the run in a pipe above is empty."""
    outer, inner = pty.openpty()
    ran = subprocess.run(
        [sys.executable, "-m", "daemon", *WHOLE_LOG],
        check=False,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=inner,
        timeout=60,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(inner)
    said = os.read(outer, 100_000).decode()
    os.close(outer)
    assert ran.returncode == 0
    assert "reading" in said
    assert "/" + "260.2 kB" in said


def test_csv_has_one_row_per_series_window_direction_and_estimator(klaxond, replayed, windows_file):
    path, config, _ = windows_file
    status, out, _ = klaxond("replay", "--input", path, "--config.file", config, "--output", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (status, len(rows)) == (0, 6 * 2 * 4)
    numbers = {
        (each["labels"]["model"], each["window"]): each
        for each in replayed("--input", path, "--config.file", config)["series"]
    }
    for row in rows:
        truth = numbers[row["model"], row["window"]]
        for name in ("value", "standard_error", "lower", "upper"):
            assert float(row[name]) == truth[row["direction"]][row["estimator"]][name]
        assert int(row["messages"]) == truth["messages"]
        assert row["comparable"] == {True: "true", False: "false", None: ""}[truth["comparable"]]


def test_the_table_ends_with_how_far_apart_how_sure_and_comparable_or_not(klaxond):
    status, out, err = klaxond(*WHOLE_LOG, "--output", "table")
    assert (status, err) == (0, "")
    table, words = out.strip().split("\n\n")
    assert table.count("KL(q||p)") == 2
    assert table.count("KL(p||q)") == 2
    for figure in ("1.411", "1.210", "1.0111"[:5], "unclear"):
        assert figure in table
    for part in ("campaign all", "1.41 nats", "95 %", "undecided", "1.011 ± 0.054"):
        assert part in words


def test_pairs_that_fail_the_self_check_are_named_and_naive_is_to_be_read_first(klaxond, replayed, tmp_path):
    """A sampler cut to two outcomes: the other side's mass on them is 0.6, not 1, and that is the ratio mean."""
    draw = random.Random(1)
    path = tmp_path / "truncated.jsonl"
    p, q = (0.2, 0.4), (0.45, 0.55)
    drawn = draw.choices((0, 1), q, k=3000)
    lines = [{"model": "m", "version": "1", "p": p[x], "q": q[x]} for x in drawn]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    series = replayed("--input", path, *CANONICAL)["series"][0]
    assert series["comparable"] is False
    naive, fixed = series["reverse"]["naive"], series["reverse"]["fixed"]
    truth = sum(b * math.log(b / a) for a, b in zip(p, q, strict=True))
    assert abs(naive["value"] - truth) < 4 * naive["standard_error"]
    assert series["ratio_mean"] == pytest.approx(0.6, abs=0.01)
    assert fixed["value"] == pytest.approx(naive["value"] - series["support_gap"], rel=1e-9)
    _, out, _ = klaxond("replay", "--input", path, *CANONICAL)
    assert "NO" in out
    assert "not comparable" in out
    assert "Read sampler-side naive first, that is naive KL(q||p)" in out


def test_an_outcome_that_the_other_side_excludes_shows_as_infinite_and_not_as_a_number(klaxond, replayed, tmp_path):
    path = tmp_path / "zero.jsonl"
    lines = [{"model": "m", "version": "1", "p": 0.25 if row else 0.0, "q": 0.3} for row in range(50)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    series = replayed("--input", path, *CANONICAL)["series"][0]
    assert series["infinite"] is True
    assert series["reverse"]["naive"]["value"] is None
    assert series["forward"]["naive"]["value"] is not None
    _, out, _ = klaxond("replay", "--input", path, *CANONICAL)
    assert "KL(q||p) is infinite" in out
    assert "infinite" in out.split("\n\n")[1]
    _, out, _ = klaxond("replay", "--input", path, *CANONICAL, "--output", "csv")
    naive = {row["direction"]: row for row in csv.DictReader(io.StringIO(out)) if row["estimator"] == "naive"}
    assert (naive["reverse"]["value"], naive["reverse"]["standard_error"]) == ("inf", "")
    assert math.isfinite(float(naive["forward"]["value"]))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1630.6, "1631"),
        (1.0, "1.000"),
        (0.5, "0.5000"),
        (123456.0, "1.235e+05"),
        (-9999.0, "-9999"),
        (None, "-"),
        (-0.0, "0.000"),
    ],
)
def test_a_number_has_four_digits_and_no_bare_point(value, text):
    assert number(value) == text


def test_few_messages_are_shown_with_all_windows_and_said_to_mean_little(klaxond, replayed, tmp_path):
    path = tmp_path / "few.jsonl"
    path.write_text('{"model": "m", "version": "1", "ts": 1700000000, "logp": -1.0, "logq": -1.2}\n' * 5)
    assert replayed("--input", path, *CANONICAL)["series"][0]["reverse"]["fixed"]["value"] is not None
    _, out, _ = klaxond("replay", "--input", path, *CANONICAL)
    assert "Fewer than 30 messages" in out
    sliding = replayed("--input", path, *SLIDING)["series"]
    assert [(each["messages"], each["reverse"]["fixed"]["value"]) for each in sliding] == [(5, None)] * 3


# What the numbers do not say

GOOD = {"model": "m", "version": "1", "ts": 1_700_000_000, "logp": -1.0, "logq": -1.2}


@pytest.fixture
def written(tmp_path):
    """Write records as JSON lines."""

    def write(*records):
        path = tmp_path / "records.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return path

    return write


def test_messages_before_the_longest_window_are_said_to_be_left_out(klaxond, replayed, written):
    old = [GOOD | {"ts": GOOD["ts"] - hours * 3600} for hours in range(200, 40, -20)]
    path = written(*old, GOOD, GOOD)
    inside = [each["messages"] for each in replayed("--input", path, *SLIDING)["series"] if each["window"] == "24h"]
    assert inside == [2]
    note = (
        "8 of 10 messages are older than the longest window (24h), which ends at 2023-11-14T22:24:00Z; "
        "--window all takes all."
    )
    _, table, _ = klaxond("replay", "--input", path, *SLIDING)
    _, rows, notes = klaxond("replay", "--input", path, *SLIDING, "--output", "csv")
    assert note in table
    assert f"note: {note}" in notes
    assert "older" not in rows
    assert "older" not in klaxond("replay", "--input", path, *CANONICAL)[1]


def test_a_file_that_one_window_holds_needs_no_note(klaxond, written):
    path = written(*[GOOD | {"ts": GOOD["ts"] + second} for second in range(40)])
    assert klaxond("replay", "--input", path, *SLIDING, "--output", "json")[2] == ""


def test_a_time_far_ahead_is_told_with_its_line(klaxond, written):
    ahead = GOOD | {"ts": 1_900_000_000}
    path = written(GOOD, GOOD, ahead, *[GOOD] * 2500)  # two batches
    _, out, _ = klaxond("replay", "--input", path, *SLIDING)
    assert "jump ahead by more than the longest window (24h)" in out
    assert "2030-03-17T17:46:40Z, is at line 3" in out
    assert "2502 of 2503 messages are older" in out
    assert "jump" not in klaxond("replay", "--input", written(GOOD, GOOD), *SLIDING)[1]


@pytest.mark.parametrize("arguments", [SLIDING, CANONICAL], ids=["sliding", "all"])
def test_each_reason_is_told_with_the_first_line_and_what_is_wrong_there(klaxond, written, arguments):
    unpaired, lopsided = {**GOOD, "logq": None}, GOOD | {"logp": [-1.0, -2.0], "logq": [-1.1]}
    del unpaired["logq"]
    path = written(GOOD, lopsided, unpaired, GOOD | {"logp": [2.0, -1.0], "logq": [-1.0, -1.0]}, unpaired, lopsided)
    _, out, _ = klaxond("replay", "--input", path, *arguments)
    records = next(line for line in out.splitlines() if line.startswith("Rejected records: "))
    assert "2 length_mismatch (first at line 2: the arrays of the two sides differ in length)" in records
    assert "2 schema (first at line 3: the record does not hold both sides" in records
    assert records.endswith("; of 6.")
    assert (
        "Rejected pairs: 1 positive (a log-probability above 0; are these probabilities, or logits?); 33.3 % of 3."
        in out.splitlines()
    )


def test_the_first_place_is_that_of_the_file_and_not_of_a_later_batch(klaxond, written):
    path = written(*[GOOD] * 1500, GOOD | {"model": "two words"}, *[GOOD] * 1000, GOOD | {"model": "two words"})
    _, out, _ = klaxond("replay", "--input", path, *SLIDING)
    assert "Rejected records: 2 label (first at line 1501: " in out


def test_rows_of_csv_are_counted_below_the_header(klaxond, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("model,version,logp,logq\nm,1,-1,-1.1\nm,1,-1\n")
    _, out, _ = klaxond("replay", "--input", path, *CANONICAL)
    assert "1 schema (first at row 2: " in out


@pytest.mark.parametrize("arguments", [SLIDING, CANONICAL], ids=["sliding", "all"])
@pytest.mark.parametrize("output", ["table", "json", "csv"])
def test_a_file_of_which_nothing_can_be_used_is_a_usage_fault_after_the_output(klaxond, written, output, arguments):
    path = written({"trainer": -1.0}, GOOD | {"logp": 1.0})
    status, out, err = klaxond("replay", "--input", path, "--output", output, *arguments)
    assert status == 2
    assert "the first fault is schema at line 1: the record does not hold both sides" in err
    assert f"--preset NAME ({', '.join(PRESETS)})" in err
    if output == "json":
        found = json.loads(out)
        assert (found["series"], found["records"]) == ([], 2)
        assert found["rejected"] == {"empty": 1, "positive": 1, "schema": 1}
        assert found["conclusion"] == ["No pair could be used."]
    elif output == "csv":
        assert out.startswith("model,version,window,")
    else:
        assert "No pair could be used." in out


@pytest.mark.parametrize(
    ("record", "advice"),
    [
        (GOOD | {"ts": "2024-05-01 12:00:00"}, "Write times as numbers or with an offset"),
        (GOOD | {"model": "a b"}, "Name other series_labels"),
        (GOOD | {"logp": [-1.0] * 65_537, "logq": [-1.0] * 65_537}, "Allow more by max_record_bytes"),
        (GOOD | {"sampled_from": "p"}, "Set sampled_from"),
        (GOOD | {"weight": 0}, "Look at its mask, and at the rejected pairs above"),
        ({"price": 1}, "Try another --preset"),
    ],
)
def test_the_advice_is_about_the_fault(klaxond, written, record, advice):
    status, _, err = klaxond("replay", "--input", written(record), *CANONICAL)
    assert status == 2
    assert advice in err


def test_one_window_needs_no_time_even_where_a_field_of_that_name_holds_none(klaxond, written):
    draw = random.Random(1)
    p, q = (0.2, 0.8), (0.4, 0.6)
    drawn = draw.choices((0, 1), q, k=300)
    lines = [{"ts": "2024-05-01 12:00:00", "p": p[x], "q": q[x]} for x in drawn]
    status, out, err = klaxond("replay", "--input", written(*lines))
    assert (status, err) == (0, "")
    assert "Rejected" not in out
    assert "300" in out


def test_a_selection_of_nothing_is_a_usage_fault_that_names_it(klaxond, windows_file, tmp_path):
    path, config, messages = windows_file
    chosen = tmp_path / "chosen.yaml"
    chosen.write_text(config.read_text().replace("{topic: pairs", "{topic: pairs, where: {model: nobody}"))
    status, _, err = klaxond("replay", "--input", path, "--config.file", chosen)
    assert status == 2
    assert f"`where` selects none of the {len(messages)}" in err


# Faults are sentences


def fault(klaxond, *arguments):
    status, out, err = klaxond("replay", *arguments)
    assert out == ""
    assert "Traceback" not in err
    return status, err


def test_a_file_without_times_names_the_option_that_reads_it(klaxond, tmp_path):
    path = tmp_path / "timeless.jsonl"
    path.write_text('{"model": "m", "version": "1", "logp": -1.0, "logq": -1.2}\n' * 3)
    status, err = fault(klaxond, "--input", path, *SLIDING)
    assert status == 2
    assert "--window all" in err


def test_some_records_without_a_time_are_rejected_and_the_option_that_reads_them_is_named(klaxond, replayed, tmp_path):
    path = tmp_path / "some.jsonl"
    timeless = {"model": "m", "version": "1", "logp": -1.0, "logq": -1.2}
    path.write_text("".join(json.dumps(line) + "\n" for line in (timeless | {"ts": 1700000000}, timeless, timeless)))
    assert replayed("--input", path, *SLIDING)["rejected"] == {"timestamp": 2}
    assert "Without a time: 2 records; --window all" in klaxond("replay", "--input", path, *SLIDING)[1]
    assert replayed("--input", path, *CANONICAL)["rejected"] == {}


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--input", "/nowhere/at/all.jsonl"), 3, "all.jsonl"),
        (("--input", str(LOG), "--preset", "open-bandid"), 2, "open-bandit"),
        (
            ("--input", str(LOG), "--window", "5m"),
            2,
            "'--window': `5m` is unknown; write `all` or `sliding`; sliding windows are",
        ),
        (("--input", str(LOG), "--window", "5m"), 2, "--config.file"),
        (("--input", str(LOG), "--output", "xml"), 2, "'--output': `xml` is unknown; write `table`, `json` or `csv`"),
        (("--input", str(LOG), "--config.file", "/nowhere/klaxond.yaml"), 2, "klaxond.yaml"),
    ],
    ids=["no_file", "no_such_preset", "no_such_window", "no_such_window_advice", "no_such_output", "no_configuration"],
)
def test_a_wrong_argument_is_answered_by_what_to_write(klaxond, arguments, status, words):
    found, err = fault(klaxond, *arguments)
    assert found == status
    assert words in err


def test_of_several_streams_one_must_be_named(klaxond, replayed, windows_file, tmp_path):
    path, config, _ = windows_file
    two = tmp_path / "two.yaml"
    two.write_text(config.read_text().replace("streams: [", "streams: [{topic: other, series_labels: [version]}, "))
    status, err = fault(klaxond, "--input", path, "--config.file", two)
    assert status == 2
    assert "--stream" in err
    assert "other, pairs" in err
    named = replayed("--input", path, "--config.file", two, "--stream", "pairs")
    assert named == replayed("--input", path, "--config.file", config)


def test_preset_and_configuration_exclude_each_other(klaxond, windows_file):
    path, config, _ = windows_file
    status, err = fault(klaxond, "--input", path, "--config.file", config, "--preset", "canonical")
    assert status == 2
    assert "--preset" in err


def test_of_very_many_series_the_table_has_the_furthest_apart_and_says_so(klaxond, replayed, written):
    lines = [GOOD | {"model": f"m{k}", "logp": -1.0 - k / 1000, "logq": -1.0} for k in range(250) for _ in range(2)]
    path = written(*lines)
    _, out, _ = klaxond("replay", "--input", path, *CANONICAL)
    table = out.split("\n\n")[1] if out.startswith("The whole") else out.split("\n\n")[0]
    shown = {line.split()[0] for line in table.splitlines() if line.startswith("m") and "KL(" in line}
    assert {f"m{k}" for k in range(150, 250)} == shown - {"model"}
    assert "These are the 100 furthest apart of 250 series; --output csv has all." in out
    assert len(replayed("--input", path, *CANONICAL)["series"]) == 250


def test_a_narrow_terminal_keeps_naive_where_it_is_the_one_to_read():
    """Elsewhere it does without it, and keeps adaptive."""
    shown = {}
    for name in ("sglang", "vllm"):
        ran = subprocess.run(
            [sys.executable, "-m", "daemon", "replay", "--input", f"tests/fixtures/presets/{name}.jsonl.gz"],
            check=True,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "COLUMNS": "80", "TTY_COMPATIBLE": "1", "TERM": "dumb", "NO_COLOR": "1"},
        )
        shown[name] = next(line for line in ran.stdout.splitlines() if "window  KL" in line)
    assert "naive" in shown["sglang"]
    assert ("naive" in shown["vllm"], "adaptive" in shown["vllm"]) == (False, True)

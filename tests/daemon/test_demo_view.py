"""What the demo shows of a status: every number beside its truth, on any width, and as JSON."""

import io
import json

import pytest
from rich.console import Console

from daemon.demo.pairs import Truth
from daemon.demo.rows import has_estimates, rows_of
from daemon.demo.view import header, live, report, table

TRUTHS = {
    ("tokens", ("writer", "1")): Truth({"reverse": 0.0022, "forward": 0.0023}),
    ("bandit", ("all",)): Truth({"reverse": None, "forward": None}),
}


def window(value, label="10s", **other):
    estimate = {"value": value, "standard_error": 0.0001, "lower": 0.0020, "upper": 0.0024}
    absent = dict.fromkeys(estimate)
    side = dict.fromkeys(("naive", "fixed", "fitted", "adaptive"), estimate if value is not None else absent)
    return {
        "window": label, "messages": 40, "pairs": 1600, "ratio_mean": None if value is None else 1.0004,
        "comparable": True, "infinite": False, "reverse": side, "forward": side,
    } | other  # fmt: skip


def status(*windows):
    return {
        "streams": [
            {"name": "bandit", "series": [{"labels": {"campaign": "all"}, "windows": list(windows)}]},
            {"name": "tokens", "series": [{"labels": {"model": "writer", "version": "1"}, "windows": list(windows)}]},
        ]
    }


def shown(rows, width):
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(table(rows, width))
    return console.file.getvalue()


def test_each_series_and_window_is_a_row_with_its_truth():
    rows = rows_of(status(window(0.0021), window(0.0022, "1m")), TRUTHS)
    assert [(row.series, row.window) for row in rows] == [
        ("bandit all", "10s"), ("bandit all", "1m"), ("tokens writer 1", "10s"), ("tokens writer 1", "1m"),
    ]  # fmt: skip
    assert [row.truth.kl_nats["reverse"] for row in rows] == [None, None, 0.0022, 0.0022]
    text = shown(rows, 140)
    assert "unknown" in text
    assert "0.002200" in text


def test_before_the_first_answer_there_is_nothing_to_show():
    assert rows_of(None, TRUTHS) == []
    assert not has_estimates([])
    assert not has_estimates(rows_of(status(window(None)), TRUTHS))
    assert has_estimates(rows_of(status(window(0.002)), TRUTHS))


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_a_table_fits_the_terminal_and_keeps_adaptive_and_truth(width):
    text = shown(rows_of(status(window(0.0021)), TRUTHS), width)
    assert all(len(line.rstrip()) <= width for line in text.splitlines())
    assert "…" not in text
    for kept in ("adaptive", "truth", "verdict", "0.002100"):
        assert kept in text
    assert ("naive" in text) == (width >= 120)
    assert ("± error" in text) == (width >= 80)


@pytest.mark.parametrize(
    ("change", "word"),
    [({}, "comparable"), ({"comparable": None}, "unclear"), ({"comparable": False}, "NOT COMPARABLE"),
     ({"infinite": True}, "INFINITE")],
)  # fmt: skip
def test_the_verdict_is_in_words(change, word):
    assert word in shown(rows_of(status(window(0.0021, **change)), TRUTHS), 140)


def test_a_series_without_an_estimate_yet_waits():
    text = shown(rows_of(status(window(None)), TRUTHS), 140)
    assert "waiting" in text


def test_a_series_that_nobody_knows_has_no_truth():
    strange = {"streams": [{"name": "tokens", "series": [{"labels": {"model": "x"}, "windows": [window(0.1)]}]}]}
    assert rows_of(strange, TRUTHS)[0].truth.kl_nats == {"reverse": None, "forward": None}


def test_the_report_has_the_last_value_of_every_series_window_direction_and_estimator():
    made = report(rows_of(status(window(0.0021)), TRUTHS), live_after_s=6.5, seconds=30.0)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert len(made["series"]) == 2 * 1 * 2 * 4
    forward = [each for each in made["series"] if each["stream"] == "tokens" and each["direction"] == "forward"]
    assert {each["estimator"] for each in forward} == {"naive", "fixed", "fitted", "adaptive"}
    assert forward[0] | {"estimator": "any"} == {
        "stream": "tokens", "labels": {"model": "writer", "version": "1"}, "window": "10s", "direction": "forward",
        "estimator": "any", "value": 0.0021, "standard_error": 0.0001, "lower": 0.0020, "upper": 0.0024,
        "truth": 0.0023, "messages": 40, "pairs": 1600, "ratio_mean": 1.0004, "ratio_mean_truth": 1.0,
        "comparable": True, "infinite": False,
    }  # fmt: skip


def test_the_live_screen_names_what_to_open():
    lines = header("127.0.0.1:1234", "127.0.0.1:5678", "embedded")
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    console.print(live(lines, rows_of(status(window(0.0021)), TRUTHS), "a note", 100))
    text = console.file.getvalue()
    for kept in ("http://127.0.0.1:1234/metrics", "127.0.0.1:5678", "a note", "Ctrl-C"):
        assert kept in text

"""What the demo shows: every number beside its truth, on any terminal, in a pipe, and as JSON."""

import io
import json
from collections import deque
from dataclasses import replace

import pytest
from rich.console import Console

from daemon.demo.exactness import Restart
from daemon.demo.glyphs import glyphs_for, sparkline
from daemon.demo.narrative import clock
from daemon.demo.report import report
from daemon.demo.rows import has_estimates, look_at
from daemon.demo.scenarios import SCENARIOS
from daemon.demo.state import DemoState
from daemon.demo.story import FalseAlarm, Progress
from daemon.demo.tables import series_table, values_table
from daemon.demo.view import PlainView, addresses, header, live
from tests.daemon.demo_rows import ALONE, BEGAN, TOLD, ledger_of, look, row, status, window

UNICODE, ASCII = glyphs_for("utf-8"), glyphs_for("ascii")


def state(*windows, **other):
    made = DemoState(BEGAN, "story", 7, "127.0.0.1:29000", "127.0.0.1:29001", "embedded", pid=4711, **other)
    made.take_in(look(*(windows or [window()])))
    return made


def shown(renderable, width=140):
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(renderable)
    return console.file.getvalue()


def in_the_middle():
    """A story with an answer, a step that was missed, a false alarm and a restart."""
    made = state(window(label="5s"), window(), window(label="1m"), seconds=40.0, live_after_seconds=4.0)
    calm, broken, healed = SCENARIOS["story"].steps[:3]
    made.progress += [
        Progress(calm, BEGAN, BEGAN + 4.2, 4.2, row(), ended_seconds=BEGAN + 16, last=row(window="5s")),
        Progress(broken, BEGAN + 16, missed=True),
        Progress(healed, BEGAN + 31),
    ]
    made.false_alarms.append(FalseAlarm(BEGAN + 12, ALONE, "drift", "Drift: not so."))
    made.restarts.append(Restart(BEGAN + 33, 11, 12, BEGAN + 42, row(), 30))
    return made


def test_each_series_and_window_is_a_row_with_its_truth():
    rows = look(window(label="5s"), window()).rows
    assert [(each.series, each.window) for each in rows] == [
        ("bandit all", "5s"), ("bandit all", "15s"), ("tokens writer 1", "5s"), ("tokens writer 1", "15s"),
        ("tokens writer 2", "5s"), ("tokens writer 2", "15s"),
    ]  # fmt: skip
    assert [each.truth.kl_nats["reverse"] for each in rows] == [None, None, 0.0022, 0.0022, 0.0022, 0.0022]
    text = shown(values_table(rows, 140))
    assert "unknown" in text
    assert "0.002200" in text


@pytest.mark.parametrize(("end", "sent"), [(8.0, 40), (6.0, 20), (9.5, 35), (12.85, 1), (13.0, None)])
def test_what_was_sent_is_of_the_same_seconds_as_the_window(end, sent):
    """40 messages, 100 ms apart, the last one 100 ms before 8.0; the window is 5 s wide."""
    found = look(window(label="5s"), end=BEGAN + end).of(TOLD, "5s").sent
    assert (found.messages if found else None) == sent


def test_before_the_first_publish_there_is_nothing_to_show():
    assert look_at({"timestamp_seconds": None, "streams": []}, ledger_of()) is None
    assert not has_estimates(look(window(None)).rows)
    assert has_estimates(look(window()).rows)
    assert "waiting" in shown(live(DemoState(BEGAN, "story", 7, seconds=3.0), 80, 24, UNICODE))


def test_a_series_that_the_demo_did_not_send_has_no_truth():
    strange = status(window())
    strange["streams"][1]["series"][0]["labels"] = {"model": "x"}
    assert look_at(strange, ledger_of()).rows[1].truth.kl_nats == {"reverse": None, "forward": None}


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_tables_fit_the_terminal_and_keep_what_matters_most(width):
    made = state()
    made.history = {key: deque([0.002] * 80) for key in made.history}
    values, verdicts = values_table(made.rows, width), series_table(made, width, UNICODE)
    text = shown(values, width) + shown(verdicts, width)
    assert all(len(line.rstrip()) <= width for line in text.splitlines())
    for kept in ("adaptive", "truth", "0.002100", "klaxond says", "self-check", "quiet", "passed", "15s value", "█"):
        assert kept in text
    for column, least in (("fixed", 60), ("naive", 60), ("ratio mean", 80), ("95 % interval", 100), ("lambda", 100)):
        assert width < least or column in text
    assert ("sent" in text) == (width >= 120)


def test_several_windows_are_named_line_by_line_and_one_in_the_head():
    several = shown(values_table(look(window(label="5s"), window()).rows, 80))
    assert [line.split()[:4] for line in several.splitlines()[:3]] == [
        ["series", "window", "adaptive", "truth"],
        ["bandit", "all", "5s", "0.002100"],
        ["15s", "0.002100", "unknown", "0.002100"],
    ]
    assert shown(values_table(look(window()).rows, 80)).startswith("over 15s ")


@pytest.mark.parametrize(
    ("comparable", "word"), [(True, "passed"), (None, "unclear"), (False, "FAILED")],
)  # fmt: skip
def test_the_self_check_is_in_words(comparable, word):
    assert word in shown(series_table(state(window(comparable=comparable)), 140, UNICODE))


def test_the_estimate_to_read_is_stressed_naive_where_the_pairs_are_not_comparable():
    for comparable, read in ((True, 1), (None, 1), (False, 5)):
        table = values_table(look(window(comparable=comparable)).rows, 140)
        cells = [next(iter(column.cells)) for column in table.columns]
        assert [index for index, cell in enumerate(cells) if cell.style == "bold"] == [read]


def test_the_truth_is_green_where_the_interval_holds_it():
    for truth, style in ((0.0022, "green"), (0.0025, "")):
        inside = replace(row().sent, truth=replace(row().truth, kl_nats={"reverse": truth, "forward": None}))
        table = values_table([row(sent=inside)], 140)
        assert next(iter(table.columns[3].cells)).style == style


@pytest.mark.parametrize("size", [(60, 24), (80, 24), (100, 30), (140, 45), (60, 45), (200, 60)])
def test_a_screen_fits_the_terminal_with_tables_addresses_and_the_newest_of_the_story(size):
    width, height = size
    lines = shown(live(in_the_middle(), width, height, UNICODE), width).splitlines()
    assert len(lines) < height
    assert all(len(line) <= width for line in lines)
    text = " ".join(" ".join(lines).split())
    for kept in (
        "http://127.0.0.1:29000/",
        "/metrics",
        "/api/v1/status",
        "kill -9 4711",
        "tokens writer 2",
        "Back after",
    ):
        assert kept in text
    assert ("tokens writer 2 5s" in text) == (height >= 40)


def test_a_screen_without_room_for_the_whole_story_shows_its_end():
    text = " ".join(shown(live(in_the_middle(), 60, 24, UNICODE), 60).split())
    assert "All is calm" not in text
    assert "All is calm" in " ".join(shown(live(in_the_middle(), 200, 60, UNICODE), 200).split())


def test_the_story_tells_what_was_done_what_was_seen_and_what_was_missed():
    text = " ".join(shown(live(in_the_middle(), 200, 60, UNICODE), 200).split())
    for part in (
        "0:00 • All is calm",
        "0:04 ✓ Seen by klaxond after 4.2 s. Quiet: nothing to tell.",
        "0:12 ✗ Without cause: Drift: not so.",
        "The 5s window holds only this by now: adaptive is 0.002100 nats (truth 0.002200).",
        "0:31 ✗ klaxond did not say so within 15 s: expected not_comparable.",
        "klaxond (PID 11) was killed",
        "the same numbers",
    ):
        assert part in text
    ended, made = text.index("holds only this by now"), text.index("The log breaks")
    assert ended < made, "what ended a step comes before the next one"


def test_a_pipe_gets_every_sentence_once_a_table_now_and_then_and_nothing_else():
    console = Console(file=io.StringIO(), width=140, force_terminal=False)
    view, made = PlainView(console, 140), in_the_middle()
    for seconds in (5.0, 6.0, 14.0, 15.5):
        made.seconds = seconds
        view.show(made)
    made.seconds = 16.0
    view.end(made)
    text = console.file.getvalue()
    assert "\x1b" not in text
    assert text.count("Seen by klaxond after 4.2 s") == 1
    assert [line for line in text.splitlines() if line.startswith("after ")] == [
        "after 5 s",
        "after 16 s",
        "after 16 s",
    ]
    assert all(line in text for line in header(made, 140))
    assert text.count("kill -9") == 2, "the last table invites nobody: the demo has ended"


def test_lines_fit_a_terminal_whose_cursor_cannot_move():
    console = Console(file=io.StringIO(), width=80, force_terminal=False)
    PlainView(console, 60).show(in_the_middle())
    assert all(len(line) <= 60 for line in console.file.getvalue().splitlines() if "http://" not in line)


def test_an_encoding_without_the_characters_gets_others():
    made = in_the_middle()
    text = shown(live(made, 140, 45, ASCII), 140) + shown(series_table(made, 140, glyphs_for("latin-1")), 140)
    text.encode("ascii")
    assert glyphs_for("no such encoding") == ASCII
    assert len(set(ASCII.levels)) == len(ASCII.levels) == len(UNICODE.levels)


def test_a_sparkline_shows_the_newest_values_from_zero_to_the_largest():
    assert sparkline([0, 0.5, 1, 2, 4], 8, UNICODE.levels) == "▁▂▃▅█"
    assert sparkline([9, 1, 1], 2, UNICODE.levels) == "██"
    assert sparkline([1, None, 1], 8, UNICODE.levels) == "█ █"
    assert sparkline([0, 0], 8, UNICODE.levels) == "▁▁"
    assert sparkline([None], 8, UNICODE.levels) == " "


def test_history_goes_on_with_a_gap_where_a_series_is_gone():
    made = state()
    gone = status(window())
    gone["streams"][1]["series"].pop()
    made.take_in(look_at(gone, ledger_of()))
    assert list(made.history[TOLD]) == [0.0021, None]
    assert list(made.history[ALONE]) == [0.0021, 0.0021]


def test_addresses_are_written_out_where_there_is_room():
    assert addresses("h:1", 90) == "http://h:1/   http://h:1/metrics   http://h:1/api/v1/status"
    assert len(addresses("127.0.0.1:29000", 60)) <= 60
    assert [clock(seconds) for seconds in (0, 59.9, 60, 754)] == ["0:00", "0:59", "1:00", "12:34"]


def test_the_report_has_each_step_with_its_time_truth_estimate_and_verdict():
    made = report(in_the_middle())
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    calm, broken, healed = made["steps"]
    assert (calm["seen"], calm["at_seconds"], calm["delay_seconds"]) == (True, 0, 4.2)
    assert calm["answer"]["state"] == "quiet"
    assert (calm["answer"]["truth"], calm["answer"]["estimate"]["adaptive"]["value"]) == (0.0022, 0.0021)
    assert calm["at_end"]["window"] == "5s"
    assert (broken["seen"], broken["answer"], broken["expects"]) == (False, None, "not_comparable")
    assert (healed["seen"], healed["seen_after_seconds"]) == (False, None)
    assert made["false_alarms"][0]["series"] == "tokens writer 1"
    assert made["restarts"][0] | {"killed_at_seconds": 0} == {
        "killed_at_seconds": 0, "back_after_seconds": 9.0, "pid": 11, "new_pid": 12, "window": "15s", "messages": 40,
        "messages_sent": 40, "messages_sent_before": 30, "equal": True,
    }  # fmt: skip


def test_the_report_has_the_last_value_of_every_series_window_direction_and_estimator():
    made = report(state())
    assert len(made["series"]) == 3 * 1 * 2 * 4
    forward = [each for each in made["series"] if each["stream"] == "tokens" and each["direction"] == "forward"]
    assert {each["estimator"] for each in forward} == {"naive", "fixed", "fitted", "adaptive"}
    assert forward[0] | {"estimator": "any"} == {
        "stream": "tokens", "labels": {"model": "writer", "version": "1"}, "window": "15s", "direction": "forward",
        "estimator": "any", "value": 0.0021, "standard_error": 0.0001, "lower": 0.0020, "upper": 0.0024,
        "truth": 0.0023, "lambda": 0.97, "messages": 40, "messages_sent": 40, "pairs": 1600, "ratio_mean": 1.0004,
        "ratio_mean_truth": 1.0, "comparable": True, "infinite": False, "state": "quiet",
    }  # fmt: skip

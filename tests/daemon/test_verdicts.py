"""Verdicts: the rule of the README's alerts, evaluated here in plain Python, and the words for it."""

import math
import random
from dataclasses import replace

import pytest

from daemon.board import Threshold
from daemon.drift_rule import STATES, judge
from daemon.verdicts import verdicts
from tests.daemon.series_boards import NAN, SILENT, WARNING, WITHHELD, board, series

INF = float("inf")
DRIFTED = {"value": 0.05, "lower": 0.048, "upper": 0.052}


def only(made):
    """The verdict of the one series."""
    (verdict,) = verdicts(made)
    return verdict


def alarm_of_the_readme(stream, row, threshold):
    """KlaxonDrift with a threshold of its own, sample by sample; NaN is a sample that does not exist."""
    short, long = stream.windows
    side = long.estimates.of(threshold.direction)
    value, now = side.adaptive.value[row], short.estimates.of(threshold.direction).adaptive.value[row]
    errors = [e for e in (side.adaptive.standard_error[row], side.pane_standard_error[row]) if not math.isnan(e)]
    if math.isnan(value) or math.isnan(now) or not errors or value == 0:
        return False
    if not value * math.exp(min(-4 * max(errors) / value, 700)) > threshold.nats:
        return False
    return now > threshold.nats and long.estimates.comparable[row] != 0


def random_series(draw):
    """Numbers around the threshold, absent ones and infinity among them."""

    def number(scale):
        return draw.choice([NAN, scale * 10 ** draw.uniform(-1.5, 1.5)])

    def window():
        return {
            "value": draw.choice([number(0.01), number(0.02), -0.001, 0.0, INF]),
            "forward": draw.choice([number(0.01), number(0.02)]),
            "error": number(0.003),
            "pane_error": number(0.003),
            "comparable": draw.choice([0.0, 1.0, NAN]),
            "infinite": draw.choice([0.0, 0.0, 0.0, 1.0]),
        }

    return series(window(), window())


def test_a_drift_is_what_the_alert_rule_of_the_readme_fires_on():
    thresholds = (WARNING, Threshold("critical", "reverse", 0.02), Threshold("page", "forward", 0.015))
    draw = random.Random(1)
    made = board(*(random_series(draw) for _ in range(4000)), thresholds=thresholds)
    found = verdicts(made)
    fired = 0
    for row, verdict in enumerate(found):
        passed = [threshold for threshold in thresholds if alarm_of_the_readme(made, row, threshold)]
        infinite = made.windows[1].estimates.infinite[row] == 1
        expected = max(passed, key=lambda threshold: threshold.nats) if passed and not infinite else None
        assert (verdict.state == "drift") == (expected is not None)
        assert verdict.severity == (expected and expected.severity)
        if expected is not None:
            assert verdict.direction == expected.direction
            fired += 1
    assert fired > 150
    assert {"infinite", "not_comparable", "no_data", "quiet"} <= {verdict.state for verdict in found}


def test_a_stream_with_one_window_takes_it_for_both():
    (row,) = [series(DRIFTED, DRIFTED)]
    assert only(board((row[1],), windows=(("1h", 3600.0),))).state == "drift"


@pytest.mark.parametrize(
    ("row", "state"),
    [
        (series(), "quiet"),
        (series(**DRIFTED), "drift"),
        (series(long=DRIFTED), "quiet"),  # it has gone again
        (series(short=DRIFTED), "quiet"),  # not sure yet
        (series(**DRIFTED, error=0.025), "quiet"),
        (series(**DRIFTED, comparable=0.0), "not_comparable"),
        (series(**DRIFTED, comparable=NAN), "drift"),
        (series(value=INF, error=NAN, pane_error=NAN, lower=NAN, upper=NAN, infinite=1.0, zero_other=2), "infinite"),
        (series(comparable=0.0, infinite=1.0), "infinite"),
        (series({**WITHHELD, "infinite": 1.0, "messages": 3}, {**WITHHELD, "messages": 3}), "infinite"),
        (series(SILENT, SILENT), "no_data"),
        (series({**WITHHELD, "messages": 29}, SILENT), "no_data"),
        (series(short=SILENT), "no_data"),
        (series(short={**WITHHELD, "messages": 10}), "quiet"),  # the long window alone rules a drift out
        (series(long=DRIFTED, short={**WITHHELD, "messages": 10}), "no_data"),  # nothing could confirm it
        (series(complete=0.0), "incomplete"),
        (series(short={"complete": 0.0}), "incomplete"),
        (series(**DRIFTED, complete=0.0), "drift"),
        (series(comparable=0.0, complete=0.0), "not_comparable"),
    ],
)
def test_the_first_state_that_holds_decides(row, state):
    assert only(board(row)).state == state


@pytest.mark.parametrize("row", [series(), series(**DRIFTED), series(complete=0.0)])
def test_without_a_threshold_nothing_is_judged(row):
    verdict = only(board(row, thresholds=()))
    assert (verdict.state, verdict.severity, verdict.direction) == ("measuring", None, "reverse")
    assert verdict.sentence.startswith("Measuring, not alerting: KL(q||p) over 1h is ")
    assert "No threshold is configured." in verdict.sentence


def test_the_direction_is_that_of_the_threshold_that_is_passed_or_nearest_else_the_samplers_side():
    both = (WARNING, Threshold("warning", "forward", 0.02))
    assert only(board(series(forward=0.001), thresholds=both)).direction == "reverse"
    assert only(board(series(forward=0.019), thresholds=both)).direction == "forward"
    assert only(board(series(forward=0.5, error=1e-3), thresholds=both)).direction == "forward"
    assert only(board(series(comparable=0.0), thresholds=both[1:])).direction == "reverse"
    assert only(board(series(), thresholds=(), sampled_from="p")).direction == "forward"


def test_every_state_is_known():
    assert set(STATES) == {"infinite", "not_comparable", "drift", "no_data", "measuring", "incomplete", "quiet"}
    assert judge(board()).states == ()


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            series(**DRIFTED),
            (
                "Drift (warning): KL(q||p) over 1h is 0.05 nats (95 % interval 0.048 to 0.052), 5 times the threshold "
                "of 0.01; over 5m it is 0.05. The pairs are comparable."
            ),
        ),
        (
            series(),
            (
                "Quiet: KL(q||p) over 1h is 0.002 nats (95 % interval 0.00198 to 0.00202), 0.2 times the threshold of "
                "0.01. The pairs are comparable."
            ),
        ),
        (
            series(comparable=NAN, ratio_mean=1.004),
            (
                "Quiet: KL(q||p) over 1h is 0.002 nats (95 % interval 0.00198 to 0.00202), 0.2 times the threshold of "
                "0.01. Whether the pairs are comparable cannot be told from so few: their ratio mean is 1.004."
            ),
        ),
        (
            series(long=DRIFTED),
            (
                "Quiet: KL(q||p) over 1h is 0.05 nats (95 % interval 0.048 to 0.052), 5 times the threshold of 0.01, "
                "but over 5m it is 0.002, below it. The pairs are comparable."
            ),
        ),
        (
            series(**DRIFTED, error=0.03),
            (
                "Quiet: KL(q||p) over 1h is 0.05 nats (95 % interval 0.048 to 0.052), 5 times the threshold of 0.01, "
                "but not sure enough for an alarm. The pairs are comparable."
            ),
        ),
        (
            series(comparable=0.0, ratio_mean=0.9, naive=0.11),
            (
                "Not comparable, so no word on drift: the mean of p/q over 1h is 0.9 and should be 1; q never produces "
                "outcomes that hold 10 % of p's mass, as with top-p, top-k or greedy sampling, or the two sides were "
                "logged differently. Read naive KL(q||p) first, which is right in the first case: 0.11 nats."
            ),
        ),
        (
            series(comparable=0.0, ratio_mean=1.5, naive=0.11),
            (
                "Not comparable, so no word on drift: the mean of p/q over 1h is 1.5 and should be 1; the two sides "
                "were logged differently, or x was not drawn from q. No value can be read until the log is right."
            ),
        ),
        (
            series(infinite=1.0, zero_other=1),
            (
                "Infinite: 1 pair of the last 1h has probability 0 under p, though q produced the outcome, "
                "so KL(q||p) is infinite."
            ),
        ),
        (
            series(infinite=1.0, zero_other=2345, complete=0.0),
            (
                "Infinite: 2,345 pairs of the last 1h have probability 0 under p, though q produced the outcome, "
                "so KL(q||p) is infinite. The window is not complete: this is of the pairs that were read so far."
            ),
        ),
        (series(SILENT, SILENT), "Not enough data: the window 1h holds no message."),
        (
            series({**WITHHELD, "messages": 12}, SILENT),
            "Not enough data: the window 1h holds 12 of the 30 messages that an estimate needs.",
        ),
        (
            series(short=SILENT),
            (
                "Not enough data: the window 5m holds no message. KL(q||p) over 1h is 0.002 nats "
                "(95 % interval 0.00198 to 0.00202)."
            ),
        ),
        (
            series(complete=0.0),
            (
                "Cannot tell yet: not all of the window has been read. So far KL(q||p) over 1h is 0.002 nats (95 % "
                "interval 0.00198 to 0.00202), 0.2 times the threshold of 0.01, which raises no alarm. The pairs are "
                "comparable."
            ),
        ),
    ],
)
def test_the_sentence_says_what_is_the_case_and_what_it_rests_on(row, sentence):
    assert only(board(row)).sentence == sentence


def test_the_sides_are_named_by_who_drew():
    assert "the mean of q/p" in only(board(series(comparable=0.0, ratio_mean=0.9), sampled_from="p")).sentence
    assert "probability 0 under q" in only(board(series(infinite=1.0, zero_other=1), sampled_from="p")).sentence


def test_a_sentence_holds_no_label_value():
    made = replace(board(series()), keys=(("<secret>",),))
    assert "secret" not in only(made).sentence

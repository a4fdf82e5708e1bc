"""A scenario as it runs: a step is made when it is due, answered by the daemon alone, and given up in time."""

import pytest

from daemon.demo.messages import Message
from daemon.demo.models import Truth
from daemon.demo.scenarios import SCENARIOS, Scenario, Step
from daemon.demo.story import Story
from tests.daemon.demo_rows import BEGAN, TOLD, ledger_of, look, window


def all_seen(story):
    """Whether every step was made and answered."""
    return story.over and not any(each.missed for each in story.progress)


CALM = Step("calm", "Calm.", "calm", expects="quiet", within_seconds=20, lasts_seconds=5)
CUT = Step("cut", "Cut.", "truncated", expects="not_comparable", within_seconds=10, lasts_seconds=8)
SHIFT = Step("shift", "Shift.", "shifted", expects="drift", within_seconds=10, lasts_seconds=3, since_threshold=True)
BAD = Step("bad", "Bad.", "bad_values", expects="quiet", within_seconds=10, lasts_seconds=1, rejects=("syntax",))
CLEAN = Step("clean", "Clean.", "calm", expects="quiet", within_seconds=10, lasts_seconds=1, rejects=("syntax",))


class Played:
    """A story on a clock of its own."""

    def __init__(self, *steps, ledger=None):
        self.changes = []
        self.ledger = ledger or ledger_of()
        self.story = Story(Scenario("story", "a test", steps), self.ledger, self.changes.append)

    def at(self, seconds, told=None, *, published=None, **other):
        """Tick; what klaxond says was published a moment before, of windows that end then."""
        if told is None:
            self.story.tick(BEGAN + seconds, None)
            return self
        at = BEGAN + (seconds - 0.1 if published is None else published)
        windows = window(label="5s"), window(label="15s")
        self.story.tick(BEGAN + seconds, look(*windows, published=at, end=at, told=told, ledger=self.ledger, **other))
        return self

    @property
    def steps(self):
        return self.story.progress


def test_a_step_is_made_at_once_and_the_next_when_it_was_answered_and_has_lasted():
    played = Played(CALM, CUT).at(0).at(3, "quiet").at(4, "quiet")
    assert played.changes == ["calm"]
    played.at(5.5, "quiet")
    assert played.changes == ["calm", "truncated"]
    assert [each.made_seconds - BEGAN for each in played.steps] == [0, 5.5]
    assert played.steps[0].seen_after_seconds == pytest.approx(2.9)


def test_a_step_waits_for_its_answer_however_long_it_has_lasted():
    played = Played(CALM, CUT).at(0).at(3, "no_data").at(12, "no_data")
    assert played.changes == ["calm"]
    played.at(13, "quiet")
    assert played.changes == ["calm", "truncated"]


def test_only_the_state_that_is_expected_is_an_answer():
    played = Played(CUT).at(0)
    for second, state in enumerate(("quiet", "no_data", "incomplete", "measuring", "drift", "infinite"), 1):
        assert played.at(second, state).steps[0].row is None
    assert played.at(8, "not_comparable").steps[0].row.state == "not_comparable"


def test_windows_from_before_a_step_answer_nothing():
    played = Played(CALM).at(0)
    assert played.at(1, "quiet", published=-0.5).steps[0].row is None
    assert played.at(2, "quiet", published=1.5).steps[0].row is not None


def test_a_step_without_its_answer_is_given_up_when_its_time_is_over_and_the_story_goes_on():
    played = Played(CUT, CALM).at(0).at(9.9, "quiet")
    assert not played.steps[0].missed
    played.at(10.2, "quiet")
    assert played.steps[0].missed
    assert played.changes == ["truncated", "calm"]
    played.at(12, "quiet").at(16, "quiet")
    assert (played.story.over, all_seen(played.story)) == (True, False)


def test_the_time_without_a_daemon_does_not_count():
    played = Played(CUT).at(0)
    played.story.blind(9.0)
    assert not played.at(18.9).steps[0].missed
    assert played.at(19.1).steps[0].missed


def test_a_story_is_over_when_its_last_step_was_answered_and_has_lasted():
    played = Played(CALM).at(0).at(2, "quiet").at(4.9, "quiet")
    assert not played.story.over
    played.at(5.1, "quiet")
    assert (played.story.over, all_seen(played.story)) == (True, True)
    assert played.steps[0].ended_seconds == BEGAN + 5.1
    assert played.at(7, "quiet").steps[0].ended_seconds == BEGAN + 5.1


def test_the_delay_of_a_drift_counts_from_when_the_truth_passed_the_threshold():
    ledger = ledger_of()
    for second, nats in ((1, 0.09), (3, 0.1), (4, 0.11), (5, 0.2)):
        truth = Truth({"reverse": nats, "forward": nats})
        ledger.add(Message(b"", TOLD, round((BEGAN + 10 + second) * 1e6), 1, 0.0, 0.0, truth))
    played = Played(SHIFT, ledger=ledger).at(10).at(16.1, "drift")
    assert played.steps[0].seen_after_seconds == pytest.approx(6)
    assert played.steps[0].delay_seconds == pytest.approx(2)


def test_a_drift_that_is_told_before_the_truth_passed_the_threshold_is_no_answer():
    assert Played(SHIFT).at(10).at(16, "drift").steps[0].row is None


def test_what_was_sent_to_be_rejected_has_to_be_counted_and_to_the_last_one_once_it_is_over():
    ledger = ledger_of()
    for index in range(3):
        event_us = round((BEGAN + 10 + index) * 1e6)
        ledger.add(Message(b"", TOLD, event_us, 0, 0.0, 0.0, Truth({}), (("syntax", 1),)))
    played = Played(BAD, CLEAN, ledger=ledger).at(10).at(11, "quiet")
    assert played.steps[0].row is None
    played.at(12, "quiet", rejected={"syntax": 2})
    assert played.steps[0].rejected == {"syntax": (2, 3)}
    assert played.at(14, "quiet", rejected={"syntax": 2}).steps[1].row is None
    assert played.at(15, "quiet", rejected={"syntax": 3}).steps[1].rejected == {"syntax": (3, 3)}


def test_an_alarm_that_neither_this_step_nor_the_one_before_gives_cause_for_is_a_false_one():
    played = Played(CALM, CUT, CALM).at(0).at(2, "quiet").at(6, "quiet")
    played.at(8, "not_comparable").at(15, "not_comparable").at(16, "not_comparable")
    assert played.story.false_alarms == []
    played.at(18, "drift").at(19, "quiet").at(20, "infinite")
    assert [(each.state, each.series) for each in played.story.false_alarms] == [("drift", TOLD), ("infinite", TOLD)]


def test_any_alarm_of_the_series_that_is_left_alone_is_a_false_one():
    played = Played(CUT).at(0).at(5, "not_comparable", alone="not_comparable")
    assert [each.series for each in played.story.false_alarms] == [("tokens", ("writer", "1"))]


def test_one_publish_is_looked_at_once():
    played = Played(CALM).at(0)
    played.at(2, "drift", published=1.5).at(2.5, "drift", published=1.5)
    assert len(played.story.false_alarms) == 1


def test_at_its_end_a_step_is_compared_in_a_short_window_that_holds_nothing_else():
    """The window is 5 s wide: at 5.1 s it is all of the step, at 4 s it still holds what was before."""
    played = Played(CALM).at(0).at(2, "quiet").at(5.2, "quiet")
    assert played.steps[0].last.window == "5s"
    played = Played(SHIFT, ledger=drifted()).at(10).at(13.9, "drift")
    assert played.story.over
    assert played.steps[0].last is None


def drifted():
    ledger = ledger_of()
    ledger.add(Message(b"", TOLD, round((BEGAN + 11) * 1e6), 1, 0.0, 0.0, Truth({"reverse": 1.0, "forward": 1.0})))
    return ledger


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_scenario_ends_where_klaxond_says_what_is_expected(name):
    played = Played(*SCENARIOS[name].steps, ledger=drifted())
    for half in range(400):
        wanted = played.steps[-1].step if played.steps else None
        if wanted is None:
            played.at(0)
            continue
        if wanted.since_threshold:  # what the writer would send by then
            drift = Truth({"reverse": 1.0, "forward": 1.0})
            played.ledger.add(Message(b"", TOLD, round((BEGAN + half / 2) * 1e6), 1, 0.0, 0.0, drift))
        played.at(half / 2 + 0.1, wanted.expects, rejected={"syntax": 1} if wanted.traffic == "bad_values" else None)
    if name == "nan-burst":
        assert not all_seen(played.story), "the writer sent nothing to be rejected here, and klaxond counted one"
    else:
        assert all_seen(played.story)
    assert played.changes == [step.traffic for step in SCENARIOS[name].steps]

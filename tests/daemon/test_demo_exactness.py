"""Windows against what was sent: one message too few is seen, and so is one wrong digit."""

import pytest

from daemon.demo.exactness import Restart, Tally, back, exact, held, killed
from tests.daemon.demo_rows import TOLD, ledger_of, look, row, window


def test_a_window_with_the_messages_the_pairs_and_the_sums_that_were_sent_is_exact():
    assert exact(row()) is True


@pytest.mark.parametrize("wrong", [{"messages": 39}, {"messages": 41}, {"pairs": 1599}, {"value": 0.0021 * (1 + 1e-8)}])
def test_one_message_one_pair_or_one_digit_makes_the_difference(wrong):
    assert exact(look(window(**wrong)).of(TOLD, "15s")) is False


@pytest.mark.parametrize("unknown", [{"complete": False}, {"value": None}])
def test_a_window_that_is_not_complete_or_shows_no_estimate_cannot_be_told(unknown):
    assert exact(look(window(**unknown)).of(TOLD, "15s")) is None


def test_a_window_in_which_nothing_was_sent_cannot_be_told():
    assert exact(row(sent=None)) is None


def test_windows_are_tallied():
    tally = Tally()
    tally.add([row(), row(messages=1), row(complete=False)])
    tally.add([row()])
    assert (tally.compared, tally.equal) == (3, 2)


def test_both_numbers_are_said():
    assert held(row(messages=4812)) == "The 15s window of tokens writer 2 holds 4,812 messages; 40 were sent."


def test_a_restart_is_told_with_what_the_new_one_holds():
    restart = Restart(100.0, 11, 12, back_seconds=109.8, row=row(), sent_before=30)
    assert "PID 11" in killed(restart)
    assert "PID 12" in killed(restart)
    text = back(restart)
    for part in ("after 9.8 s", "holds 40 messages; 40 were sent", "30 of them", "0.002100000", "the same numbers"):
        assert part in text
    wrong = look(window(value=0.0022), ledger=ledger_of()).of(TOLD, "15s")
    assert "NOT the same" in back(Restart(100.0, 11, 12, back_seconds=109.8, row=wrong))

"""What a dead letter says, and the bounds on how many wait and for how long."""

import base64
import json

import numpy as np
import pytest
from structlog.testing import capture_logs

from daemon.codec import Rejected
from daemon.dead_letters import LetterCounts, Outbox, Outcome, letters_of
from daemon.dead_letters import outbox as outbox_module
from daemon.dead_letters.outbox import HOLD_SECONDS, NO_ANSWER, NO_ROOM
from daemon.source import Batch, Partition

PARTITION = Partition("pairs", 3)
CANARY = b"canary-51c0"


class Clock:
    """Moves only when told."""

    def __init__(self):
        self.seconds = 100.0

    def now(self):
        return 1.7e9 + self.seconds

    def monotonic(self):
        return self.seconds


class Shelf:
    """A carrier that keeps every parcel until the test ends it; it notes how long it was waited for."""

    def __init__(self):
        self.parcels, self.ended, self.waits = [], [], []
        self.prompt = False

    def carry(self, parcel):
        self.parcels.append(parcel)
        if self.prompt:
            self.end(parcel.ticket)

    def end(self, ticket, failure=""):
        self.ended.append(Outcome(ticket, failure))

    def outcomes(self, timeout_s):
        if timeout_s and not self.ended:
            self.waits.append(timeout_s)
        ended, self.ended = self.ended, []
        return ended


def batch(values, *, keys=None, first=10, step=10):
    count = len(values)
    stamps = np.arange(count) + 1_700_000_000_000
    return Batch(PARTITION, np.arange(count) * step + first, stamps, list(values), keys=keys)


def rejected(**places):
    """reason=((offset, detail), ...)"""
    return {reason: Rejected(*zip(*found, strict=True)) for reason, found in places.items()}


@pytest.fixture
def box():
    """An outbox with its clock, its carrier and a stream's counts."""
    clock, shelf, counts = Clock(), Shelf(), LetterCounts()
    outbox = Outbox(clock, shelf, topic="dead", payload=True)
    return outbox, clock, shelf, counts


def send(outbox, counts, values=(b"{",), first=10):
    """Send a letter for each value."""
    made = batch(values, first=first)
    outbox.add("s", counts, made, rejected(syntax=[(int(offset), "cut") for offset in made.offsets]))
    outbox.send()


def test_a_letter_is_one_line_of_json_that_names_the_record_and_its_fault():
    values = [CANARY, b"good", CANARY, None]
    found = rejected(schema=[(10, "got `str` - at `$.logp`"), (30, "no sides")], tombstone=[(40, "no value")])
    letters = list(letters_of("ranker", batch(values, keys=[CANARY] * 4), found, payload=False))
    assert [letter.key for letter in letters] == [b"ranker/pairs/3/10", b"ranker/pairs/3/30", b"ranker/pairs/3/40"]
    assert [json.loads(letter.encoded()) for letter in letters] == [
        {
            "stream": "ranker",
            "topic": "pairs",
            "partition": 3,
            "offset": offset,
            "timestamp_ms": 1_700_000_000_000 + row,
            "reason": reason,
            "detail": detail,
        }
        for offset, row, reason, detail in (
            (10, 0, "schema", "got `str` - at `$.logp`"),
            (30, 2, "schema", "no sides"),
            (40, 3, "tombstone", "no value"),
        )
    ]
    assert not any(b"\n" in letter.encoded() or b"canary" in letter.encoded() for letter in letters)


def test_a_record_without_time_has_none_in_its_letter():
    timeless = Batch(PARTITION, np.array([5]), np.array([-1]), [b"{"])
    (letter,) = letters_of("s", timeless, rejected(syntax=[(5, "cut")]), payload=False)
    assert json.loads(letter.encoded())["timestamp_ms"] is None


def test_payload_is_base64_of_key_and_value_and_null_where_there_is_none():
    hostile = b"\x1b]0;owned\x07\xff"
    found = rejected(syntax=[(10, "cut")], tombstone=[(20, "no value")])
    letters = letters_of("s", batch([hostile, None], keys=[None, b"k"]), found, payload=True)
    first, second = (json.loads(letter.encoded()) for letter in letters)
    assert (first["key_base64"], base64.b64decode(first["value_base64"])) == (None, hostile)
    assert (base64.b64decode(second["key_base64"]), second["value_base64"]) == (b"k", None)


def test_commits_stop_below_the_first_letter_that_nobody_has(box):
    outbox, _, shelf, counts = box
    send(outbox, counts, [b"{"] * 3)
    others = {Partition("pairs", 0): 7, PARTITION: 99}
    assert outbox.held_back(others) == {Partition("pairs", 0): 7, PARTITION: 10}
    shelf.end(2)
    outbox.settle()
    assert outbox.held_back(others)[PARTITION] == 10
    shelf.end(1)
    outbox.settle()
    assert outbox.held_back(others)[PARTITION] == 30
    assert outbox.held_back({PARTITION: 5}) == {PARTITION: 5}
    shelf.end(3, "refused")
    outbox.settle()
    assert outbox.held_back(others) == others
    assert (counts.acknowledged, counts.dropped) == (2, 1)


def test_a_letter_without_answer_is_given_up_in_time_and_an_answer_after_that_changes_nothing(box):
    outbox, clock, shelf, counts = box
    send(outbox, counts)
    clock.seconds += HOLD_SECONDS - 0.1
    outbox.send()
    assert (counts.dropped, outbox.held_back({PARTITION: 99})) == (0, {PARTITION: 10})
    clock.seconds += 0.2
    outbox.send()
    assert (counts.dropped, outbox.held_back({PARTITION: 99})) == (1, {PARTITION: 99})
    shelf.end(1)
    outbox.send()
    assert (counts.acknowledged, counts.dropped) == (0, 1)


def test_letters_beyond_the_room_are_dropped_after_one_wait_and_then_without_any(box, monkeypatch):
    outbox, _, shelf, counts = box
    monkeypatch.setattr(outbox_module, "LETTERS_MAX", 5)
    send(outbox, counts, [b"{"] * 9)
    send(outbox, counts, [b"{"] * 9, first=1000)
    assert (len(shelf.parcels), counts.dropped) == (5, 13)
    assert shelf.waits == [outbox_module.PATIENCE_SECONDS]
    shelf.end(1)
    send(outbox, counts, first=2000)
    assert (len(shelf.parcels), counts.acknowledged) == (6, 1)


def test_while_letters_are_acknowledged_a_turn_waits_for_room_and_drops_none(box, monkeypatch):
    outbox, _, shelf, counts = box
    monkeypatch.setattr(outbox_module, "LETTERS_MAX", 5)
    shelf.prompt = True
    send(outbox, counts, [b"{"] * 100)
    outbox.settle()
    assert (counts.acknowledged, counts.dropped, shelf.waits) == (100, 0, [])


def test_a_turn_waits_no_longer_than_its_patience_however_many_letters_it_has(box, monkeypatch):
    outbox, clock, shelf, counts = box
    monkeypatch.setattr(outbox_module, "LETTERS_MAX", 1)
    outcomes, shelf.prompt = shelf.outcomes, True

    def slow(timeout_s):
        clock.seconds += min(timeout_s, 0.4)
        return outcomes(timeout_s)

    monkeypatch.setattr(shelf, "outcomes", slow)
    before = clock.seconds
    send(outbox, counts, [b"{"] * 50)
    assert clock.seconds - before == pytest.approx(outbox_module.PATIENCE_SECONDS)
    assert (len(shelf.parcels), counts.dropped) == (4, 46)


def test_a_payload_for_which_there_is_no_room_is_left_out_and_the_letter_says_so(box, monkeypatch):
    outbox, _, shelf, counts = box
    monkeypatch.setattr(outbox_module, "BYTES_MAX", 1000)
    send(outbox, counts, [b"x" * 300, b"y" * 300, b"z" * 3000])
    values = [json.loads(parcel.value) for parcel in shelf.parcels]
    assert base64.b64decode(values[0]["value_base64"]) == b"x" * 300
    assert [value.get("payload_omitted") for value in values] == [None, NO_ROOM, NO_ROOM]
    assert all("value_base64" not in value for value in values[1:])
    assert sum(len(parcel.key) + len(parcel.value) for parcel in shelf.parcels) <= 1000
    assert counts.dropped == 0


def test_memory_is_given_back_as_letters_are_settled(box, monkeypatch):
    outbox, clock, shelf, counts = box
    monkeypatch.setattr(outbox_module, "BYTES_MAX", 1000)
    for turn in range(50):
        send(outbox, counts, [b"x" * 300], first=turn)
        shelf.end(turn + 1, "" if turn % 3 else "refused")
        clock.seconds += HOLD_SECONDS + 1 if turn % 5 == 0 else 0
        outbox.settle()
    assert all(b"value_base64" in parcel.value for parcel in shelf.parcels)
    assert (outbox._waiting, outbox._waiting_bytes) == ({}, 0)


def test_what_was_dropped_is_logged_once_a_minute_with_its_reason_and_none_is_forgotten(box):
    outbox, clock, shelf, counts = box
    with capture_logs() as logged:
        for ticket in range(1, 131):
            send(outbox, counts, first=ticket)
            shelf.end(ticket, "refused")
            clock.seconds += 1
        clock.seconds += 60
        outbox.send()
    assert [(line["reason"], line["topic"]) for line in logged] == [("refused", "dead")] * 4
    assert sum(line["count"] for line in logged) == counts.dropped == 130
    assert {line["log_level"] for line in logged} == {"error"}


def test_a_flush_waits_for_every_letter_and_says_which_number_has_not_arrived(box):
    outbox, _, shelf, counts = box
    send(outbox, counts, [b"{"] * 3)
    shelf.end(1)
    with capture_logs() as logged:
        outbox.flush(2.0)
    assert shelf.waits == [2.0]
    (line,) = logged
    assert line["count"] == 2
    assert (counts.acknowledged, counts.dropped) == (1, 0)


def test_without_a_topic_no_letter_is_made():
    outbox, counts = Outbox(Clock()), LetterCounts()
    send(outbox, counts)
    outbox.flush(2.0)
    assert outbox.held_back({PARTITION: 9}) == {PARTITION: 9}
    assert counts == LetterCounts()


def test_what_is_told_of_a_letter_that_was_given_up_names_what_happened(box):
    outbox, clock, _, counts = box
    send(outbox, counts)
    clock.seconds += HOLD_SECONDS
    with capture_logs() as logged:
        outbox.send()
    assert logged[0]["reason"] == NO_ANSWER


def test_what_was_dropped_in_the_last_minute_is_told_at_the_end(box):
    outbox, clock, shelf, counts = box
    with capture_logs() as logged:
        for ticket in (1, 2):
            send(outbox, counts, first=ticket)
            shelf.end(ticket, "refused")
            clock.seconds += 1
            outbox.settle()
        outbox.flush(2.0)
    assert [(line["reason"], line["count"]) for line in logged] == [("refused", 1), ("refused", 1)]


def test_letters_of_a_turn_that_failed_before_it_sent_them_hold_the_commit_too(box):
    outbox, _, shelf, counts = box
    outbox.add("s", counts, batch([b"{"]), rejected(syntax=[(10, "cut")]))
    assert shelf.parcels == []
    outbox.flush(2.0)
    assert outbox.held_back({PARTITION: 11}) == {PARTITION: 10}

"""When brokers count as unreachable, since when, and with which words."""

import threading
import time

from daemon.kafka_outage import Outage


class HandClock:
    """Time that moves when it is told to."""

    def __init__(self):
        self.seconds = 1000.0

    def now(self):
        return self.seconds

    def monotonic(self):
        return self.seconds


def poll(outage, clock, *, progress, seconds=0.1, joined=True, failure=""):
    """One poll that took so long, with or without an answer."""
    clock.seconds += seconds
    if progress:
        outage.progress()
    outage.after_poll(seconds, joined=joined, failure=failure)
    return outage.health()


def diagnosed(outage, clock, text):
    """Wait for the probe's thread, and poll once more."""
    deadline = time.monotonic() + 5
    while outage.health().reason != text:
        assert time.monotonic() < deadline, outage.health()
        time.sleep(0.01)
        poll(outage, clock, progress=False, seconds=0.001)


def test_before_the_first_answer_nothing_is_reachable_and_the_time_counts_from_the_start():
    clock = HandClock()
    outage = Outage(clock, lambda: "refused")
    assert outage.health().unreachable_since == 1000.0
    health = poll(outage, clock, progress=False, joined=False)
    assert (health.joined, health.reachable, health.unreachable_since) == (False, False, 1000.0)
    diagnosed(outage, clock, "refused")


def test_answers_make_reachable_and_silence_of_seconds_of_waiting_ends_it():
    clock = HandClock()
    outage = Outage(clock, lambda: "refused")
    health = poll(outage, clock, progress=True)
    assert (health.joined, health.reachable, health.reason, health.unreachable_since) == (True, True, "", None)
    answered = clock.seconds
    for _ in range(29):
        assert poll(outage, clock, progress=False).reachable
    for _ in range(5):
        health = poll(outage, clock, progress=False)
    assert not health.reachable
    assert health.unreachable_since == health.last_progress == answered
    diagnosed(outage, clock, "refused")
    assert poll(outage, clock, progress=True).reachable
    assert outage.health().unreachable_since is None


def test_time_that_the_loop_spends_elsewhere_is_not_silence():
    clock = HandClock()
    outage = Outage(clock, lambda: "refused")
    poll(outage, clock, progress=True)
    for _ in range(10):
        clock.seconds += 60  # the loop works
        assert poll(outage, clock, progress=False).reachable


def test_an_error_of_the_client_tells_at_once_and_is_told_with_the_diagnosis():
    clock = HandClock()
    outage = Outage(clock, lambda: "refused")
    poll(outage, clock, progress=True)
    health = poll(outage, clock, progress=False, failure="no right to read")
    assert not health.reachable
    assert health.reason.endswith("no right to read")


def test_having_joined_is_not_forgotten_during_an_outage():
    clock = HandClock()
    outage = Outage(clock, lambda: "refused")
    poll(outage, clock, progress=True)
    assert poll(outage, clock, progress=False, joined=False, failure="gone").joined


def test_the_diagnosis_of_one_outage_is_not_told_in_the_next_one():
    clock = HandClock()
    causes = iter(["refused", "no such name"])
    outage = Outage(clock, lambda: next(causes))
    poll(outage, clock, progress=False)
    diagnosed(outage, clock, "refused")
    poll(outage, clock, progress=True)
    clock.seconds += 60
    assert "refused" not in poll(outage, clock, progress=False, failure="x").reason
    diagnosed(outage, clock, "no such name")


def test_one_probe_runs_at_a_time_and_polls_do_not_wait_for_it():
    clock = HandClock()
    hold, started = threading.Event(), []

    def slow():
        started.append(1)
        hold.wait(10)
        return "slow"

    outage = Outage(clock, slow)
    before = time.monotonic()
    for _ in range(20):
        poll(outage, clock, progress=False, seconds=10)
    assert time.monotonic() - before < 1
    assert len(started) == 1
    hold.set()
    diagnosed(outage, clock, "slow")


def test_progress_shows_before_the_next_poll_ends():
    clock = HandClock()
    outage = Outage(clock, lambda: "")
    clock.seconds = 1234.0
    outage.progress()
    assert outage.health().last_progress == 1234.0

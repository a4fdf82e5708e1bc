"""The checks of what must hold after any fault: counters within their bound, memory that stays."""

import dataclasses
import datetime as dt
import random
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.faults.fleet import Incarnation
from tests.faults.hygiene import GROWTH_LIMIT, LONG_LIFE_S, check_counters, check_memory
from tests.faults.scrapes import Scrape
from tests.faults.truth import PartitionTruth

START = 1_790_000_000.0
RATE = 100  # messages a second
PUBLISH_S = COMMIT_S = 1.0


def publish(at, messages, *, replica=0, incarnation=0):
    counters = {"klaxon_messages_total": float(messages)}
    return Scrape(START + at, replica, incarnation, START + at, frozenset({0}), {}, {}, counters, {})


def life(seconds, *, first=0, **which):
    """A process that reads evenly and is seen every second."""
    return [publish(first + second, RATE * second, **which) for second in range(1, seconds + 1)]


def ended(at, status, number=0):
    return Incarnation(number, None, START, "", ended=START + at, status=status)


def fleet(folder, scrapes, ends=(), said=""):
    """One replica, the processes of it that ended, and its log."""
    log = folder / "replica0.log"
    log.write_text(said)
    replica = SimpleNamespace(index=0, name="replica0", incarnations=list(ends), log=log)
    return SimpleNamespace(scrapes=scrapes, replicas=[replica])


def truth(messages):
    return {0: PartitionTruth(0, messages=[None] * messages)}


def refuted(found, messages):
    """Whether the counters are refuted by a log of so many messages."""
    verdict, (_, _, bound) = check_counters(found, truth(messages))
    assert verdict.compared > 0
    return bool(verdict.violations), bound


@pytest.mark.parametrize(("messages", "wrong"), [(999, True), (1000, False), (1001, True)])
def test_while_nothing_ends_one_message_too_many_or_too_few_is_told(tmp_path, messages, wrong):
    assert refuted(fleet(tmp_path, life(10)), messages) == (wrong, 0.0)


@pytest.mark.parametrize(("status", "seconds"), [(0, 2), (-signal.SIGTERM, 2), (-signal.SIGKILL, 3)])
def test_an_end_allows_a_publish_and_a_scrape_and_a_kill_a_commit_more(tmp_path, status, seconds):
    found = fleet(tmp_path, life(10), [ended(10.5, status)])
    allowed = seconds * RATE
    assert refuted(found, 1000 + allowed) == (False, allowed)
    assert refuted(found, 1000 - allowed) == (False, allowed)
    assert refuted(found, 1000 + allowed + 1)[0]
    assert refuted(found, 1000 - allowed - 1)[0]


@pytest.mark.parametrize("words", ["change=lost partitions=1", "offsets were not committed on revocation"])
def test_what_is_lost_without_a_commit_allows_a_commit(tmp_path, words):
    stamp = dt.datetime.fromtimestamp(START + 5, dt.UTC).isoformat().replace("+00:00", "Z")
    line = f"ts={stamp} level=info logger=daemon.loop msg={words}\n"
    assert refuted(fleet(tmp_path, life(10), said=line), 1000 + RATE) == (False, RATE)
    assert refuted(fleet(tmp_path, life(10), said=line * 2), 1000 + 2 * RATE + 1) == (True, 2 * RATE)
    assert refuted(fleet(tmp_path, life(10), said="ts=no other line\n"), 1001) == (True, 0.0)


def test_what_was_read_fast_long_before_an_end_allows_nothing_at_it(tmp_path):
    """A backlog of 50,000 in the first second, then nothing for a minute, then a kill."""
    quiet = [publish(second, 50_000) for second in range(1, 60)]
    assert refuted(fleet(tmp_path, quiet, [ended(59.5, -signal.SIGKILL)]), 50_001) == (True, 0.0)


def test_a_counter_that_falls_within_a_process_is_told_and_a_new_process_may_begin_at_0(tmp_path):
    falling = [publish(1, 100), publish(2, 99)]
    assert [found[2] for found in check_counters(fleet(tmp_path, falling), truth(99))[0].violations] == [
        "replica0 process 0: messages_total fell"
    ]
    again = [publish(1, 100), publish(2, 20, incarnation=1)]
    assert refuted(fleet(tmp_path, again), 120) == (False, 0.0)


def killed_again_and_again(dice, lives=4):
    """Processes that read an evenly growing log, each from the last commit on: publishes, ends, the log's messages."""
    scrapes, ends, committed, now = [], [], 0, 0.0
    for number in range(lives):
        end, base = now + dice.uniform(3, 9), committed  # what is below the base was counted by another
        commit_at, publish_at = now + dice.random(), now + dice.random()
        while min(commit_at, publish_at) < end:
            if commit_at <= publish_at:
                committed, commit_at = int(RATE * commit_at), commit_at + COMMIT_S
            else:
                scrapes.append(publish(publish_at, int(RATE * publish_at) - base, incarnation=number))
                publish_at += PUBLISH_S
        ends.append(ended(end, -signal.SIGKILL, number))
        now = end
    return scrapes, ends, int(RATE * now)


def test_processes_that_are_killed_at_any_moment_stay_within_the_bound_and_it_is_near(tmp_path):
    """The bound is the sum of the worst of each kill: here at most twice that; one kill may need a third of it."""
    needed = 0.0
    for seed in range(200):
        scrapes, ends, messages = killed_again_and_again(random.Random(seed), lives=1 + seed % 4)
        wrong, bound = refuted(fleet(tmp_path, scrapes, ends), messages)
        assert not wrong
        assert bound <= 2 * len(ends) * 3 * RATE
        _, (increases, _, _) = check_counters(fleet(tmp_path, scrapes, ends), truth(messages))
        needed = max(needed, abs(increases - messages) / bound)
    assert needed > 0.3


def sampled(lived_s, **grown):
    """A process whose samples grow evenly, by so much over its life, from 100 MiB, 10 threads and 30 descriptors."""
    first = {"memory": 100 << 20, "threads": 10, "descriptors": 30}
    rows = [
        (second, *(int(start + grown.get(name, 0) * second / lived_s) for name, start in first.items()))
        for second in range(0, lived_s + 1, 2)
    ]
    one = dataclasses.replace(ended(lived_s, 0), samples=rows)
    return [SimpleNamespace(name="replica0", incarnations=[one], log=Path())]


@pytest.mark.parametrize(
    ("lived_s", "grown", "told"),
    [
        (3000, {}, []),
        # From the middle of the second quarter to the middle of the last one it is half of the growth.
        (3000, {"memory": 2.1 * GROWTH_LIMIT}, ["memory"]),
        (3000, {"memory": 1.9 * GROWTH_LIMIT}, []),
        (LONG_LIFE_S - 10, {"memory": 2.1 * GROWTH_LIMIT}, []),  # caches fill
        (600, {"threads": 10}, ["threads"]),
        (600, {"threads": 7}, []),
        (600, {"descriptors": 34}, ["descriptors"]),
        (600, {"descriptors": 30}, []),
        (230, {"threads": 10, "descriptors": 34}, []),
        (10, {"memory": 650 << 20}, ["750"]),
    ],
)
def test_growth_over_a_life_is_told_by_its_name_and_what_stays_or_is_young_is_not(lived_s, grown, told):
    verdict = check_memory(sampled(lived_s, **grown))
    assert verdict.compared == 1
    assert [found[2].partition(": ")[2].split()[0] for found in verdict.violations] == told

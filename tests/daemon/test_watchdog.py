"""The watchdog ends what stands still, and only that: each case is a story on a clock that the test moves."""

import subprocess
import sys
import textwrap
import time

import pytest

from daemon.errors import EXIT_STALLED
from daemon.source import SourceHealth
from daemon.watchdog import Senses, Watchdog


class World:
    """A process whose parts stand still when the test says so; time moves in steps of one interval."""

    def __init__(self):
        self.time = 1000.0
        self.loop_turns = self.fetches = self.reachable = self.group_hears = True
        self.heartbeat = self.progress = self.heard = self.time
        self.probes = 0
        senses = Senses(
            health=lambda: SourceHealth(joined=True, reachable=self.reachable, last_progress=self.progress),
            probe=self.probe,
            heartbeat=lambda: self.heartbeat,
            heartbeat_age=lambda: self.time - self.heard,
        )
        self.watchdog = Watchdog(senses, self, session_timeout_s=10)

    def monotonic(self):
        return self.time

    def now(self):
        return self.time

    def probe(self):
        self.probes += 1
        return self.reachable

    def pass_time(self, seconds, step=5.0):
        """Return the first reason to end within some time and when it came, or (None, seconds)."""
        start = self.time
        while self.time < start + seconds:
            self.time += step
            self.heartbeat = self.time if self.loop_turns else self.heartbeat
            self.progress = self.time if self.fetches and self.reachable else self.progress
            self.heard = self.time if self.group_hears and self.reachable else self.heard
            reason = self.watchdog.look()
            if reason is not None:
                return reason, self.time - start
        return None, seconds


@pytest.fixture
def world():
    return World()


def test_a_healthy_process_lives_and_its_brokers_are_not_probed(world):
    assert world.pass_time(3600) == (None, 3600)
    assert world.probes == 0


def test_a_loop_inside_one_call_for_over_a_minute_is_ended(world):
    world.pass_time(100)
    world.loop_turns = False
    reason, after = world.pass_time(300)
    assert reason == "the loop has been inside one call for 65 s"
    assert after == 65


def test_a_loop_that_turns_every_50_seconds_lives(world):
    for _ in range(20):
        world.loop_turns = False
        assert world.pass_time(50) == (None, 50)
        world.loop_turns = True
        assert world.pass_time(5) == (None, 5)


def test_a_source_that_stands_still_while_a_broker_answers_is_ended(world):
    world.pass_time(100)
    world.fetches = False
    reason, after = world.pass_time(300)
    assert reason.startswith("no fetch has been answered for 75 s, although a broker has been reachable for 65 s")
    assert 60 <= after <= 80


def test_a_broker_that_can_not_be_reached_is_no_reason_however_long(world):
    world.reachable = False
    assert world.pass_time(24 * 3600) == (None, 24 * 3600)
    assert world.probes > 100


def test_after_an_outage_the_client_has_a_minute_to_find_back(world):
    """Five minutes without a broker, then the network heals: the ages are old, the process is not at fault."""
    world.reachable = False
    world.pass_time(300)
    world.reachable, world.fetches, world.group_hears = True, False, False
    assert world.pass_time(55) == (None, 55)
    world.fetches = world.group_hears = True
    assert world.pass_time(600) == (None, 600)


def test_a_client_that_does_not_find_back_after_an_outage_is_ended(world):
    world.reachable = False
    world.pass_time(300)
    world.reachable, world.fetches = True, False
    reason, after = world.pass_time(300)
    assert "no fetch has been answered" in reason
    assert 60 < after <= 75


def test_a_broker_that_answers_off_and_on_is_not_held_against_the_process(world):
    world.fetches = False
    for _ in range(10):
        world.reachable = True
        assert world.pass_time(50)[0] is None
        world.reachable = False
        assert world.pass_time(10)[0] is None


def test_a_group_that_does_not_hear_of_us_ends_the_process_while_a_broker_answers(world):
    world.pass_time(100)
    world.group_hears = False
    reason, after = world.pass_time(300)
    assert reason.startswith("the group has had no heartbeat of ours for")
    assert after <= 80


def test_a_member_that_has_not_joined_yet_has_no_heartbeat_to_miss(world):
    senses = Senses(lambda: SourceHealth(last_progress=world.time), world.probe, lambda: world.time, lambda: None)
    watchdog = Watchdog(senses, world, session_timeout_s=10)
    for _ in range(100):
        world.time += 5
        assert watchdog.look() is None


def test_a_process_that_was_stopped_as_a_whole_is_not_judged_for_that_time(world):
    """SIGSTOP for ten minutes, then SIGCONT: the watchdog runs before the loop has turned."""
    world.pass_time(100)
    world.time += 600
    assert world.watchdog.look() is None
    world.loop_turns = False
    assert world.pass_time(55) == (None, 55)
    assert world.pass_time(60)[0] is not None, "but only for that time"


def test_a_slow_probe_is_not_taken_for_a_sleep(world):
    """A probe that takes 4 s each time must not reset the watchdog's view of the world."""

    def slow():
        world.time += 4
        return True

    senses = Senses(lambda: SourceHealth(last_progress=1000.0), slow, lambda: world.time, lambda: None)
    watchdog = Watchdog(senses, world, session_timeout_s=10)
    reasons = []
    for _ in range(20):
        world.time += 5
        reasons.append(watchdog.look())
    assert any(reasons)


def test_the_thread_calls_end_once_with_the_reason():
    ended = []
    senses = Senses(lambda: SourceHealth(last_progress=time.monotonic()), lambda: True, lambda: 0.0, lambda: None)

    class Real:
        now = monotonic = staticmethod(time.monotonic)

    watchdog = Watchdog(
        senses, Real(), session_timeout_s=10, stall_seconds=0.1, interval_seconds=0.05, end=ended.append
    )
    watchdog.start()
    deadline = time.monotonic() + 5
    while not ended and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    watchdog.stop()
    assert len(ended) == 1
    assert ended[0].startswith("the loop has been inside one call")


def test_a_stalled_process_dumps_all_stacks_and_exits_with_70():
    """The real thing: a main thread that never comes back, in a process of its own, holding the log's lock."""
    program = textwrap.dedent("""
        import logging, time
        from daemon.clock import SystemClock
        from daemon.source import SourceHealth
        from daemon.watchdog import Senses, Watchdog
        start = time.monotonic()
        logging.basicConfig()
        senses = Senses(lambda: SourceHealth(last_progress=start), lambda: True, lambda: start, lambda: None)
        Watchdog(senses, SystemClock(), session_timeout_s=10, stall_seconds=0.5, interval_seconds=0.1).start()
        def stuck_in_here():
            with logging.getLogger().handlers[0].lock:
                time.sleep(60)
        stuck_in_here()
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30, check=False)
    said = done.stderr.decode()
    assert done.returncode == EXIT_STALLED
    assert "watchdog: the loop has been inside one call for" in said
    assert "stuck_in_here" in said

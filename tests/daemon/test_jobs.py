"""Timers put their commands at once and then at their intervals, never pile up, and end."""

import threading
import time

from daemon.commands_queue import Command, CommandQueue
from daemon.jobs import Jobs


def count(queue, seconds):
    """Commands taken while draining for some time."""
    taken, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        taken += queue.drain()
        time.sleep(0.01)
    return taken


def test_each_command_is_put_at_the_start_and_at_its_interval():
    queue = CommandQueue()
    jobs = Jobs(queue, {Command.PUBLISH: 0.25, Command.COMMIT: 0.5, Command.TOPICS: 60})
    jobs.start()
    try:
        taken = count(queue, 2.1)
    finally:
        jobs.stop()
    assert 6 <= taken.count(Command.PUBLISH) <= 10
    assert 3 <= taken.count(Command.COMMIT) <= 6
    assert taken.count(Command.TOPICS) == 1
    assert {*taken[:3]} == {Command.PUBLISH, Command.COMMIT, Command.TOPICS}


def test_a_loop_that_does_not_drain_finds_one_command_of_each_kind():
    queue = CommandQueue()
    jobs = Jobs(queue, {Command.PUBLISH: 0.05, Command.COMMIT: 0.05})
    jobs.start()
    time.sleep(0.6)
    jobs.stop()
    assert sorted(queue.drain()) == [Command.COMMIT, Command.PUBLISH]


def test_after_stop_no_thread_is_left_and_nothing_is_put():
    before = set(threading.enumerate())
    queue = CommandQueue()
    jobs = Jobs(queue, {Command.PUBLISH: 0.05})
    jobs.start()
    time.sleep(0.2)
    jobs.stop()
    queue.drain()
    time.sleep(0.2)
    assert set(threading.enumerate()) <= before
    assert len(queue) == 0

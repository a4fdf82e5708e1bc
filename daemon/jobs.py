"""Timers: APScheduler puts commands on the loop's queue, and does nothing else."""

from collections.abc import Mapping
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from daemon.commands_queue import Command, CommandQueue


class Jobs:
    """One interval job per command, seconds between two; each command is put once at the start as well.

    `coalesce` and `max_instances=1`: a machine that slept gets one command of a kind, not all that it missed.
    """

    def __init__(self, queue: CommandQueue, intervals_s: Mapping[Command, float]) -> None:
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        for command, seconds in intervals_s.items():
            self._scheduler.add_job(
                queue.put,
                IntervalTrigger(seconds=seconds, timezone=UTC),  # takes fractions
                args=(command,),
                id=command.value,
                next_run_time=datetime.now(UTC),
            )

    def start(self) -> None:
        """Start the scheduler's thread."""
        self._scheduler.start()

    def stop(self) -> None:
        """End the scheduler's threads."""
        self._scheduler.shutdown(wait=True)

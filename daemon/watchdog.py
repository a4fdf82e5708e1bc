"""Ends a process that can make no progress, so that its supervisor starts a new one. It only reads clocks.

A broker that cannot be reached is no reason: then the process stays, and is not ready. A process that was stopped as a
whole (SIGSTOP, a frozen machine) is not judged for that time. Nothing here logs: the thread that is stuck may hold the
log's lock.
"""

import faulthandler
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from daemon.clock import Clock
from daemon.errors import EXIT_STALLED
from daemon.source import SourceHealth

STALL_SECONDS: Final = 60.0
INTERVAL_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Senses:
    """What the watchdog may ask; each callable is safe from its thread, and quick but for the probe.

    Attributes
    ----------
    health : what the source knows of its brokers
    probe : whether a plain TCP (and TLS) connection to a broker succeeds; may take some seconds
    heartbeat : monotonic seconds of the loop's last turn
    heartbeat_age : seconds since the group heard of us, None while we are not in it
    """

    health: Callable[[], SourceHealth]
    probe: Callable[[], bool]
    heartbeat: Callable[[], float]
    heartbeat_age: Callable[[], float | None]


def dump_and_exit(reason: str) -> None:
    """Write the reason and all stacks to standard error, then end the process at once."""
    sys.stderr.flush()
    os.write(sys.stderr.fileno(), f"watchdog: {reason}; all stacks follow, exit code {EXIT_STALLED}\n".encode())
    faulthandler.dump_traceback(sys.stderr, all_threads=True)
    os._exit(EXIT_STALLED)


class Watchdog:
    """Looks every few seconds; `end` is called once, with the reason."""

    def __init__(
        self,
        senses: Senses,
        clock: Clock,
        *,
        session_timeout_s: float,
        stall_seconds: float = STALL_SECONDS,
        interval_seconds: float = INTERVAL_SECONDS,
        end: Callable[[str], None] = dump_and_exit,
    ) -> None:
        self._senses = senses
        self._clock = clock
        self._session_timeout_s = session_timeout_s
        self._stall_seconds = stall_seconds
        self._interval_seconds = interval_seconds
        self._end = end
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._awake_since = clock.monotonic()
        self._looked_at = self._awake_since
        self._reachable_since: float | None = None  # while something is wrong: since when the probe has succeeded

    def start(self) -> None:
        """Start the thread."""
        self._looked_at = self._awake_since = self._clock.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a stop that takes its time is not judged."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_seconds):
            reason = self.look()
            if reason is not None and not self._stop.is_set():
                self._end(reason)
                return

    def look(self) -> str | None:
        """Return why the process must end, None while it need not."""
        self._notice_sleep()
        reason = self._stuck_loop() or self._stuck_source()
        self._looked_at = self._clock.monotonic()
        return reason

    def _notice_sleep(self) -> None:
        """Where we did not run either, the ages of all clocks start anew."""
        now = self._clock.monotonic()
        if now - self._looked_at > 2 * self._interval_seconds:
            self._awake_since, self._reachable_since = now, None

    def _stuck_loop(self) -> str | None:
        age = self._clock.monotonic() - max(self._senses.heartbeat(), self._awake_since)
        return f"the loop has been inside one call for {age:.0f} s" if age > self._stall_seconds else None

    def _stuck_source(self) -> str | None:
        suspicion = self._suspicion()
        if suspicion is None or not self._senses.probe():
            self._reachable_since = None
            return None
        now = self._clock.monotonic()
        if self._reachable_since is None:
            self._reachable_since = now
        reachable = now - self._reachable_since
        if reachable <= self._stall_seconds:
            return None  # after an outage the client needs a while to find back
        return f"{suspicion}, although a broker has been reachable for {reachable:.0f} s"

    def _suspicion(self) -> str | None:
        """Look for a source that stands still; whether the brokers are to blame, the probe tells."""
        health = self._senses.health()
        silence = self._clock.monotonic() - max(health.last_progress, self._awake_since)
        if silence > self._interval_seconds:
            return f"no fetch has been answered for {silence:.0f} s"
        age = self._senses.heartbeat_age()
        if age is not None and age > self._session_timeout_s:
            return f"the group has had no heartbeat of ours for {age:.0f} s"
        return None

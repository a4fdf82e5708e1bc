"""Whether the brokers answer, and if not, why: in words, for /readyz, and in times, for the watchdog."""

import threading
from collections.abc import Callable
from typing import Final

from daemon.clock import Clock
from daemon.source import SourceHealth

_STALL_SECONDS: Final = 3.0  # of waiting in poll without an answer; a fetch waits 0.5 s at most when all is well
_PROBE_INTERVAL_SECONDS: Final = 5.0
_NO_ANSWER: Final = "no broker answers"


class Outage:
    """Kept by the polling thread; `progress` may be called by the IO thread, `health` by any.

    `diagnose` may take seconds (names are resolved, sockets opened), so it runs on a thread of its own, one at a time
    and only while there is no answer.
    """

    def __init__(self, clock: Clock, diagnose: Callable[[], str]) -> None:
        self._clock = clock
        self._diagnose = diagnose
        self._last_progress = clock.monotonic()
        self._seen_progress = self._last_progress
        self._waited_s = 0.0
        self._next_probe = self._last_progress
        self._prober: threading.Thread | None = None
        self._diagnosis = _NO_ANSWER
        self._health = SourceHealth(
            reason=self._diagnosis, unreachable_since=self._last_progress, last_progress=self._last_progress
        )

    def progress(self) -> None:
        """Note an answer that shows that records flow, or would if there were any."""
        self._last_progress = self._clock.monotonic()

    def after_poll(self, waited_s: float, *, joined: bool, failure: str) -> None:
        """Judge a poll that took `waited_s`; `failure` is the client's own error, empty if there was none."""
        if self._last_progress > self._seen_progress:
            self._seen_progress, self._waited_s = self._last_progress, 0.0
        else:
            self._waited_s += waited_s
        joined = joined or self._health.joined
        first_answer_awaited = not self._health.reachable and self._waited_s > 0.0
        if not failure and self._waited_s < _STALL_SECONDS and not first_answer_awaited:
            self._health = SourceHealth(joined=joined, reachable=True, last_progress=self._last_progress)
            return
        since = self._health.unreachable_since
        self._health = SourceHealth(
            joined=joined,
            reason=self._explain(failure),
            unreachable_since=self._last_progress if since is None else since,
            last_progress=self._last_progress,
        )

    def health(self) -> SourceHealth:
        """Return what is known now."""
        known = self._health
        return SourceHealth(known.joined, known.reachable, known.reason, known.unreachable_since, self._last_progress)

    def _explain(self, failure: str) -> str:
        now = self._clock.monotonic()
        if self._health.reachable:
            self._diagnosis = _NO_ANSWER  # not what an earlier outage was about
        if now >= self._next_probe and (self._prober is None or not self._prober.is_alive()):
            self._next_probe = now + _PROBE_INTERVAL_SECONDS
            self._prober = threading.Thread(target=self._probe, name="broker-probe", daemon=True)
            self._prober.start()
        return "; ".join(text for text in (self._diagnosis, failure) if text)

    def _probe(self) -> None:
        self._diagnosis = self._diagnose()

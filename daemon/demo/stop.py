"""How a person or the system asks the demo to end: a flag that signals set and waits look at."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STEP_SECONDS: Final = 0.05


class StopRequest:
    """Set once, never cleared.

    A plain attribute, no threading.Event: a signal's handler runs inside the main thread's own wait, where taking the
    event's lock a second time would block for ever.
    """

    def __init__(self) -> None:
        self.requested = False

    def pause(self, seconds: float) -> bool:
        """Sleep; return early, and True, once somebody asked to end."""
        end = time.monotonic() + seconds
        while not self.requested and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _STEP_SECONDS))
        return self.requested

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Within this context Ctrl-C, SIGTERM and a closed terminal ask to end, instead of breaking off."""
        before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True

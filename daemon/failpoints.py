"""Named points at which a test may kill, stop or fail this process. Off unless KLAXON_FAILPOINTS is set.

    KLAXON_FAILPOINTS="store.manifest_put:2:kill,loop.before_commit:1:raise"

name:hits:action: at that many passes of the point the action happens, once. `kill` ends the process as kill -9 does,
`stop` halts it as SIGSTOP does, `raise` raises OSError(ENOSPC), `sleep` waits 5 s. It is how the promise of exactness
is tested: between any two steps the process may die.
"""

import errno
import os
import signal
import time
from collections.abc import Callable
from typing import Final

VARIABLE: Final = "KLAXON_FAILPOINTS"
SLEEP_SECONDS: Final = 5.0

#: Every point, in the order in which a snapshot's life passes them.
POINTS: Final = (
    "loop.absorbed",  # a batch is in the panes, its successor is not
    "loop.before_commit",
    "loop.after_commit",
    "loop.before_publish",
    "snapshot.captured",  # changed panes are copied, nothing is written
    "store.chunk_put",
    "store.chunks_flushed",
    "store.manifest_put",  # durable, not yet known to be
    "store.before_collect",
    "store.after_collect",
    "file.written",  # the temporary file, not synced
    "file.synced",
    "file.renamed",
    "file.folder_synced",
    "restore.loaded",  # bytes are here, no state is
    "restore.before_resume",
    "restore.after_resume",
    "group.revoking",  # inside the rebalance listener
    "stop.captured",
    "stop.saved",
)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _raise() -> None:
    raise OSError(errno.ENOSPC, "No space left on device (failpoint)")


def _sleep() -> None:
    time.sleep(SLEEP_SECONDS)


_ACTIONS: Final[dict[str, Callable[[], None]]] = {"kill": _kill, "stop": _stop, "raise": _raise, "sleep": _sleep}


def parse(text: str) -> dict[str, tuple[int, Callable[[], None]]]:
    """Return what happens where; ValueError for an unknown point or action."""
    armed = {}
    for item in filter(None, text.split(",")):
        name, hits, action = item.split(":")
        if name not in POINTS or action not in _ACTIONS:
            raise ValueError(f"{VARIABLE}: unknown point or action in `{item}`")
        armed[name] = (int(hits), _ACTIONS[action])
    return armed


_armed: dict[str, tuple[int, Callable[[], None]]] = parse(os.environ.get(VARIABLE, ""))


def hit(name: str) -> None:
    """Pass a point."""
    if _armed and name in _armed:
        left, action = _armed.pop(name)
        if left <= 1:
            action()
        else:
            _armed[name] = (left - 1, action)

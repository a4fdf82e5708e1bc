"""Child processes that never outlive the demo: each in a group of its own, asked to end, then killed."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

TERMINATE_SECONDS: Final = 5.0
KILL_SECONDS: Final = 5.0


class Child:
    """One running program with its output in a file.

    It has a process group of its own, so that Ctrl-C on the terminal reaches only the demo, which then ends the
    programs in order. `environment` is its own if given, else ours.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log_file: Path,
        patience_s: float = TERMINATE_SECONDS,
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._log_file = log_file
        self._patience_s = patience_s
        # Where the system has it, the kernel ends the child too when the demo itself is killed.
        guard = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
        with log_file.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a command of our own, no shell
                [*guard, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=log_file.parent,
                env=environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id, which is the group's id too."""
        return self._process.pid

    def ended(self) -> int | None:
        """Return the exit status of a child that is no more, else None."""
        return self._process.poll()

    def end(self) -> None:
        """Ask the group to end, wait as long as was agreed, then kill what is left of it."""
        if self._process.poll() is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(self._patience_s)
        self._signal(signal.SIGKILL)
        self._process.wait(KILL_SECONDS)

    def tail(self, lines: int = 8) -> str:
        """Return the last lines that it wrote, for people."""
        return "\n".join(self._log_file.read_text(errors="replace").splitlines()[-lines:])

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

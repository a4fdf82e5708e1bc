"""Errors that stop the program, with the exit code that scripts can rely on. Bad data is never one of them."""

from typing import Final

EXIT_OK: Final = 0
EXIT_FAULT: Final = 1  # an unexpected fault: a bug of ours
EXIT_USAGE: Final = 2  # bad flags or configuration
EXIT_DEPENDENCY: Final = 3  # a broker, a program or a file that is needed cannot be had
EXIT_STALLED: Final = 70  # the watchdog ended a process that made no progress


class OperatingError(Exception):
    """Something outside the program is wrong; the message says what, where, and what to do."""

    exit_code: int = EXIT_DEPENDENCY


class UsageError(OperatingError):
    """The flags or the configuration are wrong."""

    exit_code = EXIT_USAGE

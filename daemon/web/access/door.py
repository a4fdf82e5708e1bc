"""What the web configuration file says now: it and its certificates are read again when they change."""

import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import structlog

from daemon.clock import Clock
from daemon.errors import UsageError
from daemon.web.access.tls import context_of
from daemon.web.access.values import Access

log = structlog.get_logger(__name__)

#: How often the files are looked at, at most.
LOOK_SECONDS: Final = 1.0

_Seen = dict[Path, tuple[int, int, int] | None]


class Door:
    """Who may connect and ask; for one thread.

    A changed file that cannot be used is logged once, and what was there before stays; it is tried again at each look.
    Made of files that cannot be used it raises UsageError.
    """

    def __init__(self, read: Callable[[], Access], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._complaint: str | None = None
        self._looked = clock.monotonic()
        self._access, self._context, self._seen = self._open({})

    def access(self) -> Access:
        """Return what is in force now."""
        self._look()
        return self._access

    def context(self) -> ssl.SSLContext:
        """Return the context for a new connection; ValueError where there is no TLS."""
        self._look()
        if self._context is None:
            raise ValueError("there is no TLS")
        return self._context

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken; this never changes."""
        return self._context is not None

    def _look(self) -> None:
        now = self._clock.monotonic()
        if not self._access.files or now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        seen = _stamps(self._access.files)
        if seen == self._seen and self._complaint is None:
            return
        try:
            self._access, self._context, self._seen = self._changed(seen)
        except UsageError as error:
            self._complain(str(error))
            return
        self._complaint = None
        log.info("web configuration read again", file=str(self._access.file))

    def _complain(self, problem: str) -> None:
        if problem != self._complaint:
            log.error("changed web configuration refused, the one before stays", problem=problem)
        self._complaint = problem

    def _changed(self, before: _Seen) -> tuple[Access, ssl.SSLContext | None, _Seen]:
        """Read everything again; UsageError also where TLS would come or go, which must not happen unseen."""
        found = self._open(before)
        if (found[1] is None) != (self._context is None):
            raise UsageError(f"{found[0].file}: TLS cannot be switched on or off while klaxond runs; start it again")
        return found

    def _open(self, before: _Seen) -> tuple[Access, ssl.SSLContext | None, _Seen]:
        """Read everything; with the stamps from before that, so that a change in the meantime shows."""
        access = self._read()
        seen = {file: before.get(file) or stamp for file, stamp in _stamps(access.files).items()}
        return access, None if access.tls is None else context_of(access.tls), seen


def _stamps(files: Iterable[Path]) -> _Seen:
    """Return what changes when a file does, also where a link is set to another folder, as Kubernetes does."""
    return {file: _stamp(file) for file in files}


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

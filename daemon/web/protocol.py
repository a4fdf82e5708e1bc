"""Limits on connections that uvicorn does not set itself: how many there are, and how long one may take; and TLS.

Without them a client that connects and says nothing, sends its header byte by byte, or does not read the answer holds
its connection for ever, and a few dozen of those keep Prometheus and the kubelet out.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from daemon.web.access import Door, Handshake
from daemon.web.limits import Visitor, make_room

MAX_HEADER_BYTES: Final = 16 * 1024
#: For one request with its answer, from the connection's start or the end of the answer before.
REQUEST_SECONDS: Final = 30.0
#: Below REQUEST_SECONDS; a scraper with a longer interval connects anew.
KEEP_ALIVE_SECONDS: Final = 20


def behind_tls(door: Door) -> Callable[..., Handshake]:
    """Return what makes the protocol of a new connection where the door speaks TLS, as uvicorn calls it."""

    def connect(*, server_state: ServerState, **options: Any) -> Handshake:  # noqa: ANN401 - passed on as they are
        def begin() -> BoundedProtocol:
            return BoundedProtocol(server_state=server_state, **options)

        return Handshake(begin, server_state.connections, door)

    return connect


class BoundedProtocol(H11Protocol, Visitor):
    """One connection with a deadline, counted with all others."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - passed on as they are
        super().__init__(*arguments, **options)
        self._deadline: asyncio.TimerHandle | None = None
        self.waiting_since = time.monotonic()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for the new connection and start its deadline."""
        super().connection_made(transport)
        self._restart_deadline()
        make_room(self.connections, self)

    def on_response_complete(self) -> None:
        """Give the next request of this connection a time of its own."""
        super().on_response_complete()
        self._restart_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._stop_deadline()
        super().connection_lost(exc)

    def drop(self) -> None:
        """Close without waiting for the peer to read what was sent."""
        self.connections.discard(self)
        self._stop_deadline()
        self.transport.abort()

    def _restart_deadline(self) -> None:
        self._stop_deadline()
        self.waiting_since = time.monotonic()
        if not self.transport.is_closing():
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self.drop)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

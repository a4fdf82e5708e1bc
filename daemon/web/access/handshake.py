"""TLS on one connection before HTTP begins: with the certificates of this moment, and within a time.

The event loop's own TLS listener would keep one context for ever. OpenSSL can exchange a live context's certificate,
but not whom it trusts; so each connection begins plain here and is encrypted by the context of that moment.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import structlog

from daemon.web.access.door import Door
from daemon.web.access.tls import names_of, spelt
from daemon.web.limits import Visitor, make_room

log = structlog.get_logger(__name__)

HANDSHAKE_SECONDS: Final = 10.0
#: How long a peer may take to say goodbye.
SHUTDOWN_SECONDS: Final = 3.0


class _Connections(Protocol):
    """The set of connections, of which the HTTP server knows only its own kind."""

    def add(self, connection: Any, /) -> None: ...  # noqa: ANN401 - its own kind or ours
    def discard(self, connection: Any, /) -> None: ...  # noqa: ANN401 - as above
    def __len__(self) -> int: ...
    def __iter__(self) -> Any: ...  # noqa: ANN401 - as above
    def __contains__(self, connection: object, /) -> bool: ...


class Handshake(asyncio.Protocol, Visitor):
    """A connection until it is encrypted and its client is known; `begin` makes the protocol that takes it over."""

    def __init__(self, begin: Callable[[], asyncio.Protocol], connections: _Connections, door: Door) -> None:
        self._begin = begin
        self._connections = connections
        self._door = door
        self._plain: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._early = bytearray()
        self._lost = False
        self.waiting_since = time.monotonic()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room, and begin the handshake before anything is read."""
        self._plain = transport
        transport.pause_reading()
        self._connections.add(self)
        make_room(self._connections, self)
        self._task = asyncio.get_running_loop().create_task(self._encrypt(transport))

    def data_received(self, data: bytes) -> None:
        """Keep what comes with the handshake's last message, until somebody takes it over."""
        self._early += data

    def connection_lost(self, _: Exception | None) -> None:
        """Note that there is nothing to take over any more."""
        self._lost = True
        self._connections.discard(self)

    def drop(self) -> None:
        """Close at once, without waiting for the peer."""
        self._connections.discard(self)
        if self._plain is not None:
            self._plain.abort()

    def shutdown(self) -> None:
        """End with the server."""
        self.drop()

    async def _encrypt(self, plain: asyncio.Transport) -> None:
        try:
            if plain.is_closing():
                return
            secured = await asyncio.get_running_loop().start_tls(
                plain,
                self,
                self._door.context(),
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS,
            )
        except OSError as error:
            log.debug("TLS handshake failed", peer=_peer(plain), problem=str(error) or "the peer left")
            return  # the connection has been closed
        finally:
            self._connections.discard(self)
        if secured is None or self._lost or secured.is_closing():  # the peer left, or we had to make room
            plain.abort()
            return
        self._hand_over(secured)

    def _hand_over(self, secured: asyncio.Transport) -> None:
        access = self._door.access()
        wanted = {spelt(name) for name in access.tls.allowed_sans} if access.tls is not None else set()
        certificate = secured.get_extra_info("peercert") or {}
        if wanted and not wanted & names_of(certificate):
            log.debug("the client's certificate has no name that is allowed", peer=_peer(secured))
            secured.abort()
            return
        protocol = self._begin()
        secured.set_protocol(protocol)
        protocol.connection_made(secured)
        if self._early:
            protocol.data_received(bytes(self._early))


def _peer(transport: asyncio.Transport) -> str:
    return str(transport.get_extra_info("peername"))

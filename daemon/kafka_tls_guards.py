# ruff: noqa: SLF001 - like daemon/kafka_guards.py, a place for private names of the client
"""Guards around the client's TLS connections, each with a test that fails without it.

handshake: it has no deadline; a firewall at the wrong moment is a silent stop for ever.
end: the socket of a handshake that failed is not closed; its descriptor stays until old garbage is collected.
beginning: a connection that is reset before its handshake raises an OSError out of poll, where only errors of the
client are awaited, and ends the process.
"""

import functools
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from kafka.errors import KafkaConnectionError
from kafka.net.transport import KafkaSSLTransport

HANDSHAKE_SECONDS = 10.0


def install() -> None:
    """Patch the library for this process. Harmless when called again."""
    if not hasattr(KafkaSSLTransport.handshake, "__wrapped__"):
        KafkaSSLTransport.handshake = _bounded(KafkaSSLTransport.handshake)
        KafkaSSLTransport.__init__ = _begun(KafkaSSLTransport.__init__)


def _begun(begin: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(begin)
    def begun(transport: object, net: object, sock: socket.socket, *more: Any, **configs: Any) -> None:  # noqa: ANN401
        try:
            begin(transport, net, sock, *more, **configs)
        except OSError as error:  # reset by the peer, or a file of ours that is just being replaced
            sock.close()
            words = f"TLS could not begin: {error}"
        else:
            return
        raise KafkaConnectionError(words)  # apart from its cause, whose frames hold another socket

    return begun


def _bounded(handshake: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(handshake)
    async def bounded(transport: Any) -> None:  # noqa: ANN401 - the client is not typed
        deadline = time.monotonic() + HANDSHAKE_SECONDS
        try:
            while True:
                try:
                    transport._sock.do_handshake()
                except ssl.SSLWantReadError:
                    await transport._net.wait_read(transport._sock, timeout_at=deadline)
                except ssl.SSLWantWriteError:
                    await transport._net.wait_write(transport._sock, timeout_at=deadline)
                else:
                    return
        except BaseException:  # also where the attempt is called off
            transport.close()
            raise

    return bounded

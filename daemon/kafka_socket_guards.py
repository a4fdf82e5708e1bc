"""A guard around the client's sockets: one whose connection fails is closed at once.

The client lets go of it without closing it, so that its descriptor stays until old garbage is collected: in an outage
one more every two seconds.
"""

import functools
import socket
from collections.abc import Callable
from typing import Any

from kafka.net.inet import KafkaNetSocket


def install() -> None:
    """Patch the library for this process. Harmless when called again."""
    if not hasattr(KafkaNetSocket.sock_connect, "__wrapped__"):
        KafkaNetSocket.sock_connect = _closing(KafkaNetSocket.sock_connect)


def _closing(connect: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(connect)
    async def closing(maker: object, net: object, sock: socket.socket, *more: object, **options: object) -> Any:  # noqa: ANN401 - the client is not typed
        try:
            return await connect(maker, net, sock, *more, **options)
        except BaseException:  # also where the attempt is called off
            sock.close()
            raise

    return closing

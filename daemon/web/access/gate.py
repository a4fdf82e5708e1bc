"""Basic authentication (RFC 7617) in front of the application, as an ASGI layer.

Probes are let through: a kubelet has no password, and what they tell is one word.
"""

import base64
import binascii
from typing import TYPE_CHECKING, Final

from daemon.web.access.door import Door
from daemon.web.access.passwords import Passwords, TooManyError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS: Final = frozenset({"/livez", "/readyz", "/-/healthy", "/-/ready"})

_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
_CHALLENGE: Final = (b"www-authenticate", b'Basic realm="klaxond", charset="UTF-8"')


class Gate:
    """Asks for a name and a password where the door has users; `state.admitted` tells the application."""

    def __init__(self, app: "ASGIApp", door: Door) -> None:
        self._app = app
        self._door = door
        self._passwords = Passwords()

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass the request on, or answer it with 401, or 503 where too many logins wait."""
        is_open = scope["path"] in OPEN_PATHS
        try:
            admitted = await self._admits(scope["headers"])
        except TooManyError:
            if not is_open:
                await _answer(send, 503, b"too many logins at once; ask again in a moment\n", (b"retry-after", b"5"))
                return
            admitted = False
        if not (admitted or is_open):
            await _answer(send, 401, b"a name and a password of the web configuration file are needed\n", _CHALLENGE)
            return
        scope["state"]["admitted"] = admitted
        await self._app(scope, receive, send)

    async def _admits(self, headers: list[tuple[bytes, bytes]]) -> bool:
        users = self._door.access().users
        if not users:
            return True
        found = credentials(headers)
        return found is not None and await self._passwords.fits(users, *found)


def credentials(headers: list[tuple[bytes, bytes]]) -> tuple[str, bytes] | None:
    """Return name and password of a request's headers (names in small letters); None if there are none."""
    given = [value for name, value in headers if name == b"authorization"]
    scheme, _, encoded = (given[0] if len(given) == 1 else b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (name.decode(), password) if colon else None
    except (binascii.Error, UnicodeDecodeError):
        return None


async def _answer(send: "Send", status: int, body: bytes, header: tuple[bytes, bytes]) -> None:
    headers = [_TEXT, (b"content-length", str(len(body)).encode()), header]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""Whether a password fits its bcrypt hash, at a cost that others do not feel."""

import asyncio
import hmac
import os
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

import bcrypt

#: Of either kind; what was asked longest ago is forgotten.
REMEMBERED: Final = 100
#: Logins that wait for their turn; one more is turned away. As many as there are connections.
WAITING_MAX: Final = 32
#: bcrypt reads no further, and this library refuses more where others cut.
_PASSWORD_BYTES: Final = 72
#: A salt and a digest that no password has; unknown names take as long as known ones.
_NOBODY: Final = "." * 21 + "e" + "." * 30 + "e"


class TooManyError(Exception):
    """More logins wait than can be looked at soon."""


class Passwords:
    """Verifies one password at a time in a thread, and remembers answers without the passwords; for one event loop."""

    def __init__(self) -> None:
        self._secret = os.urandom(32)
        self._fitting: OrderedDict[bytes, None] = OrderedDict()
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def fits(self, users: Mapping[str, str], name: str, password: bytes) -> bool:
        """Tell whether `users` (bcrypt hash by name) has this name with this password. Raises TooManyError."""
        known = name in users
        hashed = (users[name] if known else _decoy(users)).encode()
        key = self._key(name.encode(), hashed, password)
        remembered = self._remembered(key)
        if remembered is None:
            if self._waiting >= WAITING_MAX:
                raise TooManyError
            self._waiting += 1
            try:
                async with self._turn:
                    remembered = self._remembered(key)  # the same was perhaps asked before us
                    if remembered is None:
                        remembered = await asyncio.to_thread(_verify, password, hashed) and known
                        self._remember(key, fits=remembered)
            finally:
                self._waiting -= 1
        return remembered

    def _key(self, *parts: bytes) -> bytes:
        """Return what stands for a login in memory: nobody can compute it, or go back from it."""
        return hmac.digest(self._secret, b"".join(len(part).to_bytes(4) + part for part in parts), "sha256")

    def _remembered(self, key: bytes) -> bool | None:
        for logins, fits in ((self._fitting, True), (self._wrong, False)):
            if key in logins:
                logins.move_to_end(key)
                return fits
        return None

    def _remember(self, key: bytes, *, fits: bool) -> None:
        # Apart, so that no number of wrong passwords can push out the right ones.
        logins = self._fitting if fits else self._wrong
        logins[key] = None
        if len(logins) > REMEMBERED:
            logins.popitem(last=False)


def _verify(password: bytes, hashed: bytes) -> bool:
    try:
        return bcrypt.checkpw(password[:_PASSWORD_BYTES], hashed)
    except ValueError:  # not for any hash that the settings let through
        return False


def _decoy(users: Mapping[str, str]) -> str:
    """Return a hash that costs as much as the first user's."""
    cost = next(iter(users.values()))[4:6] if users else "10"
    return f"$2b${cost}${_NOBODY}"

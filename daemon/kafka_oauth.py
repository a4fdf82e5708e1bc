"""Tokens for OAUTHBEARER: from a file, or by OAuth's client-credentials flow (RFC 6749, section 4.4).

The client asks for a token on its IO thread, where heartbeats live: so a token is always at hand there, and a thread
of our own fetches the next one in time.
"""

import base64
import binascii
import json
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kafka.errors import KafkaError
from kafka.net.sasl.oauth import AbstractTokenProvider

_REQUEST_SECONDS: Final = 10.0
_FIRST_TOKEN_SECONDS: Final = 2.0  # a connection may wait so long for the first token, less than a session lasts
_RETRY_SECONDS: Final = 5.0
_LIFETIME_SECONDS: Final = 300.0  # of a token that does not tell
_REFRESH_SHARE: Final = 0.8  # of its lifetime has passed when a token is replaced
_LARGEST_ANSWER_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth:
    """Where tokens come from: `token_file`, or the endpoint with a client's credentials."""

    token_file: str | None = None
    token_endpoint_url: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A token and the seconds that it is good for, counted from its fetch."""

    text: str = field(repr=False)
    lifetime_s: float = _LIFETIME_SECONDS


class TokenError(KafkaError):  # type: ignore[misc]
    """No token can be had; the text says why and what to check. It never holds a secret."""


class CachedTokens(AbstractTokenProvider):  # type: ignore[misc]  # the client is not typed
    """The client's token provider. `problem` is empty while tokens come, and else says why they do not.

    A token file is read for every connection: it is local and small, and something else keeps it fresh.
    """

    def __init__(self, oauth: OAuth, ca_file: str | None = None) -> None:
        super().__init__()
        self.problem = ""
        self._oauth = oauth
        self._ca_file = ca_file
        self._token: Token | None = None
        self._expires = 0.0  # monotonic seconds
        self._tried = threading.Event()
        self._closed = threading.Event()
        if oauth.token_file is None:
            threading.Thread(target=self._refresh, name="oauth-tokens", daemon=True).start()

    def token(self) -> str:
        """Return a token that is still good. Raises TokenError, which ends this one try to connect."""
        if self._oauth.token_file is not None:
            return self._from_file(self._oauth.token_file)
        self._tried.wait(_FIRST_TOKEN_SECONDS)
        token = self._token
        if token is None or time.monotonic() >= self._expires:
            raise TokenError(self.problem or "the token endpoint has not answered yet")
        return token.text

    def close(self) -> None:
        """End the thread; it notices within one request."""
        self._closed.set()

    def _from_file(self, name: str) -> str:
        try:
            text = Path(name).read_text(encoding="ascii").strip()
            if not text:
                raise ValueError("it is empty")  # noqa: TRY301 - told like the other faults of the file
        except (OSError, ValueError) as error:
            self.problem = f"kafka.sasl.oauth.token_file {name}: {error}"
            raise TokenError(self.problem) from error
        self.problem = ""
        return text

    def _refresh(self) -> None:
        wait = 0.0
        while not self._closed.wait(wait):
            asked = time.monotonic()
            try:
                token = fetch_token(self._oauth, self._ca_file)
            except TokenError as error:
                self.problem = str(error)
                wait = _RETRY_SECONDS
            else:
                self.problem = ""
                self._token, self._expires = token, asked + token.lifetime_s
                wait = max(1.0, _REFRESH_SHARE * token.lifetime_s)
            self._tried.set()


def fetch_token(oauth: OAuth, ca_file: str | None = None) -> Token:
    """Ask the endpoint for a token; its certificate may be signed by the system's authorities or by `ca_file`.

    Raises TokenError with the endpoint and the cause.
    """
    url = oauth.token_endpoint_url or ""
    credentials = f"{urllib.parse.quote(oauth.client_id or '')}:{urllib.parse.quote(oauth.client_secret or '')}"
    form = {"grant_type": "client_credentials"} | ({"scope": oauth.scope} if oauth.scope else {})
    try:
        request = urllib.request.Request(  # noqa: S310 - http and https only, see the check below
            url,
            data=urllib.parse.urlencode(form).encode(),
            headers={
                "Authorization": "Basic " + base64.b64encode(credentials.encode()).decode(),
                "Accept": "application/json",
            },
        )
        if request.type not in ("http", "https"):
            raise ValueError("it is not an http or https address")  # noqa: TRY301
        context = ssl.create_default_context()
        if ca_file is not None:
            context.load_verify_locations(ca_file)
        with urllib.request.urlopen(request, timeout=_REQUEST_SECONDS, context=context) as answer:  # noqa: S310
            return _token_of(json.loads(answer.read(_LARGEST_ANSWER_BYTES)))
    except urllib.error.HTTPError as error:
        raise TokenError(
            f"the token endpoint {url} answered {error.code}: check kafka.sasl.oauth.client_id, client_secret and scope"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TokenError(
            f"the token endpoint {url} gave no token ({error}): check kafka.sasl.oauth.token_endpoint_url"
        ) from error


def _token_of(answer: dict[str, object]) -> Token:
    text = answer["access_token"]
    if not isinstance(text, str):
        raise TypeError("access_token is no string")
    lifetime = answer.get("expires_in")
    if not isinstance(lifetime, (int, float)) or lifetime <= 0:
        lifetime = _remaining_seconds(text)
    return Token(text, float(lifetime))


def _remaining_seconds(token: str) -> float:
    """Seconds to a JWT's own expiry (RFC 7519, `exp`); opaque tokens do not tell."""
    try:
        payload = token.split(".")[1]
        expiry = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"]
        return max(1.0, float(expiry) - time.time())
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return _LIFETIME_SECONDS

"""How the daemon proves itself to brokers and brokers to it: options -> arguments of a Kafka client.

The client gets an SSL context of ours, because it accepts `ssl_ciphers` and ignores it.
"""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from daemon.errors import UsageError
from daemon.kafka_oauth import CachedTokens, OAuth

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

# Authenticated encryption only; the ciphers of TLS 1.3 are all of that kind and are not in this list.
_TLS12_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"

# Set here because the consumer's own default drops keep-alive: a peer that vanished is noticed within a minute.
SOCKET_OPTIONS: Final = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), seconds)
        for name, seconds in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sasl:
    """Who we are: user and password, or tokens."""

    mechanism: Mechanism
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    oauth: OAuth | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """How to talk to brokers. Files are PEM; `ca_file` None means the system's authorities.

    The name in a broker's certificate is always checked.
    """

    protocol: Protocol = "PLAINTEXT"
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    key_password: str | None = field(default=None, repr=False)
    sasl: Sasl | None = None

    @property
    def encrypted(self) -> bool:
        """Whether connections are TLS."""
        return self.protocol in ("SSL", "SASL_SSL")

    def secrets(self) -> tuple[str, ...]:
        """Return what must never be printed."""
        sasl, oauth = self.sasl, self.sasl.oauth if self.sasl else None
        candidates = (self.key_password, sasl and sasl.password, oauth and oauth.client_secret)
        return tuple(secret for secret in candidates if secret)


class _FreshContext(ssl.SSLContext):
    """A client context that reads its files again when they have changed, so that rotation needs no restart."""

    security: Security
    loaded: Mapping[str, int | None]

    def wrap_socket(  # noqa: PLR0917 - the library's signature
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """Wrap a socket, with the files as they are now; a file that is being replaced fails this one try."""
        if self.loaded != _modification_times(self.security):
            self.load()
        return super().wrap_socket(
            sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, server_hostname, session
        )

    def load(self) -> None:
        """Read authorities, certificate and key."""
        security = self.security
        times = _modification_times(security)
        if security.ca_file is None:
            self.load_default_certs()
        else:
            self.load_verify_locations(security.ca_file)
        if security.cert_file is not None:
            # Without a password the library would ask for one on the terminal.
            self.load_cert_chain(security.cert_file, security.key_file, lambda: security.key_password or "")
        self.loaded = times


def ssl_context(security: Security) -> ssl.SSLContext:
    """Return a context for clients: TLS 1.2 or newer, authenticated ciphers, certificate and name checked.

    Raises UsageError where a file cannot be read or is not what it should be.
    """
    context = _FreshContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_TLS12_CIPHERS)
    context.security = security
    try:
        context.load()
    except (OSError, ValueError) as error:
        names = (security.ca_file, security.cert_file, security.key_file)
        raise UsageError(
            f"kafka.ssl: {error}; check that {', '.join(name for name in names if name)} can be read, are PEM, "
            "belong together, and that kafka.ssl.key_password opens the key"
        ) from error
    return context


def client_arguments(security: Security) -> dict[str, Any]:
    """Return what a Kafka client is given to connect as `security` says.

    Raises UsageError for settings that cannot work. A token provider among them has a thread: close it.
    """
    arguments: dict[str, Any] = {"security_protocol": security.protocol, "socket_options": SOCKET_OPTIONS}
    if security.encrypted:
        arguments["ssl_context"] = ssl_context(security)
    if security.protocol.startswith("SASL"):
        arguments |= _sasl_arguments(security)
    return arguments


def _sasl_arguments(security: Security) -> dict[str, Any]:
    sasl = security.sasl
    if sasl is None:
        raise UsageError(f"kafka.security_protocol {security.protocol} needs kafka.sasl.mechanism")
    arguments: dict[str, Any] = {"sasl_mechanism": sasl.mechanism}
    if sasl.mechanism == "OAUTHBEARER":
        if sasl.oauth is None:
            raise UsageError("kafka.sasl.mechanism OAUTHBEARER needs kafka.sasl.oauth")
        return arguments | {"sasl_oauth_token_provider": CachedTokens(sasl.oauth, security.ca_file)}
    if sasl.username is None or sasl.password is None:
        raise UsageError(f"kafka.sasl.mechanism {sasl.mechanism} needs kafka.sasl.username and kafka.sasl.password")
    return arguments | {"sasl_plain_username": sasl.username, "sasl_plain_password": sasl.password}


def _modification_times(security: Security) -> dict[str, int | None]:
    return {name: _modified(Path(name)) for name in (security.ca_file, security.cert_file, security.key_file) if name}


def _modified(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None

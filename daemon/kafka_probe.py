"""Whether a broker can be reached, in words that name what to check. Sockets only: no Kafka is spoken.

For the reason in /readyz, for the watchdog, and for `klaxond check --connect`. It blocks, so never on the loop.
"""

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from daemon.kafka_security import Security, ssl_context

PROBE_SECONDS: Final = 2.0
_OBJECTION_SECONDS: Final = 0.3
_SERVERS: Final = "check kafka.bootstrap_servers"


@dataclass(frozen=True, slots=True)
class Probe:
    """Answer about one server; `reason` is empty if it is reachable."""

    address: str
    reachable: bool
    reason: str = ""


def probe(address: str, security: Security, timeout_s: float = PROBE_SECONDS) -> Probe:
    """Connect to host:port, with a TLS handshake where `security` says so, and close again."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        addresses = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        return Probe(address, reachable=False, reason=f"{address}: no such name ({error}); {_SERVERS}")
    reason = ""
    for *_, target in addresses:
        try:
            _connect(host, target[:2], security, timeout_s)
        except OSError as error:
            reason = _in_words(address, error, timeout_s)
        else:
            return Probe(address, reachable=True)
    return Probe(address, reachable=False, reason=reason)


def any_reachable(bootstrap_servers: Sequence[str], security: Security) -> bool:
    """Tell whether some server takes connections."""
    return any(probe(address, security).reachable for address in bootstrap_servers)


def diagnose(bootstrap_servers: Sequence[str], security: Security) -> str:
    """Say why brokers do not answer: what is wrong with each, or what is left if connections work."""
    probes = [probe(address, security) for address in bootstrap_servers]
    if not any(found.reachable for found in probes):
        return "; ".join(found.reason for found in probes)
    reached = next(found.address for found in probes if found.reachable)
    if security.sasl is not None:
        layers = "TCP and TLS work" if security.encrypted else "TCP works"
        return (
            f"{reached}: {layers}, but no Kafka request is answered: check kafka.sasl.mechanism and the credentials "
            f"({_credentials(security)})"
        )
    if security.encrypted:
        return f"{reached}: TCP and TLS work, but no Kafka request is answered: is it a broker that wants SASL?"
    return (
        f"{reached} takes connections, but answers no Kafka request: is it a broker, and a plaintext port of it "
        "(kafka.security_protocol)?"
    )


def _credentials(security: Security) -> str:
    if security.sasl is not None and security.sasl.mechanism == "OAUTHBEARER":
        return "kafka.sasl.oauth"
    return "kafka.sasl.username, kafka.sasl.password"


class _RefusedError(ConnectionError):
    """The server ended the session after the handshake, for what it knows of us."""


def _connect(host: str, target: tuple[object, ...], security: Security, timeout_s: float) -> None:
    with socket.create_connection((str(target[0]), int(str(target[1]))), timeout=timeout_s) as plain:
        if security.encrypted:
            with ssl_context(security).wrap_socket(plain, server_hostname=host) as encrypted:
                _await_objection(encrypted)


def _await_objection(encrypted: ssl.SSLSocket) -> None:
    """With TLS 1.3 a server judges our certificate after the handshake; silence means that it awaits a request."""
    encrypted.settimeout(_OBJECTION_SECONDS)
    try:
        encrypted.recv(1)
    except ssl.SSLError as error:
        raise _RefusedError(str(error)) from error
    except OSError:
        return


def _in_words(address: str, error: OSError, timeout_s: float) -> str:
    match error:
        case ConnectionRefusedError():
            return f"{address} refuses connections: is the broker running, and {_SERVERS}"
        case ssl.SSLCertVerificationError():
            return (
                f"{address}: TLS: the broker's certificate is not accepted ({error.verify_message}); check "
                "kafka.ssl.ca_file, and that the certificate is for this host name and has not expired"
            )
        case TimeoutError():
            return f"{address} does not answer within {timeout_s:g} s: check firewalls, and {_SERVERS}"
        case _RefusedError():
            return f"{address}: TLS: the broker refuses us ({error}); check kafka.ssl.cert_file and kafka.ssl.key_file"
        case ssl.SSLError() | ConnectionResetError():
            return f"{address}: TLS fails ({error}): check that it is a TLS port, kafka.security_protocol and kafka.ssl"
        case _:
            return f"{address}: {error}; {_SERVERS}"

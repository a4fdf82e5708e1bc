"""From a description of TLS to the library's context, and the names of a client's certificate."""

import ipaddress
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from daemon.errors import UsageError
from daemon.web.access.values import Tls

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
#: OpenSSL's names of suites for TLS 1.2, by Go's. Those of TLS 1.3 are always on.
OPENSSL_SUITES: Final = {
    f"TLS_ECDHE_{key}_WITH_{cipher}": f"ECDHE-{key}-{name}"
    for key in ("ECDSA", "RSA")
    for cipher, name in (
        ("AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
        ("AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"),
    )
}


def context_of(tls: Tls) -> ssl.SSLContext:
    """Read the certificates into a new context; UsageError (for people) with the file that does not fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = _VERSIONS[tls.oldest], _VERSIONS[tls.newest]
    context.set_alpn_protocols(["http/1.1"])
    suites = [OPENSSL_SUITES[name] for name in tls.cipher_suites if name in OPENSSL_SUITES]
    if suites:
        context.set_ciphers(":".join(suites))
    if not tls.prefer_server_order:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    _load_certificate(context, tls)
    if tls.client_ca_file is not None:
        context.verify_mode = ssl.CERT_REQUIRED if tls.require_client else ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # what is listed is trusted, as in Go: no root needed
        _load_authorities(context, tls.client_ca_file)
    return context


def names_of(certificate: Mapping[str, Any]) -> set[str]:
    """Return the subject alternative names of a certificate as `getpeercert` tells it, in one spelling."""
    return {spelt(name) for _, name in certificate.get("subjectAltName", ())}


def spelt(name: str) -> str:
    """Return a name as it is, an IP address in its shortest form."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


def _load_certificate(context: ssl.SSLContext, tls: Tls) -> None:
    try:
        # Without an answer the library would ask at the terminal for an encrypted key's password.
        context.load_cert_chain(tls.cert_file, tls.key_file, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UsageError(
                f"{tls.key_file}: is not the key of the certificate in {tls.cert_file}; write the files of one pair"
            ) from None
        raise UsageError(
            f"{tls.cert_file}, {tls.key_file}: are no certificate and key in PEM, the key without a password"
        ) from None
    except OSError as error:
        raise UsageError(f"{tls.cert_file}, {tls.key_file}: cannot be read: {error.strerror}") from None


def _load_authorities(context: ssl.SSLContext, file: Path) -> None:
    try:
        context.load_verify_locations(file)
    except ssl.SSLError:
        raise UsageError(f"{file}: holds no certificate in PEM, so no client's could be verified") from None
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from None

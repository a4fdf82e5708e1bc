"""The web configuration file: TLS, client certificates, passwords and headers of the HTTP side.

The format is that of Prometheus and its exporters (github.com/prometheus/exporter-toolkit, docs/web-configuration.md).
What that format has and this program cannot honour is refused with a sentence, never passed over.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, ValidationInfo, field_validator

from config.errors import ConfigError, Problem
from config.explain import problems_of
from config.kinds import NotEmpty, ReadableFile, Secret, Section
from config.layers import file_layer
from config.yaml_file import read_yaml

ClientAuth = Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"]
TlsVersion = Literal["TLS12", "TLS13"]
#: As Go names them; those of TLS 1.3 are always on, here as there.
CipherSuite = Literal[
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
]
_ALWAYS_ON: Final = frozenset({"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
_BCRYPT: Final = re.compile(r"\$2[abxy]\$([0-9]{2})\$[./A-Za-z0-9]{53}")
#: Beyond it one login takes seconds of a core.
_COST_MAX: Final = 15
_COST_MIN: Final = 4
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e\t]*")
_HEADER_WORDS: Final = {"X-Frame-Options": ("deny", "sameorigin"), "X-Content-Type-Options": ("nosniff",)}
_HEADERS: Final = (*_HEADER_WORDS, "X-XSS-Protection", "Strict-Transport-Security", "Content-Security-Policy")


def _in_use(version: object) -> object:
    if version in ("TLS10", "TLS11"):
        raise ValueError(f"{version} is out of use (RFC 8996) and not offered here; write TLS12 or TLS13")
    return version


def _with_forward_secrecy(name: object) -> object:
    if isinstance(name, str) and (name.startswith("TLS_RSA_") or name.endswith("_CBC_SHA")):
        raise ValueError(f"{name[:50]} is not offered here: no forward secrecy, or CBC; write one with ECDHE and GCM")
    return name


def _client_auth(word: object) -> object:
    if word in ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert"):
        raise ValueError(
            f"{word} lets any certificate in, and this program never takes one that it has not verified; "
            "write RequireAndVerifyClientCert, or NoClientCert, which is as open"
        )
    return word


def _not_inline(value: object, info: ValidationInfo) -> None:
    if value is not None:
        raise ValueError(f"is read from a file only; write {info.field_name}_file")


def _no_curves(value: object) -> None:
    if value not in (None, []):
        raise ValueError("curves cannot be chosen here; take it away, then X25519 comes first, as in Prometheus")


def _no_rate_limit(value: object) -> None:
    if value not in (None, {}) and not (isinstance(value, dict) and value.get("interval") in (0, "0", "0s")):
        raise ValueError(
            "there is no rate limit here: at most 32 connections are held, and an answer is rendered once a publish; "
            "take it away, or limit in a proxy"
        )


def _absent_if_empty(section: object) -> object:
    return section or None  # as in Prometheus: the key without a value, or with {}


class TlsServerSettings(Section):
    """Certificate of the server, and what is asked of clients."""

    cert_file: ReadableFile = Field(description="PEM file of the certificate, with the chain behind it.")
    key_file: ReadableFile = Field(description="PEM file of its private key, without a password.")
    client_auth_type: Annotated[ClientAuth, BeforeValidator(_client_auth)] = Field(
        default="NoClientCert", description="Whether clients need a certificate that client_ca_file has signed."
    )
    client_ca_file: ReadableFile | None = Field(
        default=None, validate_default=True, description="PEM file of the authorities that sign clients' certificates."
    )
    client_allowed_sans: Annotated[tuple[str, ...], NotEmpty] | None = Field(
        default=None, description="Names (DNS, IP, e-mail, URI) of which a client's certificate must have one."
    )
    min_version: Annotated[TlsVersion, BeforeValidator(_in_use)] = Field(
        default="TLS12", description="Oldest version that is spoken."
    )
    max_version: Annotated[TlsVersion, BeforeValidator(_in_use)] = Field(
        default="TLS13", description="Newest version that is spoken."
    )
    cipher_suites: tuple[Annotated[CipherSuite, BeforeValidator(_with_forward_secrecy)], ...] = Field(
        default=(), description="Suites for TLS 1.2, best first; empty: the library's own choice."
    )
    prefer_server_cipher_suites: bool = Field(default=True, description="Whether our order of suites decides.")
    curve_preferences: Annotated[None, BeforeValidator(_no_curves)] = Field(default=None, description="Refused.")
    cert: Annotated[None, BeforeValidator(_not_inline)] = Field(default=None, description="Refused.")
    key: Annotated[None, BeforeValidator(_not_inline)] = Field(default=None, description="Refused.")
    client_ca: Annotated[None, BeforeValidator(_not_inline)] = Field(default=None, description="Refused.")

    @field_validator("client_ca_file")
    @classmethod
    def _for_verification(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        policy = info.data.get("client_auth_type")
        if path is None and policy not in (None, "NoClientCert"):
            raise ValueError(
                f"client_auth_type {policy} needs it: without it any public authority could let clients in"
            )
        if path is not None and policy == "NoClientCert":
            raise ValueError("nobody is asked for a certificate; write client_auth_type: RequireAndVerifyClientCert")
        return path

    @field_validator("client_allowed_sans")
    @classmethod
    def _of_a_certificate(cls, names: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        if names is not None and info.data.get("client_auth_type") in ("NoClientCert", "VerifyClientCertIfGiven"):
            raise ValueError(
                "a client may come without a certificate; write client_auth_type: RequireAndVerifyClientCert"
            )
        return names

    @field_validator("max_version")
    @classmethod
    def _not_below_the_oldest(cls, newest: str, info: ValidationInfo) -> str:
        if newest < info.data.get("min_version", newest):
            raise ValueError("is older than min_version, so that nobody could connect; write TLS13")
        return newest

    @field_validator("cipher_suites")
    @classmethod
    def _one_for_tls12(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if names and info.data.get("min_version") == "TLS12" and _ALWAYS_ON.issuperset(names):
            raise ValueError("names no suite of TLS 1.2; add one with ECDHE and GCM, or write min_version: TLS13")
        return names


class HttpServerSettings(Section):
    """The protocol and its headers."""

    http2: bool = Field(default=True, description="HTTP/1.1 is spoken either way; clients agree on it by themselves.")
    headers: dict[str, str] = Field(
        default_factory=dict, description="Headers of every answer, in the place of ours of that name."
    )

    @field_validator("headers")
    @classmethod
    def _known(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            words = _HEADER_WORDS.get(name)
            if name not in _HEADERS:
                raise ValueError(f"`{name[:40]}` cannot be set; known here, spelt so: {', '.join(_HEADERS)}")
            if words is not None and value not in words:
                raise ValueError(f"{name} is {' or '.join(words)}, in small letters")
            if _HEADER_VALUE.fullmatch(value) is None:
                raise ValueError(f"{name} has a line break or a character beyond ASCII, which no header may have")
        return headers


def _bcrypt_hash(secret: Secret) -> Secret:
    found = _BCRYPT.fullmatch(secret.get_secret_value())
    if found is None:
        raise ValueError("this is no bcrypt hash, so nothing is shown of it; make one with: htpasswd -nBC 10 NAME")
    if not _COST_MIN <= int(found[1]) <= _COST_MAX:
        raise ValueError(
            f"its cost is {found[1]}, which is not from 4 to {_COST_MAX}; 10 takes about 0.1 s for a login"
        )
    return secret


def _login_names(users: dict[str, Secret]) -> dict[str, Secret]:
    for name in users:
        if not name or ":" in name or not name.isprintable():
            raise ValueError("a name is empty, or has a colon or a control character: nobody could log in by it")
    return users


class WebFile(Section):
    """The whole file."""

    tls_server_config: Annotated[TlsServerSettings | None, BeforeValidator(_absent_if_empty)] = Field(
        default=None, description="TLS; without it plain HTTP."
    )
    http_server_config: Annotated[HttpServerSettings | None, BeforeValidator(_absent_if_empty)] = Field(
        default=None, description="Headers."
    )
    basic_auth_users: Annotated[
        dict[str, Annotated[Secret, AfterValidator(_bcrypt_hash)]],
        BeforeValidator(lambda users: {} if users is None else users),
        AfterValidator(_login_names),
    ] = Field(default_factory=dict, description="Bcrypt hashes of passwords by name; empty: nobody is asked.")
    rate_limit: Annotated[None, BeforeValidator(_no_rate_limit)] = Field(default=None, description="Refused.")


def load_web_file(path: Path) -> WebFile:
    """Read the file; names of files in it are relative to its own directory. Raises ConfigError with every problem."""
    values: dict[str, Any] = file_layer(read_yaml(path, "`tls_server_config:`"), path.parent, WebFile).values
    try:
        return WebFile.model_validate(values)
    except ValidationError as error:
        problems = problems_of(error, WebFile, {})
        raise ConfigError(Problem(f"{path}: {each.path}", each.message) for each in problems) from None

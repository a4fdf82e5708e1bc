"""kafka.ssl and kafka.sasl: certificates, users and tokens."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from config.kinds import FilledSecret, FilledText, ReadableFile, Secret, Section, secret_from_file

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
_URL: Final = re.compile(r"https?://[^\s/@]+(/\S*)?")
_FROM_FILE: Final = "File that holds it; its last line break is left out. Better than the value itself in a YAML file."
_Value = TypeVar("_Value")


def _token_endpoint(url: str) -> str:
    if _URL.fullmatch(url) is None:
        raise ValueError("write the address of the token endpoint, such as https://login.example.org/oauth2/token")
    return url


def _for_password_mechanism(value: _Value | None, info: ValidationInfo) -> _Value | None:
    if "mechanism" not in info.data:  # that fault is told already
        return value
    mechanism: str | None = info.data["mechanism"]
    with_password = mechanism is not None and mechanism != "OAUTHBEARER"
    if with_password and value is None:
        raise ValueError(f"mechanism {mechanism} needs it")
    if value is not None and not with_password:
        raise ValueError("only the mechanisms PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 use it; write one as mechanism")
    return value


def _with_endpoint(value: _Value | None, info: ValidationInfo) -> _Value | None:
    if "token_endpoint_url" not in info.data:  # that fault is told already
        return value
    if (value is None) != (info.data["token_endpoint_url"] is None):
        raise ValueError("token_endpoint_url needs it" if value is None else "only token_endpoint_url uses it")
    return value


class SslSettings(Section):
    """Certificates; only with security_protocol SSL or SASL_SSL."""

    ca_file: ReadableFile | None = Field(
        default=None,
        description="PEM file of the authorities that sign the brokers' certificates; the system's own by default.",
    )
    cert_file: ReadableFile | None = Field(
        default=None,
        description="PEM file of our own certificate, for brokers that ask for one (mutual TLS); with key_file.",
    )
    key_file: ReadableFile | None = Field(default=None, description="PEM file of our certificate's private key.")
    key_password_file: ReadableFile | None = Field(default=None, description=_FROM_FILE)
    key_password: FilledSecret | None = Field(default=None, description="Password of an encrypted key_file.")

    @field_validator("key_file")
    @classmethod
    def _both_or_none(cls, key_file: Path | None, info: ValidationInfo) -> Path | None:
        if "cert_file" in info.data and (key_file is None) != (info.data["cert_file"] is None):
            raise ValueError("cert_file and key_file belong together: write both or none")
        return key_file

    @field_validator("key_password")
    @classmethod
    def _for_a_key(cls, password: Secret | None, info: ValidationInfo) -> Secret | None:
        password = secret_from_file(password, info)
        if password is not None and "key_file" in info.data and info.data["key_file"] is None:
            raise ValueError("there is no key_file that it could open")
        return password


class OauthSettings(Section):
    """Where tokens come from; either token_file, or an endpoint with a client's credentials."""

    token_file: ReadableFile | None = Field(
        default=None, description="File with a token, read again for every connection: something else keeps it fresh."
    )
    token_endpoint_url: Annotated[str, AfterValidator(_token_endpoint)] | None = Field(
        default=None, description="Endpoint of the client-credentials flow; https, since the secret goes there."
    )
    client_id: FilledText | None = Field(default=None, description="Client that asks for the token.")
    client_secret_file: ReadableFile | None = Field(default=None, description=_FROM_FILE)
    client_secret: FilledSecret | None = Field(default=None, description="The client's secret.")
    scope: FilledText | None = Field(default=None, description="Scope to ask for; many endpoints need none.")

    @field_validator("client_id")
    @classmethod
    def _for_an_endpoint(cls, value: str | None, info: ValidationInfo) -> str | None:
        return _with_endpoint(value, info)

    @field_validator("client_secret")
    @classmethod
    def _secret_for_an_endpoint(cls, value: Secret | None, info: ValidationInfo) -> Secret | None:
        if f"{info.field_name}_file" not in info.data:  # that fault is told already
            return value
        return _with_endpoint(secret_from_file(value, info), info)

    @field_validator("token_endpoint_url")
    @classmethod
    def _one_way(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is not None and info.data.get("token_file") is not None:
            raise ValueError("write token_file or token_endpoint_url, not both")
        return url


class SaslSettings(Section):
    """Who we are; only with security_protocol SASL_SSL or SASL_PLAINTEXT."""

    mechanism: Mechanism | None = Field(
        default=None, description="How we prove it. No default: it must be one that the brokers offer."
    )
    username: FilledText | None = Field(default=None, description="User, for PLAIN and SCRAM.")
    password_file: ReadableFile | None = Field(default=None, description=_FROM_FILE)
    password: FilledSecret | None = Field(default=None, description="The user's password, for PLAIN and SCRAM.")
    oauth: OauthSettings = Field(default_factory=OauthSettings, description="Tokens, for OAUTHBEARER.")

    @field_validator("username")
    @classmethod
    def _known_user(cls, username: str | None, info: ValidationInfo) -> str | None:
        return _for_password_mechanism(username, info)

    @field_validator("password")
    @classmethod
    def _known_password(cls, password: Secret | None, info: ValidationInfo) -> Secret | None:
        if "password_file" not in info.data:  # that fault is told already
            return password
        return _for_password_mechanism(secret_from_file(password, info), info)

    @field_validator("oauth")
    @classmethod
    def _token_source(cls, oauth: OauthSettings, info: ValidationInfo) -> OauthSettings:
        used = oauth != OauthSettings()
        if info.data.get("mechanism") == "OAUTHBEARER":
            if oauth.token_file is None and oauth.token_endpoint_url is None:
                raise ValueError("OAUTHBEARER needs tokens: write token_file, or token_endpoint_url with its client")
        elif used and "mechanism" in info.data:
            raise ValueError("only mechanism OAUTHBEARER uses it")
        return oauth

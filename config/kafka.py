"""kafka: the brokers and the consumer group."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from config.addresses import ADDRESS_PATTERN, split_address
from config.credentials import SaslSettings, SslSettings
from config.durations import PositiveDuration, format_duration
from config.kinds import FilledText, Kind, NotEmpty, Section

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
IsolationLevel = Literal["read_committed", "read_uncommitted"]


def _split_list(value: object) -> object:
    """Kafka's own habit is one text with commas."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _server(address: str) -> str:
    split_address(address, example="broker-1:9092", lowest_port=1)
    return address


Server = Annotated[
    str, AfterValidator(_server), WithJsonSchema({"type": "string", "pattern": ADDRESS_PATTERN}), Kind("host:port")
]
Servers = Annotated[
    tuple[Server, ...],
    BeforeValidator(_split_list, json_schema_input_type=str | tuple[Server, ...]),
    NotEmpty,
]


class KafkaSettings(Section):
    """Which brokers, as which group, how patiently, how safely."""

    bootstrap_servers: Servers = Field(
        description="Brokers to ask first, host:port; a list, or one text with commas. Two or three are enough.",
        examples=[["broker-1:9092"]],
    )
    group_id: Annotated[FilledText, Field(max_length=249)] = Field(
        description="Consumer group. Replicas of one monitor share it; two monitors of one topic must not.",
        examples=["klaxond"],
    )
    client_id: FilledText = Field(default="klaxond", description="Name in the brokers' logs and quotas.")
    session_timeout: PositiveDuration = Field(
        default=timedelta(seconds=10),
        description="After this silence the group gives our partitions away, and we show them no longer. 10s: a crash "
        "is taken over in about that time; brokers refuse less than 6s unless told otherwise.",
    )
    heartbeat_interval: PositiveDuration = Field(
        default=timedelta(seconds=1),
        description="At most a third of session_timeout. 1s: a rebalance is noticed, and so done, within seconds.",
    )
    max_poll_interval: PositiveDuration = Field(
        default=timedelta(minutes=5),
        description="Longest time between two polls before the group drops us; 5m is Kafka's own, far above any pause.",
    )
    isolation_level: IsolationLevel = Field(
        default="read_committed",
        description="read_committed: records of transactions that were aborted are never counted.",
    )
    insecure: bool = Field(
        default=False,
        description="true allows a password or a client secret over an unencrypted connection. For trials only.",
    )
    security_protocol: SecurityProtocol = Field(
        default="PLAINTEXT",
        description="PLAINTEXT, as Kafka starts by default; over a network that others share write SSL or SASL_SSL. "
        "SASL_PLAINTEXT only with insecure.",
    )
    ssl: SslSettings = Field(default_factory=SslSettings, description="Certificates.")
    sasl: SaslSettings = Field(default_factory=SaslSettings, description="Credentials.")

    @field_validator("heartbeat_interval")
    @classmethod
    def _beats_in_time(cls, interval: timedelta, info: ValidationInfo) -> timedelta:
        session: timedelta = info.data.get("session_timeout", timedelta.max)
        if interval > session / 3:
            raise ValueError(
                f"{format_duration(interval)} is more than a third of kafka.session_timeout "
                f"({format_duration(session)}): one lost heartbeat would cost the partitions"
            )
        return interval

    @field_validator("security_protocol")
    @classmethod
    def _not_in_the_clear(cls, protocol: SecurityProtocol, info: ValidationInfo) -> SecurityProtocol:
        if protocol == "SASL_PLAINTEXT" and not info.data.get("insecure", True):
            raise ValueError("sends credentials unencrypted; write SASL_SSL, or kafka.insecure: true for a trial")
        return protocol

    @field_validator("ssl")
    @classmethod
    def _ssl_is_used(cls, ssl: SslSettings, info: ValidationInfo) -> SslSettings:
        protocol = info.data.get("security_protocol", "SSL")
        if "SSL" not in protocol and ssl != SslSettings():
            raise ValueError(f"is not used with security_protocol {protocol}; write SSL or SASL_SSL there")
        return ssl

    @field_validator("sasl")
    @classmethod
    def _sasl_is_used(cls, sasl: SaslSettings, info: ValidationInfo) -> SaslSettings:
        protocol = info.data.get("security_protocol")
        if protocol is None:
            return sasl
        if not protocol.startswith("SASL") and sasl != SaslSettings():
            raise ValueError(f"is not used with security_protocol {protocol}; write SASL_SSL there")
        if protocol.startswith("SASL") and sasl.mechanism is None:
            raise ValueError(f"security_protocol {protocol} needs a mechanism, such as SCRAM-SHA-512")
        url = sasl.oauth.token_endpoint_url
        if url is not None and url.startswith("http:") and not info.data.get("insecure", True):
            raise ValueError(
                "oauth.token_endpoint_url sends the secret unencrypted; write https, or kafka.insecure: true for trials"
            )
        return sasl

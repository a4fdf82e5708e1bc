"""The small sections: snapshot, dead_letter, export, web, log."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from config.addresses import LISTEN_PATTERN, split_address
from config.durations import PositiveDuration
from config.kinds import Kind, NotEmpty, ReadableFile, Section, TopicName
from config.vocabulary import Direction, Estimator

_Items = TypeVar("_Items", bound=tuple[Any, ...])


def _listen_address(text: str) -> str:
    split_address(text, example="127.0.0.1:9752", lowest_port=0, pattern=LISTEN_PATTERN)
    return text


def _distinct(items: _Items) -> _Items:
    for item in items:
        if items.count(item) > 1:
            raise ValueError(f"`{item}` is there twice")
    return items


class SnapshotSettings(Section):
    """Where the windows' state is kept over a restart."""

    kind: Literal["none", "file", "changelog"] = Field(
        default="none",
        description="changelog: a compacted topic, so that any replica can go on with a partition. file: a folder, for "
        "one replica with a disk of its own, or for several that share it. none: a restart reads the last 1.5 windows "
        "from Kafka again, which needs no second store.",
    )
    interval: PositiveDuration = Field(
        default=timedelta(seconds=30),
        description="How often what has changed is written; at least 1s. 30s: after a crash so much of the log is read "
        "again, within seconds, and writing costs little.",
    )
    path: Annotated[Path, Kind("folder")] | None = Field(
        default=None,
        description="Folder of kind file, which needs it; made if it is missing.",
    )
    topic: TopicName | None = Field(
        default=None,
        description="Topic of kind changelog; made if it is missing and may be made. None: the group's name and "
        "`-changelog`.",
    )

    @field_validator("interval")
    @classmethod
    def _not_all_the_time(cls, interval: timedelta) -> timedelta:
        if interval < timedelta(seconds=1):
            raise ValueError("is shorter than 1s; write a longer one")
        return interval

    @field_validator("path")
    @classmethod
    def _path_of_a_file(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        kind = info.data.get("kind")
        if path is None and kind == "file":
            raise ValueError("is needed where snapshot.kind is `file`; write the folder")
        if path is not None and kind in ("none", "changelog"):
            raise ValueError(f"is not used where snapshot.kind is `{kind}`; write `file` there, or no path")
        return path

    @field_validator("topic")
    @classmethod
    def _topic_of_a_changelog(cls, topic: str | None, info: ValidationInfo) -> str | None:
        kind = info.data.get("kind")
        if topic is not None and kind in ("none", "file"):
            raise ValueError(f"is not used where snapshot.kind is `{kind}`; write `changelog` there, or no topic")
        return topic


class DeadLetterSettings(Section):
    """Where to tell of each record that cannot be used."""

    topic: TopicName | None = Field(
        default=None,
        description="Topic that gets one JSON line for each rejected record: stream, topic, partition, offset, "
        "timestamp, reason, detail. It must exist; the daemon needs WRITE and DESCRIBE on it. "
        "None by default: then rejected records are only counted.",
    )
    payload: bool = Field(
        default=False,
        description="true adds the record's key and value as base64. false: they may hold personal data, and whoever "
        "reads this topic need not be one who may read the other.",
    )

    @field_validator("payload")
    @classmethod
    def _payload_of_a_letter(cls, payload: bool, info: ValidationInfo) -> bool:
        if payload and info.data.get("topic", "") is None:
            raise ValueError("is not used without dead_letter.topic; write one")
        return payload


class ExportSettings(Section):
    """Which numbers become metrics; this changes nothing that is kept."""

    estimators: Annotated[tuple[Estimator, ...], NotEmpty, AfterValidator(_distinct)] = Field(
        default=("adaptive", "fixed"),
        description="Estimators of `klaxon_kl_nats`; the sampler side's naive is always there, since it alone needs no "
        "common support. adaptive to use, fixed to check it by.",
    )
    directions: Annotated[tuple[Direction, ...], NotEmpty, AfterValidator(_distinct)] = Field(
        default=("reverse", "forward"),
        description="reverse is KL(q||p), forward KL(p||q). Both: they fail differently.",
    )
    moments: bool = Field(
        default=False,
        description="true exports the summable parts of every window, for recording rules that merge replicas. "
        "false: one replica needs none of these many series.",
    )


class WebSettings(Section):
    """The HTTP side."""

    listen_address: Annotated[
        str,
        AfterValidator(_listen_address),
        WithJsonSchema({"type": "string", "pattern": LISTEN_PATTERN}),
        Kind("host:port"),
    ] = Field(
        default="127.0.0.1:9752",
        description="Address of /metrics and the rest; without a host every interface, with port 0 any free one. "
        "Loopback: opening it is a decision.",
    )
    config_file: ReadableFile | None = Field(
        default=None,
        description="YAML file with TLS, client certificates, passwords and headers, in the format of Prometheus' own "
        "exporters; read again when it or a certificate changes. None: plain HTTP for whoever reaches the address.",
    )

    @property
    def host(self) -> str:
        """Host to listen on, an IPv6 address without brackets; `0.0.0.0` where none is written."""
        return self._split()[0] or "0.0.0.0"  # noqa: S104 (written so by the user)

    @property
    def port(self) -> int:
        """Port to listen on; 0 is any free one."""
        return self._split()[1]

    def _split(self) -> tuple[str, int]:
        return split_address(self.listen_address, example="", lowest_port=0, pattern=LISTEN_PATTERN)


class LogSettings(Section):
    """What is told on standard error."""

    level: Literal["debug", "info", "warn", "error"] = Field(
        default="info", description="Least severe message that is logged; info tells starts, assignments and faults."
    )
    format: Literal["logfmt", "json", "console"] = Field(
        default="logfmt",
        description="logfmt, as Prometheus and its exporters write; json for collectors; console for eyes.",
    )

"""All settings, and how they are loaded: flag over environment over secret file over YAML file over default."""

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from config.durations import (
    AutoOrDuration,
    Duration,
    PositiveDuration,
    format_duration,
    parse_duration,
)
from config.errors import ConfigError, Problem
from config.explain import problems_of
from config.kafka import KafkaSettings
from config.kinds import NotEmpty, Unit, Whole, topic_name
from config.layers import Layer, environment_layer, file_layer, flag_layer, secret_layer, settle_secrets
from config.sections import DeadLetterSettings, ExportSettings, LogSettings, SnapshotSettings, WebSettings
from config.sizes import Size
from config.streams import StreamSettings
from config.windows import Windows
from config.yaml_file import read_yaml

_SHORTEST_PANE = timedelta(milliseconds=1)
_SHORTEST_PUBLISH = timedelta(milliseconds=100)


class Settings(BaseSettings):
    """Everything that klaxond can be told; immutable."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True, case_sensitive=True
    )
    layers: ClassVar[tuple[Layer, ...]] = ()  # strongest first

    streams: Annotated[tuple[StreamSettings, ...], NotEmpty] = Field(
        description="What is read; at least one.", examples=[[{"topic": "pairs"}]]
    )
    windows: Windows = Field(
        default=("5m", "1h", "24h"),
        description="Lengths of the sliding windows; whole multiples of the first; the text becomes the label "
        "`window`. The first sees a break fast, the second is what alerts average over, the last tells the day.",
    )
    panes_per_window: Annotated[Whole, Field(ge=3, le=1000)] = Field(
        default=30,
        description="Steps in which a window slides. 30: an edge is 3 % of the window, and the between-pane error has "
        "enough panes.",
    )
    burn_in: Annotated[Whole, Field(ge=0, le=1000), Unit("panes")] = Field(
        default=15,
        description="Panes kept before each window, from which adaptive learns for the window's first ones. "
        "15: half a window, older ones weigh little.",
    )
    max_skew: Duration = Field(
        default=timedelta(seconds=60),
        description="How far an event may be ahead of its record's append time; beyond it is rejected as `future`. "
        "60s: more than synchronised clocks differ.",
    )
    min_messages: Annotated[Whole, Field(ge=1)] = Field(
        default=30,
        description="Below it a window shows counts but no estimate. 30: a standard error of fewer messages means "
        "little.",
    )
    max_series_per_partition: Annotated[Whole, Field(ge=1)] = Field(
        default=1000,
        description="Series kept apart per partition; further ones are counted together as `__other__`. "
        "1000: bounds memory and metrics if a label turns out to be unbounded.",
    )
    max_record_bytes: Size = Field(
        default=1_048_576,
        description="Larger records are rejected as `size`. 1MiB: what brokers accept unless told otherwise.",
    )
    max_pairs_per_record: Annotated[Whole, Field(ge=1)] = Field(
        default=65_536,
        description="Records with more pairs are rejected as `size`. 65536: longer than any sequence that is served.",
    )
    publish_interval: PositiveDuration = Field(
        default=timedelta(seconds=10),
        description="How often the windows are evaluated and the metrics change; at most the first window. "
        "10s: faster than the usual scrape interval of 15s or more.",
    )
    commit_interval: PositiveDuration = Field(
        default=timedelta(seconds=5),
        description="How often offsets are committed. 5s: after a kill, counters may count that much again; windows "
        "never do.",
    )
    replay_span: AutoOrDuration = Field(
        default="auto",
        description="How much of the log a start reads again. auto: as much as the longest window needs; less makes "
        "starts faster and windows incomplete for longer.",
    )
    replay_rate: Size | None = Field(
        default=None,
        description="Bytes of records a second that are read of partitions which are being restored from the log, per "
        "replica; the others go on at full speed. None: as fast as brokers and this machine can.",
    )
    dead_letter: DeadLetterSettings = Field(
        default_factory=DeadLetterSettings, description="What is told of records that cannot be used."
    )
    export: ExportSettings = Field(default_factory=ExportSettings, description="Which numbers become metrics.")
    kafka: KafkaSettings = Field(description="Brokers and consumer group.")
    snapshot: SnapshotSettings = Field(default_factory=SnapshotSettings, description="State over restarts.")
    web: WebSettings = Field(default_factory=WebSettings, description="The HTTP side.")
    log: LogSettings = Field(default_factory=LogSettings, description="Messages on standard error.")

    @property
    def windows_lengths(self) -> tuple[tuple[str, timedelta], ...]:
        """Label and length of each window, in the order written."""
        return tuple((label, parse_duration(label)) for label in self.windows)

    def warnings(self) -> tuple[Problem, ...]:
        """Tell what is legal and probably not meant."""
        return tuple(
            Problem(
                f"streams[{number}].series_labels",
                f"`{label}` is often a label of scrape targets, then Prometheus renames ours to `exported_{label}`",
            )
            for number, stream in enumerate(self.streams)
            for label in stream.target_labels
        )

    def dump(self) -> dict[str, Any]:
        """Return everything as plain values, as the YAML file would have it; secrets as <secret>."""
        return self.model_dump(mode="json")

    @field_validator("streams")
    @classmethod
    def _distinct_names(cls, streams: tuple[StreamSettings, ...]) -> tuple[StreamSettings, ...]:
        names = [stream.name for stream in streams]
        for number, name in enumerate(names):
            first = names.index(name)
            if first < number:
                raise ValueError(
                    f"streams[{first}] and streams[{number}] are both named `{name}`; give one of them another `name`"
                )
        return streams

    @field_validator("dead_letter")
    @classmethod
    def _not_read_again(cls, letters: DeadLetterSettings, info: ValidationInfo) -> DeadLetterSettings:
        streams: tuple[StreamSettings, ...] = info.data.get("streams", ())
        for number, stream in enumerate(streams):
            if stream.topic == letters.topic:
                raise ValueError(
                    f"topic `{letters.topic}` is what streams[{number}] reads: its dead letters would be rejected "
                    "again, without end; write another one"
                )
        return letters

    @field_validator("snapshot")
    @classmethod
    def _changelog_apart(cls, snapshot: SnapshotSettings, info: ValidationInfo) -> SnapshotSettings:
        kafka: KafkaSettings | None = info.data.get("kafka")
        if kafka is None or snapshot.kind != "changelog":
            return snapshot
        topic = changelog_topic(snapshot, kafka)
        try:
            topic_name(topic)
        except ValueError:
            raise ValueError(
                f"of kafka.group_id `{kafka.group_id}` no topic's name can be made; write snapshot.topic"
            ) from None
        streams: tuple[StreamSettings, ...] = info.data.get("streams", ())
        letters: DeadLetterSettings | None = info.data.get("dead_letter")
        others = {stream.topic: f"streams[{number}] reads" for number, stream in enumerate(streams)}
        if letters is not None and letters.topic is not None:
            others[letters.topic] = "gets the dead letters"
        if topic in others:
            raise ValueError(f"topic `{topic}` is what {others[topic]}; write another snapshot.topic")
        return snapshot

    @field_validator("panes_per_window")
    @classmethod
    def _panes_long_enough(cls, panes: int, info: ValidationInfo) -> int:
        windows: tuple[str, ...] | None = info.data.get("windows")
        if windows is not None and parse_duration(windows[0]) / panes < _SHORTEST_PANE:
            raise ValueError(f"a pane of {windows[0]}/{panes} is shorter than 1ms; write fewer panes or longer windows")
        return panes

    @field_validator("publish_interval")
    @classmethod
    def _published_in_time(cls, interval: timedelta, info: ValidationInfo) -> timedelta:
        if interval < _SHORTEST_PUBLISH:
            raise ValueError("is shorter than 100ms; write a longer one")
        windows: tuple[str, ...] | None = info.data.get("windows")
        if windows is not None and interval > parse_duration(windows[0]):
            raise ValueError(
                f"{format_duration(interval)} is longer than the first window, {windows[0]}: "
                "events would come and go unseen; write a shorter one"
            )
        return interval

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Merge the layers of `load`; made by hand, settings depend on their arguments only."""
        # The library's own sources pass over unknown variables and stop at the first fault: ours tell them all.
        del env_settings, dotenv_settings, file_secret_settings
        return (init_settings, *(InitSettingsSource(settings_cls, layer.values) for layer in cls.layers))

    def __repr_name__(self) -> str:
        return "Settings"


def changelog_topic(snapshot: SnapshotSettings, kafka: KafkaSettings) -> str:
    """Return the topic of snapshots of kind changelog."""
    return snapshot.topic or f"{kafka.group_id}-changelog"


def load(
    path: Path | None,
    overrides: Mapping[str, object] | None = None,
    env: Mapping[str, str] | None = None,
    *,
    secrets_dir: Path | None = None,
) -> Settings:
    """Load the settings.

    Parameters
    ----------
    path : YAML file, or None for none
    overrides : flags, by dotted key; None is a flag that was not given
    env : environment; the process' own if None
    secrets_dir : directory of secret files; by default the one that KLAXON_SECRETS_DIR names

    Raises
    ------
    ConfigError
        With every problem found.
    """
    environment = os.environ if env is None else env
    if secrets_dir is None and environment.get("KLAXON_SECRETS_DIR"):
        secrets_dir = Path(environment["KLAXON_SECRETS_DIR"])
    layers = [
        flag_layer(overrides or {}),
        environment_layer(environment, Settings),
        secret_layer(secrets_dir, Settings),
        file_layer(read_yaml(path), path.parent, Settings) if path is not None else Layer({}),
    ]
    settle_secrets(layers, Settings)
    problems = [problem for layer in layers for problem in layer.problems]
    origins = {key: origin for layer in reversed(layers) for key, origin in layer.origins.items()}
    try:
        settings = _validated(layers)
    except ValidationError as error:
        raise ConfigError([*problems, *problems_of(error, Settings, origins)]) from None
    if problems:
        raise ConfigError(problems)
    return settings


def _validated(strongest_first: Sequence[Layer]) -> Settings:
    """Merge the layers key by key and validate the whole; a list is taken from one layer."""

    class Layered(Settings):
        layers = tuple(strongest_first)

    return Layered.model_validate({})

"""streams[]: what is read from one topic, how a record is understood, and what is kept apart."""

import math
import re
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from config.durations import Duration
from config.kinds import TOPIC_PATTERN, DefaultText, Kind, Number, Section, TopicName, Unit, topic_name
from config.paths import PathSettings, field_path
from config.thresholds import ThresholdSettings
from config.vocabulary import (
    RESERVED_LABELS,
    TARGET_LABELS,
    DensityKind,
    Format,
    Preset,
    Sampler,
    TimeUnit,
)

LABEL_PATTERN: Final = "^[a-zA-Z_][a-zA-Z0-9_]*$"
RESOLUTION_PATTERN: Final = "^(bf16|float16|float32|decimals:([1-9]|1[0-7]))$"
_HEADER: Final = "header:"
_LOWEST_SENTINEL: Final = -1e300  # stays above the finite value that stands for a logged null

Scalar = str | int | float | bool


def _label(name: str) -> str:
    if re.fullmatch(LABEL_PATTERN, name) is None:
        raise ValueError(f"`{name[:40]}` is no Prometheus label name; write letters, digits and underscores")
    if name in RESERVED_LABELS or name.startswith("__"):
        raise ValueError(f"`{name}` is reserved: the metrics or Prometheus itself use it; choose another label name")
    return name


def _resolution(text: str) -> str:
    if re.fullmatch(RESOLUTION_PATTERN, text) is None:
        raise ValueError(f"`{text[:40]}` is unknown; write bf16, float16, float32 or decimals:N with N from 1 to 17")
    return text


def _log_base(value: object) -> float | Literal["e"]:
    if value == "e":
        return "e"
    try:
        base = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        base = math.nan
    if not 1 < base < math.inf:
        raise ValueError("write e, 2, 10 or another number above 1")
    return base


def _wanted(value: object) -> tuple[Scalar, ...]:
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not values:
        raise ValueError("write at least one value")
    for each in values:
        if not isinstance(each, str | int | float) or (isinstance(each, float) and not math.isfinite(each)):
            raise ValueError("write a text, a number, true or false, or a list of them")
    return values


LabelName = Annotated[
    str, AfterValidator(_label), WithJsonSchema({"type": "string", "pattern": LABEL_PATTERN}), Kind("label name")
]
Resolution = Annotated[
    str,
    AfterValidator(_resolution),
    WithJsonSchema({"type": "string", "pattern": RESOLUTION_PATTERN}),
    Kind("`bf16`, `float16`, `float32` or `decimals:N`"),
]
LogBase = Annotated[
    float | Literal["e"],
    PlainValidator(_log_base),
    WithJsonSchema({"anyOf": [{"const": "e"}, {"type": "number", "exclusiveMinimum": 1}]}),
    Kind("`e` or number"),
]
Wanted = Annotated[
    tuple[Scalar, ...],
    PlainValidator(_wanted),
    PlainSerializer(list),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["string", "number", "boolean"]},
                {"type": "array", "minItems": 1, "items": {"type": ["string", "number", "boolean"]}},
            ]
        }
    ),
    Kind("value or list of values"),
]


class StreamSettings(Section):
    """One topic with the shape of its records."""

    topic: TopicName = Field(description="Kafka topic to read.", examples=["pairs"])
    name: Annotated[str, DefaultText("= topic"), WithJsonSchema({"type": "string", "pattern": TOPIC_PATTERN})] = Field(
        default="", description="Value of the label `stream`, unique. The topic, since most streams are one topic."
    )
    format: Format = Field(
        default="json",
        description="Encoding of a record. `msgpack-f32` and `msgpack-f64` hold arrays as binary. "
        "JSON, since most logs are written so.",
    )
    preset: Preset = Field(
        default="canonical",
        description="Known record shape: gives paths, series_labels and resolution where they are not written here.",
    )
    paths: PathSettings = Field(
        default_factory=PathSettings,
        description="Where a record holds what, for topics that exist already: producers need no change. "
        "Names joined by dots; `[0]` is one item of an array (up to `[99]`), `[]` every item, `[1:]` every item but "
        "the first, so `choices[].logprobs.content[].logprob` is an array of arrays: a message for each choice. "
        "`\\.` and `\\[` are a dot and a bracket within a name.",
    )
    where: dict[str, Wanted] = Field(
        default_factory=dict,
        description="Field path or `header:NAME`, and the value or values that select a record of a shared topic. "
        "Values are compared as text. A path may have `[0]`, but no `[]`. "
        "Others are counted as ignored, not as rejected. By default every record is meant.",
    )
    series_labels: tuple[LabelName, ...] = Field(
        default=(),
        description="Labels that tell series apart, such as model and version. None by default: each value "
        "costs memory and samples, so it is your choice.",
    )
    sampled_from: Sampler = Field(
        default="q", description="The distribution that outcomes were drawn from; q, as logs name the serving model."
    )
    kind: DensityKind = Field(
        default="discrete",
        description="discrete: log-probabilities, never above 0. density: log-densities, which may be.",
    )
    log_base: LogBase = Field(default="e", description="Base of the logged logarithms; e, as model servers write them.")
    time_unit: TimeUnit = Field(
        default="auto",
        description="Unit of numeric event times. auto: below 1e11 seconds, below 1e14 milliseconds, below 1e17 "
        "microseconds, else nanoseconds, which is right for every time from 1973 to 5138.",
    )
    sentinel_below: Annotated[Number, Field(ge=_LOWEST_SENTINEL, lt=0), Unit("log unit")] = Field(
        default=-9000.0,
        description="A finite log-probability at or below it stands for 'no value' and rejects its pair; "
        "-9000, since model servers write -9999 for it.",
    )
    positive_tolerance: Annotated[Number, Field(ge=0), Unit("nats")] = Field(
        default=1e-3,
        description="How far a log-probability may exceed 0 and still be taken, as it is; beyond it rejects its pair. "
        "1e-3: rounding of 0 stays below, a logit or a shifted array does not.",
    )
    resolution: Resolution = Field(
        default="float32",
        description="Precision that the log-probabilities were computed or logged with: the self-check does not blame "
        "a difference that rounding explains. float32, as most servers log.",
    )
    expected_delay: Duration = Field(
        default=timedelta(),
        description="How long after its event time a record normally arrives; windows end that much before now, "
        "so that batch uploads do not leave them half empty.",
    )
    keyed_by_series: bool = Field(
        default=False,
        description="true: the producer's key keeps each series in one partition, so replicas need no merging. "
        "false is always safe.",
    )
    thresholds: tuple[ThresholdSettings, ...] = Field(
        default=(), description="Drift thresholds for alert rules. None by default: a good value depends on the models."
    )

    @property
    def nats_per_unit(self) -> float:
        """Natural logarithm of the log base."""
        return 1.0 if self.log_base == "e" else math.log(self.log_base)

    @property
    def target_labels(self) -> tuple[str, ...]:
        """Series labels that a scrape target may carry too: legal, but Prometheus would rename them."""
        return tuple(label for label in self.series_labels if label in TARGET_LABELS)

    @field_validator("name")
    @classmethod
    def _name_or_topic(cls, name: str, info: ValidationInfo) -> str:
        topic: str = info.data.get("topic", "")
        return topic_name(name) if name else topic

    @field_validator("where")
    @classmethod
    def _known_selectors(cls, where: dict[str, tuple[Scalar, ...]]) -> dict[str, tuple[Scalar, ...]]:
        for selector in where:
            if not selector.startswith(_HEADER):
                field_path(selector)
            elif selector == _HEADER:
                raise ValueError("write the header's name: `header:NAME`")
        return where

    @field_validator("series_labels")
    @classmethod
    def _distinct_labels(cls, labels: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        repeated = {label for label in labels if labels.count(label) > 1}
        if repeated:
            raise ValueError(f"`{min(repeated)}` is there twice")
        paths: PathSettings = info.data.get("paths", PathSettings())
        # The preset's own labels are unknown here, so a path is only judged where labels are written.
        strange = [label for label in paths.labels if labels and label not in labels]
        if strange:
            raise ValueError(
                f"paths.labels names `{strange[0]}`, which is not among them; add it or take it away there"
            )
        return labels

    @field_validator("thresholds")
    @classmethod
    def _distinct_thresholds(
        cls, thresholds: tuple[ThresholdSettings, ...], info: ValidationInfo
    ) -> tuple[ThresholdSettings, ...]:
        thresholds = tuple(each.of_sampler(info.data.get("sampled_from", "q")) for each in thresholds)
        keys = [(each.severity, each.direction) for each in thresholds]
        for severity, direction in keys:
            if keys.count((severity, direction)) > 1:
                raise ValueError(f"severity `{severity}` and direction `{direction}` are there twice")
        return thresholds

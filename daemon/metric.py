"""What a metric is, as plain data: its kind, scope, subject and stability."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """Metric types of the text format."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"


class Scope(StrEnum):
    """What one sample is about; gives the labels that come before the metric's own."""

    PROCESS = "process"
    STREAM = "stream"  # + stream
    PARTITION = "partition"  # + stream, topic, partition
    SERIES = "series"  # + stream, the series labels of all streams
    WINDOW = "window"  # + stream, the series labels of all streams, window


SCOPE_LABELS: Final[Mapping[Scope, tuple[str, ...]]] = {
    Scope.PROCESS: (),
    Scope.STREAM: ("stream",),
    Scope.PARTITION: ("stream", "topic", "partition"),
    Scope.SERIES: ("stream", "SERIES LABELS"),
    Scope.WINDOW: ("stream", "SERIES LABELS", "window"),
}


class Stability(StrEnum):
    """Stable: renamed or removed only with a major version. Experimental: may change with any version."""

    STABLE = "stable"
    EXPERIMENTAL = "experimental"


class Subject(StrEnum):
    """One collector each."""

    ESTIMATES = "estimates"
    SELF_CHECK = "self_check"
    WINDOWS = "windows"
    MOMENTS = "moments"
    SERIES = "series"
    THRESHOLDS = "thresholds"
    STREAMS = "streams"
    PARTITIONS = "partitions"
    PROCESS = "process"
    COLLECTORS = "collectors"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: `name` as a query writes it (counters with _total), `unit` in base units or empty."""

    name: str
    kind: Kind
    scope: Scope
    subject: Subject
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    stability: Stability = Stability.STABLE

    @property
    def family(self) -> str:
        """Name of the family in OpenMetrics, which takes _total for a suffix of the sample."""
        return self.name.removesuffix("_total") if self.kind is Kind.COUNTER else self.name

    @property
    def all_labels(self) -> tuple[str, ...]:
        """The labels of a sample, with a placeholder for the series labels of the configuration."""
        return SCOPE_LABELS[self.scope] + self.labels

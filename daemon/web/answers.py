"""What the JSON routes answer, as types: the encoder writes them, and the OpenAPI document is generated from them.

Names are stable. A number that is absent or infinite is null; `infinite` tells the two apart.
"""

from typing import Annotated

from msgspec import Meta, Struct, field

from daemon.drift_rule import State
from estimators.estimates import Direction, Sampler

#: A number in JSON, null where it is absent or infinite. In Python NaN and infinities stand for that.
Number = float | None
Seconds = Annotated[float, Meta(description="Unix time.")]


class Answer(Struct, frozen=True):
    """Base of all answers."""


class Threshold(Answer, frozen=True):
    """A drift threshold of the configuration."""

    severity: str
    direction: Direction
    nats: float


class Verdict(Answer, frozen=True):
    """What the numbers of a series mean now, by the rule of the alerts."""

    state: State
    sentence: Annotated[str, Meta(description="The verdict for people, in plain text.")]
    severity: Annotated[str | None, Meta(description="Of the threshold that was passed; null unless state is drift.")]
    direction: Annotated[Direction, Meta(description="The one that the sentence speaks of.")]


class Estimate(Answer, frozen=True):
    """One estimator's value, standard error and 95 % interval, in nats."""

    value: Number
    standard_error: Number
    lower: Number
    upper: Number


class VarianceRatio(Answer, frozen=True):
    """Variance of another estimator over that of adaptive; above 1 adaptive is the better one."""

    naive: Number
    fixed: Number


class DirectionEstimates(Answer, frozen=True):
    """One direction of a window, by every estimator."""

    naive: Estimate
    fixed: Estimate
    fitted: Estimate
    adaptive: Estimate
    k2: Number
    coefficient: Annotated[Number, Meta(description="Coefficient of r - 1 that adaptive uses for the open pane.")] = (
        field(name="lambda")
    )
    pane_standard_error: Annotated[Number, Meta(description="Of adaptive, from the spread of panes.")]
    variance_ratio: VarianceRatio


class SeriesWindow(Answer, frozen=True):
    """One window of one series."""

    window: Annotated[str, Meta(description="As the configuration writes it, such as 5m.")]
    complete: Annotated[bool, Meta(description="Whether everything in the window has been read.")]
    messages: int
    pairs: int
    blocks: Annotated[int, Meta(description="Panes that hold a message.")]
    ratio_mean: Annotated[Number, Meta(description="Mean of other over sampler, which should be 1.")]
    ratio_zscore: Number
    support_gap: Annotated[Number, Meta(description="1 - ratio_mean.")]
    effective_sample_ratio: Number
    comparable: Annotated[bool | None, Meta(description="Verdict of the self-check; null if inconclusive.")]
    infinite: Annotated[bool, Meta(description="Whether a pair has probability 0 under the other distribution.")]
    reverse: Annotated[DirectionEstimates, Meta(description="KL(q||p).")]
    forward: Annotated[DirectionEstimates, Meta(description="KL(p||q).")]


class Series(Answer, frozen=True):
    """One series of a stream."""

    labels: dict[str, str]
    start_timestamp_seconds: Annotated[Seconds, Meta(description="Oldest event that is still known.")]
    last_event_timestamp_seconds: Seconds
    verdict: Verdict
    windows: list[SeriesWindow]


class Window(Answer, frozen=True):
    """A window of a stream: the events in [end - seconds, end)."""

    window: str
    seconds: float
    end_timestamp_seconds: Seconds


class Stream(Answer, frozen=True):
    """A configured stream, with what became of its records since the process started."""

    name: str
    series_labels: list[str]
    sampled_from: Sampler
    records_consumed: int
    records_ignored: int
    records_rejected: Annotated[dict[str, int], Meta(description="By reason.")]
    pairs_rejected: Annotated[dict[str, int], Meta(description="By reason.")]
    series_overflow: int
    thresholds: list[Threshold]
    windows: list[Window]
    series: list[Series]


class Partition(Answer, frozen=True):
    """A partition that this process owns."""

    stream: str
    topic: str
    partition: int
    restored: bool
    lag_records: int | None
    clock_seconds: Annotated[Number, Meta(description="The partition's own time; null before its first event.")]


class Status(Answer, frozen=True):
    """The newest published value. Before the first publish the time is null and the lists are empty."""

    version: str
    timestamp_seconds: Seconds | None
    ready: Annotated[bool, Meta(description="Whether the numbers can be used.")]
    reasons: Annotated[list[str], Meta(description="Why not, for people.")]
    streams: list[Stream]
    partitions: list[Partition]


class SeriesHistory(Answer, frozen=True):
    """One series; every list is as long as the stream's `timestamps_seconds`."""

    labels: dict[str, str]
    value: Annotated[list[Number], Meta(description="Adaptive estimate of the long window, nats.")]
    lower: Annotated[list[Number], Meta(description="Lower end of its 95 % interval.")]
    upper: Annotated[list[Number], Meta(description="Upper end of its 95 % interval.")]
    short_value: Annotated[list[Number], Meta(description="Adaptive estimate of the short window, nats.")]
    comparable: Annotated[list[bool | None], Meta(description="Self-check of the long window; null if inconclusive.")]


class StreamHistory(Answer, frozen=True):
    """The last hour of a stream's series, at most 120 points each."""

    name: str
    direction: Annotated[Direction, Meta(description="Of the first threshold, else the sampler's side.")]
    long_window: str
    short_window: str
    since_timestamp_seconds: Annotated[
        Seconds | None, Meta(description="When this process began to note; null before the first publish.")
    ]
    timestamps_seconds: list[float]
    series: list[SeriesHistory]


class History(Answer, frozen=True):
    """What charts show; it is empty after a restart."""

    version: str
    timestamp_seconds: Seconds | None
    streams: list[StreamHistory]

"""The Board: one slot that holds the newest published value. The loop swaps it, everybody else only reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from daemon.history import History
from daemon.source import Partition
from estimators.estimates import Direction, Estimates, Sampler
from estimators.pairs import Floats


@dataclass(frozen=True, slots=True)
class WindowBoard:
    """One window of one stream; all columns are aligned with the stream's `keys`."""

    label: str  # as written in the configuration: "5m"
    seconds: float
    end_timestamp_seconds: float  # exclusive: the window holds the events in [end - seconds, end)
    estimates: Estimates
    complete: Floats  # [series] 1 or 0


@dataclass(frozen=True, slots=True)
class SeriesCounters:
    """Process counters per series, float64 [series of the stream's counter_keys]; they never fall."""

    pairs: Floats
    messages: Floats
    weight_sum: Floats
    kl_nats_sum: Mapping[Direction, Floats]
    zero_probability: Floats
    clamped: Floats


@dataclass(frozen=True, slots=True)
class Threshold:
    """A drift threshold of the configuration, for alert rules to compare with."""

    severity: str
    direction: Direction
    nats: float


@dataclass(frozen=True, slots=True)
class StreamBoard:
    """One configured stream: its live series with their windows, and the process counters of series seen."""

    name: str
    label_names: tuple[str, ...]
    sampled_from: Sampler
    keys: tuple[tuple[str, ...], ...]
    windows: tuple[WindowBoard, ...]
    last_event_timestamp_seconds: Floats  # [series]
    start_timestamp_seconds: Floats  # [series] earliest event of the series still known
    counter_keys: tuple[tuple[str, ...], ...]
    counters: SeriesCounters
    thresholds: tuple[Threshold, ...] = ()
    topic: str = ""  # for people; empty where there is none, as in a replay
    min_messages: int = 1  # fewer in a window, and its estimates are withheld
    records_consumed: int = 0
    records_ignored: int = 0
    records_rejected: Mapping[str, int] = field(default_factory=dict)  # every known reason is present
    pairs_rejected: Mapping[str, int] = field(default_factory=dict)  # every known reason is present
    series_overflow: int = 0
    dead_letters: int = 0
    dead_letters_dropped: int = 0
    event_delay_buckets: tuple[int, ...] = ()  # cumulative, aligned with daemon.metrics.EVENT_DELAY_BUCKETS + (inf,)
    event_delay_sum_seconds: float = 0.0
    history: History | None = None

    @property
    def sampler_side(self) -> Direction:
        """KL(sampler || other), which the sampler's own pairs tell best: reverse is KL(q||p), forward KL(p||q)."""
        return "reverse" if self.sampled_from == "q" else "forward"

    @property
    def shown_direction(self) -> Direction:
        """Direction to show where there is room for one: that of the first threshold, else the sampler side."""
        return self.thresholds[0].direction if self.thresholds else self.sampler_side

    @property
    def short_window(self) -> WindowBoard:
        """Window that tells whether a drift is still there."""
        return self.windows[0]

    @property
    def long_window(self) -> WindowBoard:
        """Window in which a drift has to be sure; the only one if there is one."""
        return self.windows[min(1, len(self.windows) - 1)]


@dataclass(frozen=True, slots=True)
class PartitionBoard:
    """One partition of one stream's topic that this process owns."""

    stream: str
    partition: Partition
    restored: bool
    lag_records: int | None
    clock_seconds: float | None  # partition clock; None before the first event
    clock_jumps: int
    gap_offsets: int
    skipped_offsets: int = 0
    state_start_seconds: float = 0.0  # wall clock


@dataclass(frozen=True, slots=True)
class SnapshotBoard:
    """The snapshots of one owned partition; None where this process has saved none yet."""

    partition: Partition
    timestamp_seconds: float  # when the newest one held all that had been read; while there is none, of the start
    written_bytes: int | None
    retained_bytes: int | None


@dataclass(frozen=True, slots=True)
class ProcessBoard:
    """The process itself."""

    last_poll_timestamp_seconds: float = 0.0
    rebalances: int = 0
    restores: Mapping[str, int] = field(default_factory=dict)  # by source: "replay", "file", "changelog"
    restore_seconds: float | None = None  # of the last restore
    evaluation_seconds: float = 0.0  # of this publish
    topic_partitions: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (stream, topic)
    log_messages: Mapping[str, int] = field(default_factory=dict)  # warnings and errors, by level
    snapshot_failures: int = 0


@dataclass(frozen=True, slots=True)
class Published:
    """Everything that one publish shows; immutable."""

    timestamp_seconds: float
    streams: tuple[StreamBoard, ...]
    partitions: tuple[PartitionBoard, ...] = ()
    process: ProcessBoard = field(default_factory=ProcessBoard)
    snapshots: tuple[SnapshotBoard, ...] = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    """The exposition of one Published, in every form a scrape can ask for."""

    text: bytes
    text_gzip: bytes
    openmetrics: bytes
    openmetrics_gzip: bytes


class Board:
    """One reference, swapped whole: a reader sees the old value or the new one, never a mixture."""

    __slots__ = ("published", "rendered")

    def __init__(self) -> None:
        self.published: Published | None = None
        self.rendered: Rendered | None = None

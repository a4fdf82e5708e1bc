"""What reading a stream would cost: Prometheus series counted by the daemon's own collectors, and memory."""

from dataclasses import dataclass

import numpy as np

from daemon.board import PartitionBoard, Published, SeriesCounters, StreamBoard, WindowBoard
from daemon.clock import SystemClock
from daemon.codec import RECORD_REASONS
from daemon.collect_series import Exports
from daemon.collectors import Collectors, ProcessMetrics
from daemon.families import Family
from daemon.metrics import EVENT_DELAY_BUCKETS
from daemon.scrapes import ScrapeTimes
from daemon.source import Partition
from estimators.estimates import DIRECTIONS, Columns, DirectionEstimates, Estimates
from estimators.moments import Moments
from estimators.spec import StreamSpec
from estimators.validation import PAIR_REASONS


@dataclass(frozen=True, slots=True)
class Cost:
    """What one stream adds.

    Attributes
    ----------
    series : series of the stream in the sample
    samples_per_series : Prometheus series that one of them makes
    samples_besides : Prometheus series of the stream, one partition and the process
    bytes_per_series : memory of one series in each partition that carries it
    seconds_per_record : time that decoding one record took on this machine; NaN is not known
    """

    series: int
    samples_per_series: int
    samples_besides: int
    bytes_per_series: int
    seconds_per_record: float

    @property
    def samples(self) -> int:
        """All Prometheus series with one partition."""
        return self.series * self.samples_per_series + self.samples_besides

    @property
    def bytes(self) -> int:
        """Memory for the series in one partition."""
        return self.series * self.bytes_per_series


def cost_of(
    spec: StreamSpec, exports: Exports, *, series: int, labels: int, bytes_per_series: int, seconds_per_record: float
) -> Cost:
    """Count what the collectors make of a published value with as many windows and labels as the stream has."""
    one, two = (_samples(_published(spec, labels, count), exports) for count in (1, 2))
    process = ProcessMetrics()().text.splitlines()
    own = sum(not line.startswith(b"#") for line in process)
    return Cost(
        series=series,
        samples_per_series=two - one,
        samples_besides=2 * one - two + own,
        bytes_per_series=bytes_per_series,
        seconds_per_record=seconds_per_record,
    )


def _samples(published: Published, exports: Exports) -> int:
    families = Collectors(exports, ScrapeTimes(), SystemClock())(published)
    return sum(map(_size, families))


def _size(family: Family) -> int:
    return sum(int(np.count_nonzero(~np.isnan(column.values))) for column in family.columns)


def _published(spec: StreamSpec, labels: int, series: int) -> Published:
    """Return a value in which nothing is absent."""
    ones = np.ones(series)
    keys = tuple((str(number),) * labels for number in range(series)) if labels else ((),) * series
    columns = Columns(ones, ones, ones, ones)
    side = DirectionEstimates(columns, columns, columns, columns, ones, ones, ones, ones, ones, np.ones((series, 3)))
    estimates = Estimates(Moments.zero(series), ones, ones, ones, ones, ones, ones, ones, side, side)
    stream = StreamBoard(
        name="stream",
        label_names=tuple(f"label{number}" for number in range(labels)),
        sampled_from=spec.rules.sampled_from,
        keys=keys,
        windows=tuple(
            WindowBoard(window.label, window.length_us / 1e6, 1.0, estimates, ones) for window in spec.windows
        ),
        last_event_timestamp_seconds=ones,
        start_timestamp_seconds=ones,
        counter_keys=keys,
        counters=SeriesCounters(ones, ones, ones, dict.fromkeys(DIRECTIONS, ones), ones, ones),
        records_rejected=dict.fromkeys(RECORD_REASONS, 0),
        pairs_rejected=dict.fromkeys(PAIR_REASONS, 0),
        event_delay_buckets=(0,) * (len(EVENT_DELAY_BUCKETS) + 1),
    )
    partition = PartitionBoard(
        stream="stream",
        partition=Partition("topic", 0),
        restored=True,
        lag_records=0,
        clock_seconds=1.0,
        clock_jumps=0,
        gap_offsets=0,
    )
    return Published(1.0, (stream,), (partition,))

"""Families about streams, partitions and the process, from one published value. Pure functions, one per subject."""

import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Final

import numpy as np

from daemon.board import Published, StreamBoard
from daemon.collect_series import Scene
from daemon.families import Column, Family, Labels, Rows, family, single, table
from daemon.metrics import EVENT_DELAY_BUCKETS
from daemon.scrapes import ScrapeTimes
from daemon.source import Partition

#: Borders as Prometheus writes them, +Inf included.
_LE: Final = (*(repr(border) for border in EVENT_DELAY_BUCKETS), "+Inf")


def streams(scene: Scene) -> Iterator[Family]:
    """Fate of the records of each stream; every stream and reason is there from the start."""
    boards = scene.published.streams
    for name, attribute in _STREAM_COUNTERS.items():
        yield family(name, (table(("stream",), (((s.name,), float(getattr(s, attribute))) for s in boards)),))
    for name in ("records_rejected", "pairs_rejected"):
        rows = (
            ((board.name, reason), float(count))
            for board in boards
            for reason, count in sorted(getattr(board, name).items())
        )
        yield family(f"{name}_total", (table(("stream", "reason"), rows),))
    yield family("series", (table(("stream",), (((s.name,), float(len(s.keys))) for s in boards)),))
    yield family("event_delay_seconds", (column for board in boards for column in _event_delay(board)))


_STREAM_COUNTERS: Final = {
    "records_consumed_total": "records_consumed",
    "records_ignored_total": "records_ignored",
    "series_overflow_total": "series_overflow",
    "dead_letters_total": "dead_letters",
    "dead_letters_dropped_total": "dead_letters_dropped",
}


def _event_delay(board: StreamBoard) -> Iterator[Column]:
    if not board.event_delay_buckets:
        return
    labels: Labels = (("stream", board.name),)
    counts = np.array(board.event_delay_buckets, np.float64)
    yield Column(Rows(("le",), tuple((le,) for le in _LE), labels), counts, suffix="_bucket")
    yield single(float(counts[-1]), labels, "_count")
    yield single(board.event_delay_sum_seconds, labels, "_sum")


def partitions(scene: Scene) -> Iterator[Family]:
    """Partitions that this process owns; one that was revoked is no longer there."""
    boards = scene.published.partitions
    keys = tuple((board.stream, board.partition.topic, str(board.partition.number)) for board in boards)
    rows = Rows(("stream", "topic", "partition"), keys)
    columns = {
        "partition_owned": [float(board.restored) for board in boards],
        "consumer_lag_records": [_or_nan(board.lag_records) for board in boards],
        "partition_clock_timestamp_seconds": [_or_nan(board.clock_seconds) for board in boards],
        "partition_clock_jumps_total": [float(board.clock_jumps) for board in boards],
        "gap_offsets_total": [float(board.gap_offsets) for board in boards],
    }
    for name, values in columns.items():
        yield family(name, (Column(rows, np.array(values, np.float64)),))
    known = sorted(scene.published.process.topic_partitions.items())
    yield family("topic_partitions", (table(("stream", "topic"), ((key, float(count)) for key, count in known)),))
    yield from snapshots(scene)


def snapshots(scene: Scene) -> Iterator[Family]:
    """Tell of each owned partition's state since when it is, and how far its snapshots have come."""
    published = scene.published
    states = {board.partition: board for board in published.partitions}.values()
    for name, attribute in _STATE_ATTRIBUTES.items():
        yield _by_partition(name, ((board.partition, getattr(board, attribute)) for board in states))
    for name, attribute in _SNAPSHOT_ATTRIBUTES.items():
        yield _by_partition(name, ((board.partition, getattr(board, attribute)) for board in published.snapshots))
    yield family("snapshot_failures_total", (single(float(published.process.snapshot_failures)),))


_STATE_ATTRIBUTES: Final = {
    "state_start_timestamp_seconds": "state_start_seconds",
    "state_skipped_offsets": "skipped_offsets",
}
_SNAPSHOT_ATTRIBUTES: Final = {
    "snapshot_timestamp_seconds": "timestamp_seconds",
    "snapshot_bytes": "written_bytes",
    "snapshot_retained_bytes": "retained_bytes",
}


def _by_partition(name: str, values: Iterable[tuple[Partition, float | None]]) -> Family:
    rows = (((topic, str(number)), _or_nan(value)) for (topic, number), value in values)
    return family(name, (table(("topic", "partition"), rows),))


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else float(value)


def process(published: Published, scrapes: ScrapeTimes) -> Iterator[Family]:
    """Tell what the process is and how it fares."""
    board = published.process
    labels = (("version", version("klaxond")), ("python_version", platform.python_version()))
    yield family("build_info", (single(1.0, labels),))
    yield family("publish_timestamp_seconds", (single(published.timestamp_seconds),))
    yield family("poll_timestamp_seconds", (single(board.last_poll_timestamp_seconds or np.nan),))
    yield family("restore_seconds", (single(_or_nan(board.restore_seconds)),))
    yield family("evaluation_seconds", (single(board.evaluation_seconds),))
    yield family("rebalances_total", (single(float(board.rebalances)),))
    for name, label, counts in (
        ("restores_total", "source", board.restores),
        ("log_messages_total", "level", board.log_messages),
    ):
        yield family(name, (table((label,), (((key,), float(count)) for key, count in sorted(counts.items()))),))
    count, seconds = scrapes.read()
    yield family("scrape_seconds", (single(float(count), suffix="_count"), single(seconds, suffix="_sum")))

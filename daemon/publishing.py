"""From owned state to the board's immutable values: one stream, one partition at a time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from daemon.accounts import StreamAccount
from daemon.board import PartitionBoard, StreamBoard, WindowBoard
from daemon.history import History, extended
from daemon.ownership import OwnedPartition
from daemon.source import Source
from daemon.streams import Stream
from estimators.spec import WindowSpec
from estimators.windows import WindowView, evaluate

US_PER_S = 1e6
SILENT_SECONDS = 3.0  # of which nobody has answered for a partition: nobody knows what it has got since


def stream_board(
    stream: Stream,
    owned: Sequence[OwnedPartition],
    account: StreamAccount,
    now: float,
    *,
    caught_up: bool,
    before: History | None,
) -> StreamBoard:
    """Evaluate the owned partitions of a stream at the wall-clock time `now`, seconds; `before` is its history."""
    view = evaluate(
        [partition.states[stream.name] for partition in owned],
        stream.spec,
        int(now * US_PER_S),
        resolution=stream.resolution,
        min_messages=stream.min_messages,
    )
    # Totals outlive the series' panes by one more window, so that a last scrape sees what was counted last.
    account.totals.drop_idle(now - 2 * stream.spec.longest.length_us / US_PER_S)
    counter_keys, counters = account.totals.board(stream.spec.rules.sampled_from)
    board = StreamBoard(
        name=stream.name,
        label_names=stream.label_names,
        sampled_from=stream.spec.rules.sampled_from,
        keys=view.keys,
        windows=tuple(
            _window_board(
                stream,
                spec,
                window,
                len(view.keys),
                read=caught_up and all(partition.covers(stream, window.start_us) for partition in owned),
            )
            for spec, window in zip(stream.spec.windows, view.windows, strict=True)
        ),
        last_event_timestamp_seconds=view.last_event_us / US_PER_S,
        start_timestamp_seconds=view.first_event_us / US_PER_S,
        counter_keys=counter_keys,
        counters=counters,
        thresholds=stream.thresholds,
        topic=stream.topic,
        min_messages=stream.min_messages,
        records_consumed=account.consumed,
        records_ignored=account.ignored,
        records_rejected=dict(account.rejected),
        pairs_rejected=dict(account.pairs_rejected),
        series_overflow=account.overflow,
        dead_letters=account.dead_letters.acknowledged,
        dead_letters_dropped=account.dead_letters.dropped,
        event_delay_buckets=account.cumulative_delay_buckets(),
        event_delay_sum_seconds=account.delay_sum_seconds,
    )
    return replace(board, history=_history(board, before, now))


def _history(board: StreamBoard, before: History | None, now: float) -> History:
    """Add what this publish shows."""
    direction = board.shown_direction
    long = board.long_window.estimates
    adaptive, short = long.of(direction).adaptive, board.short_window.estimates.of(direction).adaptive
    newest = np.stack([adaptive.value, adaptive.lower, adaptive.upper, short.value, long.comparable])
    return extended(before, now, direction, board.keys, newest)


def _window_board(stream: Stream, spec: WindowSpec, window: WindowView, series: int, *, read: bool) -> WindowBoard:
    """Judge completeness: a stream keyed by series loses only the overflowing series to an overflow."""
    complete = read and window.covered and (stream.keyed_by_series or not window.overflowed)
    return WindowBoard(
        label=spec.label,
        seconds=spec.length_us / US_PER_S,
        end_timestamp_seconds=window.end_seconds,
        estimates=window.estimates,
        complete=np.full(series, float(complete)),
    )


def caught_up(owned: OwnedPartition, source: Source, now: float) -> bool:
    """Whether all that is known to be in the log has been read, and is known of late; `now` in monotonic seconds."""
    answered = source.answered(owned.partition)
    known = answered is not None and now - answered <= SILENT_SECONDS
    return owned.caught_up(source.high_watermark(owned.partition), known=known)


def partition_boards(
    owned: Iterable[OwnedPartition], by_topic: Mapping[str, Sequence[Stream]], source: Source
) -> Iterator[PartitionBoard]:
    """Show every owned partition, once for each stream that reads it."""
    for each in owned:
        for stream in by_topic[each.partition.topic]:
            yield partition_board(stream, each, source.high_watermark(each.partition))


def topic_partitions(streams: Iterable[Stream], source: Source) -> dict[tuple[str, str], int]:
    """Count the partitions of each stream's topic, where they are known."""
    counts = {(stream.name, stream.topic): source.partition_count(stream.topic) for stream in streams}
    return {key: count for key, count in counts.items() if count is not None}


def partition_board(stream: Stream, owned: OwnedPartition, high_watermark: int | None) -> PartitionBoard:
    """Show one partition of one stream."""
    state = owned.states[stream.name]
    return PartitionBoard(
        stream=stream.name,
        partition=owned.partition,
        restored=owned.restored,
        lag_records=None if high_watermark is None else max(0, high_watermark - owned.position),
        clock_seconds=None if state.clock_us is None else state.clock_us / US_PER_S,
        clock_jumps=owned.history.clock_jumps.get(stream.name, 0),
        gap_offsets=owned.history.gap_offsets,
        skipped_offsets=owned.skipped_offsets,
        state_start_seconds=owned.began_us / US_PER_S,
    )

"""A file through the daemon's own decoder and estimators: its sliding windows, or all of it as one window."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from daemon.board import SeriesCounters, StreamBoard, WindowBoard
from daemon.errors import UsageError
from daemon.replay.observed import Key, Observed
from daemon.replay.results import FEW_MESSAGES, Replay, ReplayedSeries
from daemon.replay.tally import Tally, time_text
from daemon.source import Batch
from daemon.streams import Stream
from daemon.verdicts import Verdict, verdicts
from estimators import blocks
from estimators.partitions import PartitionState, absorb, begin, new_state
from estimators.summary import Summary, summary_of
from estimators.validation import validate
from estimators.windows import evaluate

WHOLE: Final = "all"  # label of the one window over the whole input
_PARTITION: Final = 0
_US_PER_S: Final = 1_000_000


def replay_windows(stream: Stream, batches: Iterable[Batch], *, traced: bool = False) -> Replay:
    """Absorb the records in the order of the input and evaluate the stream's windows at its largest event time.

    A file has no append times, so its decoder takes each event to be appended when it happened: an event is late by
    the file's own clock only. `traced` keeps slices for a picture. Raises UsageError where no record has a time.
    """
    state, tally, observed = new_state(stream.spec, _PARTITION), Tally(), Observed(traced)
    begin(state, stream.spec, None)
    for batch in batches:
        decoded = stream.decoder.decode(batch)
        tally.add(batch, decoded)
        if (pairs := decoded.pairs) is not None:
            valid = validate(pairs.log_p, pairs.log_q, pairs.weight, pairs.first_pair, stream.spec.rules)
            observed.add(pairs, valid)
            tally.add_absorbed(absorb(state, stream.spec, pairs))
    if tally.newest is None:
        if tally.without_time:
            raise UsageError(
                f"none of the {tally.without_time} records that could be read has an event time, so there is nothing "
                "for windows to slide over; add --window all for one window over the whole input"
            )
        return _replay(stream, (), tally, observed, [], longest=stream.spec.longest.label)
    series, end_us = _windows(stream, state, observed, tally.newest[0])
    notes = list(_windows_notes(stream, state, tally, series, end_us))
    return _replay(stream, series, tally, observed, notes, longest=stream.spec.longest.label)


def _windows_notes(
    stream: Stream, state: PartitionState, tally: Tally, series: Sequence[ReplayedSeries], end_us: int
) -> Iterator[str]:
    """Say what the windows leave out, since nothing in their numbers shows it."""
    longest = stream.spec.longest.label
    if tally.newest is not None and state.clock_jumps:
        newest_us, offset = tally.newest
        yield (
            f"Event times jump ahead by more than the longest window ({longest}): the largest one, "
            f"{time_text(newest_us)}, is at {tally.place(offset)}, and windows end there. If it is wrong, take that "
            "record out."
        )
    late = tally.rejected["late"].count if "late" in tally.rejected else 0
    if older := tally.messages + late - _inside(series, longest):
        yield (
            f"{older} of {tally.messages + late} messages are older than the longest window ({longest}), which ends at "
            f"{time_text(end_us)}; --window all takes all."
        )
    if tally.without_time:
        yield f"Without a time: {tally.without_time} records; --window all reads them too."
    if tally.overflow:
        yield f"More than {stream.spec.max_series} series: {tally.overflow} messages are counted as __other__."


def _inside(series: Sequence[ReplayedSeries], window: str) -> int:
    return sum(each.summary.messages for each in series if each.window == window)


def _windows(
    stream: Stream, state: PartitionState, observed: Observed, last_us: int
) -> tuple[tuple[ReplayedSeries, ...], int]:
    """Return the series of all windows, and the end of the longest window."""
    # The delay is how long records take to arrive; in a file all have.
    now_us = last_us + stream.spec.expected_delay_us
    view = evaluate([state], stream.spec, now_us, resolution=stream.resolution, min_messages=stream.min_messages)
    boards = tuple(
        WindowBoard(
            spec.label, spec.length_us / _US_PER_S, window.end_seconds, window.estimates, np.ones(len(view.keys))
        )
        for spec, window in zip(stream.spec.windows, view.windows, strict=True)
    )
    ring = stream.spec.longest_ring
    return _series(stream, view.keys, boards, observed, stream.spec.longest.label), ring.start_us(
        ring.pane_of(last_us) + 1
    )


def replay_whole(stream: Stream, batches: Iterable[Batch], *, traced: bool = False) -> Replay:
    """Take the whole input as one window per series, in the order of the input; nothing is withheld."""
    tally, state, observed = Tally(), blocks.Blocks.empty(0), Observed(traced)
    for batch in batches:
        decoded = stream.decoder.decode(batch)
        tally.add(batch, decoded)
        if (pairs := decoded.pairs) is None:
            continue
        valid = validate(pairs.log_p, pairs.log_q, pairs.weight, pairs.first_pair, stream.spec.rules)
        tally.pairs_rejected.update(valid.rejected)
        tally.messages += valid.message.size
        offset = pairs.offset[valid.message]
        if (empty := np.setdiff1d(pairs.offset, offset)).size:
            tally.reject_empty(empty.size, int(empty[0]))
        number = observed.add(pairs, valid)
        state = blocks.absorb(state, valid.u, valid.weight, valid.first_pair, number, offset, _PARTITION)
    estimates = blocks.estimate_blocks(
        state, sampled_from=stream.spec.rules.sampled_from, resolution=stream.resolution, min_messages=1
    )
    keys = tuple(observed.index)
    board = WindowBoard(WHOLE, np.inf, np.inf, estimates, np.ones(len(keys)))
    series = _series(stream, keys, (board,), observed, WHOLE)
    return _replay(stream, series, tally, observed, _few(series), longest=WHOLE)


def _series(
    stream: Stream, keys: tuple[Key, ...], windows: tuple[WindowBoard, ...], observed: Observed, longest: str
) -> tuple[ReplayedSeries, ...]:
    """Return every window of every series that has messages, by series; judged as the daemon judges them."""
    judged: Mapping[Key, Verdict] = dict(zip(keys, verdicts(_board(stream, keys, windows)), strict=True))
    inside = sum(int(each.estimates.total.count_of("messages").sum()) for each in windows if each.label == longest)
    outcomes = observed.told(all_inside=inside == observed.messages)
    sampled_from = stream.spec.rules.sampled_from
    rows = {key: row for row, key in enumerate(keys)}

    def summary(window: WindowBoard, key: Key) -> Summary:
        return summary_of(window.estimates, rows[key], sampled_from)

    return tuple(
        ReplayedSeries(
            key,
            window.label,
            summary(window, key),
            judged[key],
            outcomes.get(key) if window.label == longest else None,
        )
        for key in sorted(keys)
        for window in windows
    )


def _board(stream: Stream, keys: tuple[Key, ...], windows: tuple[WindowBoard, ...]) -> StreamBoard:
    """Show the file as the daemon would show a stream of which it has read everything."""
    none = np.zeros(0)
    return StreamBoard(
        name=stream.name,
        label_names=stream.label_names,
        sampled_from=stream.spec.rules.sampled_from,
        keys=keys,
        windows=windows,
        last_event_timestamp_seconds=none,
        start_timestamp_seconds=none,
        counter_keys=(),
        counters=SeriesCounters(none, none, none, {}, none, none),
        thresholds=stream.thresholds,
        min_messages=stream.min_messages if windows[0].label != WHOLE else 1,
    )


def _few(series: Sequence[ReplayedSeries]) -> list[str]:
    few = sum(each.summary.messages < FEW_MESSAGES for each in series)
    if not few:
        return []
    which = "the one series" if len(series) == 1 else f"{few} of {len(series)} series"
    return [f"Fewer than {FEW_MESSAGES} messages in {which}: standard errors and intervals mean little there."]


def _replay(
    stream: Stream,
    series: tuple[ReplayedSeries, ...],
    tally: Tally,
    observed: Observed,
    notes: list[str],
    *,
    longest: str,
) -> Replay:
    ignored = [f"Not selected by `where`: {tally.ignored} records."] if tally.ignored else []
    return Replay(
        label_names=stream.label_names,
        sampled_from=stream.spec.rules.sampled_from,
        longest_window=longest,
        series=series,
        records=tally.records,
        messages=tally.messages,
        rejected=dict(
            sorted({**tally.pairs_rejected, **{reason: each.count for reason, each in tally.rejected.items()}}.items())
        ),
        trace=observed.trace(timed=not tally.without_time),
        trace_keys=tuple(observed.index),
        resolution=stream.resolution,
        thresholds=tuple(stream.thresholds),
        first_fault=tally.first_fault(),
        notes=(*tally.rejections(), *ignored, *notes),
    )

"""A file through the daemon's own decoder and estimators: its sliding windows, or all of it as one window."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from daemon.errors import UsageError
from daemon.replay.tally import Tally, time_text
from daemon.source import Batch
from daemon.streams import Stream
from estimators import blocks
from estimators.estimates import Direction, Sampler
from estimators.pairs import Ints, Pairs
from estimators.partitions import PartitionState, absorb, begin, new_state
from estimators.summary import Summary, summary_of
from estimators.validation import Validated, validate
from estimators.windows import evaluate

WHOLE: Final = "all"  # label of the one window over the whole input
_PARTITION: Final = 0
_FEW_MESSAGES: Final = 30


@dataclass(frozen=True, slots=True)
class ReplayedSeries:
    """One window of one series; `labels` are the values of the stream's series labels."""

    labels: tuple[str, ...]
    window: str
    summary: Summary
    numbers: dict[str, Any] = field(init=False, repr=False, compare=False)  # the summary as JSON has it

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", self.summary.to_dict())


@dataclass(frozen=True, slots=True)
class Replay:
    """What came out.

    Attributes
    ----------
    longest_window : its label
    series : by series, then by window
    records : records read, whatever became of them
    messages : messages with an accepted pair
    rejected : records and pairs by reason; only what occurred
    first_fault : reason, place and detail of the first rejected record; None where there is none
    notes : sentences for people about what the numbers do not say, rejections first
    """

    label_names: tuple[str, ...]
    sampled_from: Sampler
    longest_window: str
    series: tuple[ReplayedSeries, ...]
    records: int
    messages: int
    rejected: dict[str, int]
    first_fault: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def sampler_side(self) -> Direction:
        """Direction that the sampler's own pairs tell best."""
        return "reverse" if self.sampled_from == "q" else "forward"

    def to_dict(self) -> dict[str, Any]:
        """Return what `--output json` prints."""
        return {
            "series": [
                {"labels": dict(zip(self.label_names, each.labels, strict=True)), "window": each.window, **each.numbers}
                for each in self.series
            ],
            "records": self.records,
            "rejected": self.rejected,
        }


def replay_windows(stream: Stream, batches: Iterable[Batch]) -> Replay:
    """Absorb the records in the order of the input and evaluate the stream's windows at its largest event time.

    A file has no append times, so its decoder takes each event to be appended when it happened: an event is late by
    the file's own clock only. Raises UsageError where no record has a time.
    """
    state, tally = new_state(stream.spec, _PARTITION), Tally()
    begin(state, stream.spec, None)
    for batch in batches:
        decoded = stream.decoder.decode(batch)
        tally.add(batch, decoded)
        if decoded.pairs is not None:
            tally.add_absorbed(absorb(state, stream.spec, decoded.pairs))
    if tally.newest is None:
        if tally.without_time:
            raise UsageError(
                f"none of the {tally.without_time} records that could be read has an event time, so there is nothing "
                "for windows to slide over; add --window all for one window over the whole input"
            )
        return _replay(stream, stream.spec.longest.label, (), tally, [])
    series, end_us = _windows(stream, state, tally.newest[0])
    notes = list(_windows_notes(stream, state, tally, series, end_us))
    return _replay(stream, stream.spec.longest.label, series, tally, notes)


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
    inside = sum(each.summary.messages for each in series if each.window == longest)
    if older := tally.messages + late - inside:
        yield (
            f"{older} of {tally.messages + late} messages are older than the longest window ({longest}), which ends at "
            f"{time_text(end_us)}; --window all takes all."
        )
    if tally.without_time:
        yield f"Without a time: {tally.without_time} records; --window all reads them too."
    if tally.overflow:
        yield f"More than {stream.spec.max_series} series: {tally.overflow} messages are counted as __other__."


def _windows(stream: Stream, state: PartitionState, last_us: int) -> tuple[tuple[ReplayedSeries, ...], int]:
    """Return the series of all windows, and the end of the longest window."""
    # The delay is how long records take to arrive; in a file all have.
    now_us = last_us + stream.spec.expected_delay_us
    view = evaluate([state], stream.spec, now_us, resolution=stream.resolution, min_messages=stream.min_messages)
    series = tuple(
        ReplayedSeries(key, spec.label, summary_of(window.estimates, index, stream.spec.rules.sampled_from))
        for index, key in enumerate(view.keys)
        for spec, window in zip(stream.spec.windows, view.windows, strict=True)
    )
    ring = stream.spec.longest_ring
    return series, ring.start_us(ring.pane_of(last_us) + 1)


def replay_whole(stream: Stream, batches: Iterable[Batch]) -> Replay:
    """Take the whole input as one window per series, in the order of the input; nothing is withheld."""
    tally, state = Tally(), blocks.Blocks.empty(0)
    index: dict[tuple[str, ...], int] = {}
    for batch in batches:
        decoded = stream.decoder.decode(batch)
        tally.add(batch, decoded)
        if decoded.pairs is None:
            continue
        pairs = decoded.pairs
        valid = validate(pairs.log_p, pairs.log_q, pairs.weight, pairs.first_pair, stream.spec.rules)
        tally.pairs_rejected.update(valid.rejected)
        tally.messages += valid.message.size
        offset = pairs.offset[valid.message]
        if (empty := np.setdiff1d(pairs.offset, offset)).size:
            tally.reject_empty(empty.size, int(empty[0]))
        number = _series_of(pairs, valid, index)
        state = blocks.absorb(state, valid.u, valid.weight, valid.first_pair, number, offset, _PARTITION)
    estimates = blocks.estimate_blocks(
        state, sampled_from=stream.spec.rules.sampled_from, resolution=stream.resolution, min_messages=1
    )
    series = tuple(
        ReplayedSeries(key, WHOLE, summary_of(estimates, index[key], stream.spec.rules.sampled_from))
        for key in sorted(index)
    )
    return _replay(stream, WHOLE, series, tally, _few(series))


def _series_of(pairs: Pairs, valid: Validated, index: dict[tuple[str, ...], int]) -> Ints:
    """Return the series' numbers of the messages that are left; new ones count on in the order in which they come."""
    keys = pairs.keys
    return np.array([index.setdefault(keys[message], len(index)) for message in valid.message.tolist()], np.int64)


def _few(series: Sequence[ReplayedSeries]) -> list[str]:
    few = sum(each.summary.messages < _FEW_MESSAGES for each in series)
    if not few:
        return []
    which = "the one series" if len(series) == 1 else f"{few} of {len(series)} series"
    return [f"Fewer than {_FEW_MESSAGES} messages in {which}: standard errors and intervals mean little there."]


def _replay(
    stream: Stream, longest_window: str, series: tuple[ReplayedSeries, ...], tally: Tally, notes: list[str]
) -> Replay:
    ignored = [f"Not selected by `where`: {tally.ignored} records."] if tally.ignored else []
    return Replay(
        label_names=stream.label_names,
        sampled_from=stream.spec.rules.sampled_from,
        longest_window=longest_window,
        series=series,
        records=tally.records,
        messages=tally.messages,
        rejected=dict(
            sorted({**tally.pairs_rejected, **{reason: each.count for reason, each in tally.rejected.items()}}.items())
        ),
        first_fault=tally.first_fault(),
        notes=(*tally.rejections(), *ignored, *notes),
    )

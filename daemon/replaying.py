"""A file through the daemon's own decoder and estimators: its sliding windows, or all of it as one window."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from daemon.codec import Decoded
from daemon.errors import UsageError
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
    rejected : records and pairs by reason; only what occurred
    notes : sentences for people about what the numbers do not say
    """

    label_names: tuple[str, ...]
    sampled_from: Sampler
    longest_window: str
    series: tuple[ReplayedSeries, ...]
    records: int
    rejected: dict[str, int]
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


@dataclass(slots=True)
class _Tally:
    """What became of the records so far."""

    records: int = 0
    ignored: int = 0
    without_time: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def add(self, batch: Batch, decoded: Decoded) -> None:
        self.records += len(batch)
        self.ignored += decoded.ignored
        self.without_time += decoded.without_time
        self.rejected.update({reason: reject.count for reason, reject in decoded.rejected.items()})

    def notes(self) -> list[str]:
        return [f"Not selected by `where`: {self.ignored} records."] if self.ignored else []


def replay_windows(stream: Stream, batches: Iterable[Batch]) -> Replay:
    """Absorb the records in the order of the input and evaluate the stream's windows at its largest event time.

    A file has no append times, so its decoder takes each event to be appended when it happened: an event is late by
    the file's own clock only. Raises UsageError where no record has a time.
    """
    state, tally, overflow, last_us = new_state(stream.spec, _PARTITION), _Tally(), 0, None
    begin(state, stream.spec, None)
    for batch in batches:
        decoded = stream.decoder.decode(batch)
        tally.add(batch, decoded)
        if decoded.pairs is None:
            continue
        newest_us = int(decoded.pairs.event_time_us.max())
        last_us = newest_us if last_us is None else max(last_us, newest_us)
        absorbed = absorb(state, stream.spec, decoded.pairs)
        tally.rejected.update({reason: reject.count for reason, reject in absorbed.rejected.items()})
        tally.rejected.update(absorbed.pairs_rejected)
        overflow += absorbed.overflow
    if last_us is None and tally.without_time:
        raise UsageError(
            f"none of the {tally.without_time} records that could be read has an event time, so there is nothing for "
            "windows to slide over; add --window all for one window over the whole input"
        )
    notes = tally.notes()
    if tally.without_time:
        notes.append(f"Without a time: {tally.without_time} records; --window all reads them too.")
    if overflow:
        notes.append(f"More than {stream.spec.max_series} series: {overflow} messages are counted as __other__.")
    series = () if last_us is None else _windows(stream, state, last_us)
    return _replay(stream, stream.spec.longest.label, series, tally, notes)


def _windows(stream: Stream, state: PartitionState, last_us: int) -> tuple[ReplayedSeries, ...]:
    # The delay is how long records take to arrive; in a file all have.
    now_us = last_us + stream.spec.expected_delay_us
    view = evaluate([state], stream.spec, now_us, resolution=stream.resolution, min_messages=stream.min_messages)
    return tuple(
        ReplayedSeries(key, spec.label, summary_of(window.estimates, index, stream.spec.rules.sampled_from))
        for index, key in enumerate(view.keys)
        for spec, window in zip(stream.spec.windows, view.windows, strict=True)
    )


def replay_whole(stream: Stream, batches: Iterable[Batch]) -> Replay:
    """Take the whole input as one window per series, in the order of the input; nothing is withheld."""
    tally, state = _Tally(), blocks.Blocks.empty(0)
    index: dict[tuple[str, ...], int] = {}
    for batch in batches:
        decoded = stream.decoder.decode(batch)
        tally.add(batch, decoded)
        if decoded.pairs is None:
            continue
        pairs = decoded.pairs
        valid = validate(pairs.log_p, pairs.log_q, pairs.weight, pairs.first_pair, stream.spec.rules)
        tally.rejected.update(valid.rejected)
        offset = pairs.offset[valid.message]
        if empty := np.unique(pairs.offset).size - np.unique(offset).size:
            tally.rejected["empty"] += empty
        number = _series_of(pairs, valid, index)
        state = blocks.absorb(state, valid.u, valid.weight, valid.first_pair, number, offset, _PARTITION)
    estimates = blocks.estimate_blocks(
        state, sampled_from=stream.spec.rules.sampled_from, resolution=stream.resolution, min_messages=1
    )
    series = tuple(
        ReplayedSeries(key, WHOLE, summary_of(estimates, index[key], stream.spec.rules.sampled_from))
        for key in sorted(index)
    )
    return _replay(stream, WHOLE, series, tally, [*tally.notes(), *_few(series)])


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
    stream: Stream, longest_window: str, series: tuple[ReplayedSeries, ...], tally: _Tally, notes: list[str]
) -> Replay:
    return Replay(
        label_names=stream.label_names,
        sampled_from=stream.spec.rules.sampled_from,
        longest_window=longest_window,
        series=series,
        records=tally.records,
        rejected={reason: count for reason, count in sorted(tally.rejected.items()) if count},
        notes=tuple(notes),
    )

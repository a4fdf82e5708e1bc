"""What a replay comes to, as plain values: series with their windows, outcomes, verdicts, and notes for people."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite, isnan
from typing import Any, Final

from daemon.board import Threshold
from daemon.replay.trace import Trace
from daemon.verdicts import Verdict
from estimators.estimates import Direction, Sampler
from estimators.summary import DirectionSummary, Estimate, Summary

#: With fewer, standard errors and intervals mean little.
FEW_MESSAGES: Final = 30


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the pairs of a series say of outcomes, over the whole input.

    Attributes
    ----------
    total_variation : Estimate or None
        Share of outcomes that the other model would have drawn otherwise; None where the windows leave messages out,
        so that it would be of other pairs than the divergence beside it.
    inverse_mean, inverse_error : float
        Mean of sampler / other, and its error: 1 if x was drawn from the other side.
    certain_pairs : int
        Pairs of log-probability 0 on both sides.
    certain_share : float
        Their share of the weight, which is the share of the pairs where weights are equal.
    placeholders : bool
        Whether they look like positions that no model chose, so that a mask is missing.
    """

    total_variation: Estimate | None
    inverse_mean: float
    inverse_error: float
    certain_pairs: int
    certain_share: float
    placeholders: bool


@dataclass(frozen=True, slots=True)
class ReplayedSeries:
    """One window of one series.

    Attributes
    ----------
    labels : values of the stream's series labels
    outcome : of the longest window's row only
    verdict : of the series, by the daemon's rule over its windows
    """

    labels: tuple[str, ...]
    window: str
    summary: Summary
    verdict: Verdict
    outcome: Outcome | None = None
    numbers: dict[str, Any] = field(init=False, repr=False, compare=False)  # the summary as JSON has it

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", self.summary.to_dict())

    def to_dict(self, label_names: tuple[str, ...]) -> dict[str, Any]:
        """Return one entry of `series` in JSON: the summary, the verdict's state, and the outcomes or null."""
        told = self.outcome
        return {
            "labels": dict(zip(label_names, self.labels, strict=True)),
            "window": self.window,
            **self.numbers,
            "verdict": self.verdict.state,
            "total_variation": None
            if told is None or told.total_variation is None
            else _estimate(told.total_variation),
            "certain_pairs": None if told is None else told.certain_pairs,
            "placeholders": None if told is None else told.placeholders,
        }


@dataclass(frozen=True, slots=True)
class Reading:
    """How the input was understood.

    Attributes
    ----------
    by : "inspection", "flag" or "configuration"
    sentence : for people; empty where all was asked for
    """

    by: str
    preset: str
    sampled_from: Sampler
    sentence: str = ""


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
    trace, trace_keys : the input in slices, where a picture is wanted, and the series in the trace's order
    resolution, thresholds : of the stream
    first_fault : reason, place and detail of the first rejected record; None where there is none
    notes : sentences for people about what the numbers do not say, rejections first
    """

    label_names: tuple[str, ...]
    sampled_from: Sampler
    longest_window: str
    series: tuple[ReplayedSeries, ...]
    records: int
    messages: int
    rejected: Mapping[str, int]
    trace: Trace | None = None
    trace_keys: tuple[tuple[str, ...], ...] = ()
    resolution: float = 0.0
    thresholds: tuple[Threshold, ...] = ()
    first_fault: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def sampler_side(self) -> Direction:
        """Direction that the sampler's own pairs tell best."""
        return "reverse" if self.sampled_from == "q" else "forward"

    @property
    def other(self) -> Sampler:
        """The side that the outcomes were not drawn from."""
        return "p" if self.sampled_from == "q" else "q"

    def side_of(self, series: ReplayedSeries) -> DirectionSummary:
        """Return the sampler's side of a series."""
        return series.summary.of(self.sampler_side)

    def to_read(self, series: ReplayedSeries) -> Estimate:
        """Return the estimate to read first: adaptive, but naive where the self-check failed."""
        side = self.side_of(series)
        return side.naive if series.summary.comparable is False else side.adaptive

    @property
    def inside(self) -> list[ReplayedSeries]:
        """The longest window's rows, the furthest apart first: infinite ones, then by the estimate to read.

        Series with few messages come last: of many such the largest value is chance.
        """

        def apart(series: ReplayedSeries) -> tuple[bool, bool, float]:
            value, few = self.to_read(series).value, series.summary.messages < FEW_MESSAGES
            return not series.summary.infinite, few, -value if not isnan(value) else float("inf")

        return sorted((each for each in self.series if each.window == self.longest_window), key=apart)


def ratio_error(summary: Summary) -> float:
    """Return the standard error of the ratio mean; NaN where it is not known."""
    deviation = summary.ratio_mean - 1
    return deviation / summary.ratio_zscore if summary.ratio_zscore else float("nan")


def _estimate(estimate: Estimate) -> dict[str, float | None]:
    columns = ("value", "standard_error", "lower", "upper")
    values = {name: float(getattr(estimate, name)) for name in columns}
    return {name: value if isfinite(value) else None for name, value in values.items()}

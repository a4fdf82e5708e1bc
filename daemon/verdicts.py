"""Verdicts in words: each series' state with its value, interval, threshold and self-check as one short text."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan

from daemon.board import StreamBoard, Threshold, WindowBoard
from daemon.drift_rule import State, judge
from daemon.number_words import figure, percent
from estimators.estimates import Direction


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a series' numbers mean.

    Attributes
    ----------
    state : see `daemon.drift_rule`
    sentence : for people; plain text that may hold a severity of the configuration, but no label value
    severity : of the threshold that was passed; None in every other state than drift
    direction : the one that the sentence speaks of
    """

    state: State
    sentence: str
    severity: str | None
    direction: Direction


def verdicts(stream: StreamBoard) -> tuple[Verdict, ...]:
    """Return the verdict of every series, in the order of the stream's `keys`."""
    judged, side = judge(stream), stream.sampler_side
    found = []
    for row, (state, threshold) in enumerate(zip(judged.states, judged.thresholds, strict=True)):
        direction = side if threshold is None else threshold.direction
        told = _Series(stream, row, direction, threshold)
        severity = threshold.severity if state == "drift" and threshold is not None else None
        found.append(Verdict(state, " ".join(told.sentences(state)), severity, direction))
    return tuple(found)


def self_check_sentence(stream: StreamBoard, row: int) -> str:
    """Say of one series whether its pairs are comparable, by the long window."""
    estimates = stream.long_window.estimates
    comparable, mean = estimates.comparable[row], estimates.ratio_mean[row]
    if isnan(comparable):
        return f"Whether the pairs are comparable cannot be told from so few: their ratio mean is {mean:.4g}."
    return "The pairs are comparable." if comparable else "The pairs are not comparable."


def formula(direction: Direction) -> str:
    """Write a direction as a formula."""
    return "KL(q||p)" if direction == "reverse" else "KL(p||q)"


@dataclass(frozen=True, slots=True)
class _Series:
    """One series, about which sentences are made."""

    stream: StreamBoard
    row: int
    direction: Direction
    threshold: Threshold | None

    def sentences(self, state: State) -> Iterator[str]:
        """Yield what is the case, and what it rests on."""
        yield {
            "infinite": self._infinite,
            "not_comparable": self._not_comparable,
            "drift": self._drift,
            "no_data": self._no_data,
            "incomplete": self._incomplete,
            "measuring": self._measuring,
            "quiet": self._quiet,
        }[state]()
        if state in ("drift", "quiet", "measuring", "incomplete"):
            yield self_check_sentence(self.stream, self.row)
        if state != "incomplete" and not self._complete():
            yield "The window is not complete: this is of the pairs that were read so far."

    def _infinite(self) -> str:
        window = self._long
        pairs = int(window.estimates.total.count_of("zero_other")[self.row])
        other, sampler = self._sides()
        return (
            f"Infinite: {figure(pairs)} {'pair' if pairs == 1 else 'pairs'} of the last {window.label} "
            f"{'has' if pairs == 1 else 'have'} probability 0 under {other}, though {sampler} produced the outcome, "
            f"so {formula(self.direction)} is infinite."
        )

    def _not_comparable(self) -> str:
        estimates = self._long.estimates
        mean, naive = estimates.ratio_mean[self.row], estimates.of(self.direction).naive.value[self.row]
        other, sampler = self._sides()
        if mean < 1:
            why = (
                f"{sampler} never produces outcomes that hold {percent(1 - mean)} of {other}'s mass, "
                "as with top-p, top-k or greedy sampling, or the two sides were logged differently. "
                f"Read naive {formula(self.direction)} first, which is right in the first case: {figure(naive)} nats"
            )
        else:
            why = (
                f"the two sides were logged differently, or x was not drawn from {sampler}. "
                "No value can be read until the log is right"
            )
        return (
            f"Not comparable, so no word on drift: the mean of {other}/{sampler} over {self._long.label} is "
            f"{figure(mean)} and should be 1; {why}."
        )

    def _drift(self) -> str:
        assert self.threshold is not None  # noqa: S101 - a drift is one over a threshold
        now = figure(self._value(self.stream.short_window))
        return (
            f"Drift ({self.threshold.severity}): {self._measured()}, {self._times()}; over {self._short} it is {now}."
        )

    def _no_data(self) -> str:
        """Tell of the long window if it lacks messages, else of the short one: one of the two does."""
        lacking = self._long if isnan(self._long.estimates.ratio_mean[self.row]) else self.stream.short_window
        count = int(lacking.estimates.total.count_of("messages")[self.row])
        if count == 0:
            held = "no message"
        else:
            held = f"{count} of the {self.stream.min_messages} messages that an estimate needs"
        text = f"Not enough data: the window {lacking.label} holds {held}."
        return text if lacking is self._long else f"{text} {self._measured()}."

    def _incomplete(self) -> str:
        return (
            f"Cannot tell yet: not all of the window has been read. So far {self._measured()}, {self._times()}, "
            "which raises no alarm."
        )

    def _measuring(self) -> str:
        return f"Measuring, not alerting: {self._measured()}. No threshold is configured."

    def _quiet(self) -> str:
        assert self.threshold is not None  # noqa: S101 - without a threshold nothing is quiet
        text = f"Quiet: {self._measured()}, {self._times()}"
        if not self._value(self._long) > self.threshold.nats:
            return f"{text}."
        now = self._value(self.stream.short_window)
        if now > self.threshold.nats:
            return f"{text}, but not sure enough for an alarm."
        return f"{text}, but over {self._short} it is {figure(now)}, below it."

    def _measured(self) -> str:
        adaptive = self._long.estimates.of(self.direction).adaptive
        text = f"{formula(self.direction)} over {self._long.label} is {figure(adaptive.value[self.row])} nats"
        lower, upper = adaptive.lower[self.row], adaptive.upper[self.row]
        return text if isnan(lower) else f"{text} (95 % interval {figure(lower)} to {figure(upper)})"

    def _times(self) -> str:
        assert self.threshold is not None  # noqa: S101 - callers have one
        nats = self.threshold.nats
        return f"{figure(self._value(self._long) / nats)} times the threshold of {figure(nats)}"

    def _complete(self) -> bool:
        return bool(self._long.complete[self.row] == 1 and self.stream.short_window.complete[self.row] == 1)

    def _sides(self) -> tuple[str, str]:
        """Name the other side and the sampler."""
        return ("p", "q") if self.stream.sampled_from == "q" else ("q", "p")

    def _value(self, window: WindowBoard) -> float:
        return float(window.estimates.of(self.direction).adaptive.value[self.row])

    @property
    def _long(self) -> WindowBoard:
        return self.stream.long_window

    @property
    def _short(self) -> str:
        return self.stream.short_window.label

"""What is gathered from the pairs of a file besides windows: outcomes, certain pairs, and slices for a picture."""

from dataclasses import dataclass, field

import numpy as np

from daemon.replay.results import Outcome
from daemon.replay.trace import Trace
from estimators.certain import Certain
from estimators.outcomes import Outcomes
from estimators.pairs import Ints, Pairs
from estimators.summary import Estimate
from estimators.validation import Validated

Key = tuple[str, ...]
#: A time axis with fewer slices that hold something shows less than the order of the input.
_TELLING_SLICES = 8


@dataclass(slots=True)
class Observed:
    """All accepted pairs so far, whatever windows make of them.

    Attributes
    ----------
    traced : whether slices are kept
    index : number of each series, in the order in which they came
    """

    traced: bool = False
    index: dict[Key, int] = field(default_factory=dict)
    outcomes: Outcomes = field(default_factory=Outcomes.empty)
    certain: Certain = field(default_factory=Certain.empty)
    messages: int = 0
    by_time: Trace = field(default_factory=lambda: Trace.empty("time"))
    by_number: Trace = field(default_factory=lambda: Trace.empty("message"))

    def add(self, pairs: Pairs, valid: Validated) -> Ints:
        """Gather the pairs of one batch; returns the series' numbers of the messages that are left."""
        keys = pairs.keys
        series = np.array([self.index.setdefault(keys[m], len(self.index)) for m in valid.message.tolist()], np.int64)
        self.outcomes = self.outcomes.absorb(valid.u, valid.weight, valid.first_pair, series)
        if series.size:
            # No pair of a message that is left out is certain, so it may count for any series.
            every = np.zeros(len(keys), np.int64)
            every[valid.message] = series
            self.certain = self.certain.absorb(pairs.log_p, pairs.log_q, pairs.weight, pairs.first_pair, every)
        if self.traced:
            number = self.messages + np.arange(series.size)
            self.by_number = self.by_number.absorb(valid.u, valid.weight, valid.first_pair, series, number)
            times = pairs.event_time_us[valid.message]
            self.by_time = self.by_time.absorb(valid.u, valid.weight, valid.first_pair, series, times)
        self.messages += series.size
        return series

    def told(self, *, all_inside: bool) -> dict[Key, Outcome]:
        """Return what the pairs of every series say of outcomes; `all_inside`: of the messages of the windows."""
        variation, (inverse, error) = self.outcomes.total_variation(), self.outcomes.inverse_ratio_mean()
        columns = (variation.value, variation.standard_error, variation.lower, variation.upper)
        weight = self.outcomes.weight()
        return {
            key: Outcome(
                total_variation=Estimate(*(float(column[row]) for column in columns)) if all_inside else None,
                inverse_mean=float(inverse[row]),
                inverse_error=float(error[row]),
                certain_pairs=self.certain.pairs(row),
                certain_share=self.certain.weight(row) / float(weight[row]),
                placeholders=self.certain.placeholders(row),
            )
            for key, row in self.index.items()
        }

    def trace(self, *, timed: bool) -> Trace | None:
        """Return the slices along time where all records have one and they spread, else along the input's order."""
        if not self.traced or not self.messages:
            return None
        held = [_held(trace) for trace in (self.by_time, self.by_number)]
        return self.by_time if timed and held[0] >= min(_TELLING_SLICES, held[1]) else self.by_number


def _held(trace: Trace) -> int:
    return int(np.count_nonzero(trace.moments.count_of("messages").sum(axis=0)))

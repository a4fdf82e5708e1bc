"""What became of the records of a file: counted by reason, with the first place and fault of each, for people."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from daemon.codec import Decoded
from daemon.number_words import percent
from daemon.source import Batch
from estimators.pairs import Pairs
from estimators.partitions import Absorbed

_DETAILS = {
    "late": "older than what the longest window keeps",
    "empty": "no pair of it was accepted",
}
#: What each reason of a pair stands for.
_PAIR_WORDS = {
    "sentinel": "null, or so low that it stands for: not known",
    "nan": "not a number, a negative probability, or probability 0 on both sides",
    "sampler_zero": "the sampler gives probability 0 to what it drew; are the sides swapped?",
    "positive": "a log-probability above 0; are these probabilities, or logits?",
    "weight": "negative, not finite or too large a weight",
    "zero_weight": "weight 0",
}


@dataclass(frozen=True, slots=True)
class Faults:
    """Records of the whole input that were rejected for one reason: how many, and where and what the first one is."""

    count: int
    offset: int
    detail: str


@dataclass(slots=True)
class Tally:
    """What became of the records so far.

    Attributes
    ----------
    records : read, whatever became of them
    messages : with an accepted pair
    rejected : records by reason
    pairs, pairs_rejected : pairs that were decoded, and of these the rejected ones by reason
    newest : largest event time in microseconds, and the offset of the first record that has it
    row : what the input calls a record
    """

    records: int = 0
    messages: int = 0
    pairs: int = 0
    ignored: int = 0
    without_time: int = 0
    overflow: int = 0
    rejected: dict[str, Faults] = field(default_factory=dict)
    pairs_rejected: Counter[str] = field(default_factory=Counter)
    newest: tuple[int, int] | None = None
    row: str = "line"

    def add(self, batch: Batch, decoded: Decoded) -> None:
        """Count what the decoder made of the next batch."""
        if ".csv" in Path(batch.partition.topic).suffixes:
            self.row = "row"
        self.records += len(batch)
        self.ignored += decoded.ignored
        self.without_time += decoded.without_time
        for reason, reject in decoded.rejected.items():
            self._reject(reason, Faults(reject.count, reject.offset, reject.detail))
        if decoded.pairs is not None:
            self.pairs += decoded.pairs.log_p.size
            self._note_time(decoded.pairs)

    def add_absorbed(self, absorbed: Absorbed) -> None:
        """Count what the windows made of its pairs."""
        self.messages += absorbed.messages
        self.overflow += absorbed.overflow
        self.pairs_rejected.update(absorbed.pairs_rejected)
        for reason, refused in absorbed.rejected.items():
            self._reject(reason, Faults(refused.count, refused.offset, _DETAILS.get(reason, "")))

    def reject_empty(self, count: int, offset: int) -> None:
        """Count records without an accepted pair."""
        self._reject("empty", Faults(count, offset, _DETAILS["empty"]))

    def place(self, offset: int) -> str:
        """Name a record as an editor counts it."""
        return f"{self.row} {offset + 1}"

    def rejections(self) -> Iterator[str]:
        """Say what was rejected and where to look, records and pairs apart."""
        if self.rejected:
            reasons = ", ".join(
                f"{each.count} {reason} (first at {self._fault(each)})"
                for reason, each in sorted(self.rejected.items())
            )
            yield f"Rejected records: {reasons}; of {self.records}."
        if self.pairs_rejected:
            reasons = "; ".join(
                f"{count} {reason} ({_PAIR_WORDS[reason]})" for reason, count in sorted(self.pairs_rejected.items())
            )
            share = percent(sum(self.pairs_rejected.values()) / self.pairs)
            yield f"Rejected pairs: {reasons}; {share} of {self.pairs}."

    def first_fault(self) -> str | None:
        """Say what is wrong with the first record that was rejected."""
        if not self.rejected:
            return None
        reason, first = min(self.rejected.items(), key=lambda item: item[1].offset)
        return f"{reason} at {self._fault(first)}"

    def _reject(self, reason: str, more: Faults) -> None:
        """Count records; the batches come in the order of the input, so the first place is the one that is known."""
        first = self.rejected.get(reason, more)
        known = self.rejected[reason].count if reason in self.rejected else 0
        self.rejected[reason] = Faults(known + more.count, first.offset, first.detail)

    def _fault(self, reject: Faults) -> str:
        return f"{self.place(reject.offset)}: {reject.detail}" if reject.detail else self.place(reject.offset)

    def _note_time(self, pairs: Pairs) -> None:
        index = int(np.argmax(pairs.event_time_us))
        time_us = int(pairs.event_time_us[index])
        if self.newest is None or time_us > self.newest[0]:
            self.newest = time_us, int(pairs.offset[index])


def time_text(time_us: int) -> str:
    """Write a time in UTC to the second; any year that 64 bits hold."""
    return str(np.datetime_as_string(np.datetime64(time_us, "us"), unit="s", timezone="UTC"))

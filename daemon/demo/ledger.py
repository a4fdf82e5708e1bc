"""What was sent, so that the demo can say of any window what it must hold: messages, sums, and the truth."""

import math
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from daemon.demo.messages import Message, SeriesKey
from daemon.demo.models import Truth
from estimators.estimates import DIRECTIONS, Direction

#: The longest window, a restart of the daemon within it, and time to look.
_KEPT_US: Final = 300 * 1_000_000


@dataclass(frozen=True, slots=True)
class Sent:
    """One series' messages of a range of event time.

    Attributes
    ----------
    naive_nats, fixed_nats : KL(q||p) by these estimators, from the very numbers that were sent
    truth : of the mixture, each distribution weighted by the pairs that were drawn from it
    """

    messages: int
    pairs: int
    naive_nats: float
    fixed_nats: float
    truth: Truth


@dataclass(frozen=True, slots=True)
class _Entry:
    """A message without its bytes."""

    event_us: int
    pairs: int
    naive_sum: float
    fixed_sum: float
    truth: Truth


class Ledger:
    """The last five minutes by series; the sending thread writes, others ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[SeriesKey, list[_Entry]] = {}
        self._bad: Counter[tuple[str, str]] = Counter()

    def add(self, message: Message) -> None:
        """Take in a message; those of a series come in the order of their event times."""
        with self._lock:
            self._bad.update({(message.series[0], reason): count for reason, count in message.bad})
            if message.pairs == 0:
                return
            entries = self._entries.setdefault(message.series, [])
            entries.append(_Entry(message.event_us, message.pairs, message.naive_sum, message.fixed_sum, message.truth))
            # Half of it at once, since cutting off a list's head costs its whole length.
            if entries[0].event_us < message.event_us - 2 * _KEPT_US:
                del entries[: bisect_left(entries, message.event_us - _KEPT_US, key=_event_us)]

    def between(self, series: SeriesKey, start_us: int, end_us: int) -> Sent | None:
        """Return what was sent in [start, end); None where that was nothing."""
        with self._lock:
            entries = self._entries.get(series, [])
            first, last = (bisect_left(entries, limit, key=_event_us) for limit in (start_us, end_us))
            found = entries[first:last]
        return _sum(found) if found else None

    def first_above(self, series: SeriesKey, start_us: int, nats: float) -> int | None:
        """Return the event time of the first message from `start_us` on whose true KL(q||p) is above `nats`."""
        with self._lock:
            entries = list(self._entries.get(series, []))
        for entry in entries[bisect_left(entries, start_us, key=_event_us) :]:
            kl_nats = entry.truth.kl_nats["reverse"]
            if kl_nats is not None and kl_nats > nats:
                return entry.event_us
        return None

    def bad(self, stream: str) -> Mapping[str, int]:
        """Return what was sent to be rejected, by reason: records, or pairs."""
        with self._lock:
            return {reason: count for (name, reason), count in self._bad.items() if name == stream}


def mixture(parts: Sequence[tuple[Truth, float]]) -> Truth:
    """Return the truth of a mixture of pairs, of truths with their weights.

    Estimates are means over pairs, so what they should come to is the mean of the truths; where one of them is not
    known, neither is theirs.
    """
    total = math.fsum(weight for _, weight in parts)
    kl_nats: dict[Direction, float | None] = {}
    for direction in DIRECTIONS:
        known = [
            (value, weight) for truth, weight in parts if (value := truth.kl_nats[direction]) is not None and weight > 0
        ]
        complete = len(known) == sum(weight > 0 for _, weight in parts)
        kl_nats[direction] = math.fsum(value * weight for value, weight in known) / total if complete else None
    return Truth(kl_nats, math.fsum(truth.ratio_mean * weight for truth, weight in parts) / total)


def _sum(entries: Sequence[_Entry]) -> Sent:
    weights: dict[int, tuple[Truth, int]] = {}  # by identity: a truth is one object for all of a regime's messages
    for entry in entries:
        _, weight = weights.get(id(entry.truth), (entry.truth, 0))
        weights[id(entry.truth)] = (entry.truth, weight + entry.pairs)
    pairs = sum(entry.pairs for entry in entries)
    return Sent(
        messages=len(entries),
        pairs=pairs,
        naive_nats=math.fsum(entry.naive_sum for entry in entries) / pairs,
        fixed_nats=math.fsum(entry.fixed_sum for entry in entries) / pairs,
        truth=mixture(list(weights.values())),
    )


def _event_us(entry: _Entry) -> int:
    return entry.event_us

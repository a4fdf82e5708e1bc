"""The loop's side of dead letters: how many may wait, for how long, and how far offsets may be committed meanwhile.

A letter is settled once the brokers have acknowledged it or it was given up. Until then no commit passes its record, so
a process that is killed loses none: the next one reads the record again and sends the letter again, under the same key.
A topic that takes no letters holds the commits for HOLD_SECONDS and nothing else: reading, windows and metrics go on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from daemon.clock import Clock
from daemon.codec import Rejected
from daemon.dead_letters.letter import DeadLetter, LetterCounts, letters_of
from daemon.source import Batch, Partition

log = structlog.get_logger(__name__)

#: Longest wait for an acknowledgement, and so the longest time that a letter holds the commits of its partition.
HOLD_SECONDS: Final = 30.0
#: Longest wait of a turn for room, while letters are acknowledged; none once nothing was for that long.
PATIENCE_SECONDS: Final = 1.0
LETTERS_MAX: Final = 10_000
BYTES_MAX: Final = 16 << 20
LOG_INTERVAL_SECONDS: Final = 60.0

NO_ROOM: Final = "too many dead letters wait"
TOO_LARGE: Final = "with its payload it is larger than the dead-letter topic takes (max.message.bytes)"
NO_ANSWER: Final = "the dead-letter topic did not acknowledge them in time"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A letter on its way.

    Attributes
    ----------
    ticket : names it in its outcome
    value : the letter
    bare : the letter without payload, to send where `value` is refused for its size; None where `value` has none
    """

    ticket: int
    key: bytes
    value: bytes
    bare: bytes | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a parcel ended; `failure` says why it was given up, and is empty if it was acknowledged."""

    ticket: int
    failure: str = ""


class Carrier(Protocol):
    """Takes parcels to the topic. It never raises; each parcel has one outcome, at some time."""

    def carry(self, parcel: Parcel) -> None:
        """Take a parcel; return at once."""

    def outcomes(self, timeout_s: float) -> Iterable[Outcome]:
        """Return the outcomes since the last call, waiting up to `timeout_s` for a first one."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    partition: Partition
    offset: int
    counts: LetterCounts
    size: int
    deadline: float


class Outbox:
    """Used by the loop's thread only. Without a carrier no letter is ever made."""

    def __init__(self, clock: Clock, carrier: Carrier | None = None, *, topic: str = "", payload: bool = False) -> None:
        self._clock = clock
        self._carrier = carrier
        self._topic = topic
        self._payload = payload
        self._collected: list[tuple[DeadLetter, LetterCounts]] = []
        self._waiting: dict[int, _Waiting] = {}  # by ticket: the oldest first
        self._waiting_bytes = 0
        self._tickets = 0
        self._stuck = False  # nothing was acknowledged while there was no room
        self._lost: dict[str, int] = {}  # by failure, not logged yet
        self._logged_at = -LOG_INTERVAL_SECONDS

    def add(self, stream: str, counts: LetterCounts, batch: Batch, rejected: Mapping[str, Rejected]) -> None:
        """Collect letters for the rejected records of a batch; all of them are to be counted, none sent before."""
        if self._carrier is not None and rejected:
            letters = letters_of(stream, batch, rejected, payload=self._payload)
            self._collected += ((letter, counts) for letter in letters)

    def send(self) -> None:
        """Hand over what was collected, and settle what has ended; waits PATIENCE_SECONDS at most."""
        self.settle()
        collected, self._collected = self._collected, []
        until = self._clock.monotonic() + PATIENCE_SECONDS
        for letter, counts in collected:
            self._send(letter, counts, until)

    def settle(self, timeout_s: float = 0.0) -> list[Outcome]:
        """Count what has ended, waiting up to `timeout_s` for a first outcome; return the outcomes."""
        outcomes = list(self._carrier.outcomes(timeout_s)) if self._carrier is not None and self._waiting else []
        for outcome in outcomes:
            if (waiting := self._take(outcome.ticket)) is None:
                continue  # given up before
            if outcome.failure:
                self._drop(waiting.counts, outcome.failure)
            else:
                waiting.counts.acknowledged += 1
                self._stuck = False
        self._give_up_the_overdue()
        self._log_lost()
        return outcomes

    def held_back(self, offsets: Mapping[Partition, int]) -> dict[Partition, int]:
        """Return offsets that may be committed: none beyond a record whose letter is not settled."""
        held = dict(offsets)
        open_letters = [(waiting.partition, waiting.offset) for waiting in self._waiting.values()]
        # A turn that fails on its way leaves letters that were not even handed over.
        open_letters += [(letter.partition, letter.offset) for letter, _ in self._collected]
        for partition, offset in open_letters:
            if partition in held:
                held[partition] = min(held[partition], offset)
        return held

    def flush(self, timeout_s: float) -> None:
        """Wait up to `timeout_s` until every letter is settled; whoever reads on sends the rest again."""
        until = self._clock.monotonic() + timeout_s
        while self._waiting and self.settle(max(0.0, until - self._clock.monotonic())):
            pass
        self._log_lost(at_once=True)
        if self._waiting:
            log.warning(
                "dead letters were not acknowledged before the end: whoever reads on sends them again, but for those "
                "of partitions that have moved away",
                topic=self._topic,
                count=len(self._waiting),
            )

    def _send(self, letter: DeadLetter, counts: LetterCounts, until: float) -> None:
        value, bare = letter.encoded(), None
        key = letter.key
        if letter.payload is not None:
            bare = letter.encoded(omitted=TOO_LARGE)
            if not self._room_for(len(key) + len(value), until):
                value, bare = letter.encoded(omitted=NO_ROOM), None
        size = len(key) + len(value)
        if self._carrier is None or not self._room_for(size, until):
            self._drop(counts, NO_ROOM)
            return
        self._tickets += 1
        deadline = self._clock.monotonic() + HOLD_SECONDS
        self._waiting[self._tickets] = _Waiting(letter.partition, letter.offset, counts, size, deadline)
        self._waiting_bytes += size
        self._carrier.carry(Parcel(self._tickets, key, value, bare))

    def _room_for(self, size: int, until: float) -> bool:
        """Tell whether so many bytes may wait too; wait for it while letters are acknowledged, until `until`."""
        while len(self._waiting) >= LETTERS_MAX or self._waiting_bytes + size > BYTES_MAX:
            left = until - self._clock.monotonic()
            if size > BYTES_MAX or self._stuck or left <= 0:
                return False
            self._stuck = all(outcome.failure for outcome in self.settle(left))
        return True

    def _give_up_the_overdue(self) -> None:
        now = self._clock.monotonic()
        overdue = []
        for ticket, waiting in self._waiting.items():
            if waiting.deadline > now:
                break
            overdue.append(ticket)
        for ticket in overdue:
            if (late := self._take(ticket)) is not None:
                self._drop(late.counts, NO_ANSWER)

    def _take(self, ticket: int) -> _Waiting | None:
        waiting = self._waiting.pop(ticket, None)
        if waiting is not None:
            self._waiting_bytes -= waiting.size
        return waiting

    def _drop(self, counts: LetterCounts, failure: str) -> None:
        counts.dropped += 1
        self._lost[failure] = self._lost.get(failure, 0) + 1

    def _log_lost(self, *, at_once: bool = False) -> None:
        """Tell what was dropped since the last time, once a minute at most but for the last time."""
        now = self._clock.monotonic()
        if self._lost and (at_once or now - self._logged_at >= LOG_INTERVAL_SECONDS):
            self._logged_at = now
            for failure, count in self._lost.items():
                log.error("dead letters were dropped", topic=self._topic, count=count, reason=failure)
            self._lost = {}

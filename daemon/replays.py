"""Partitions that are being restored from the log: how far they have come, how fast, and how fast they may."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from daemon.clock import Clock
from daemon.number_words import count, counted, figure
from daemon.ownership import OwnedPartition
from daemon.source import Batch, Partition, Source

log = structlog.get_logger(__name__)

REPORT_SECONDS: Final = 10.0
BURST_SECONDS: Final = 1.0  # of the rate may be read at once
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class _Mark:
    """How many records had been read at a moment, in monotonic seconds."""

    seconds: float
    done: int


class Replays:
    """Used by the loop's thread, once a turn. `bytes_per_s` None: no limit."""

    def __init__(self, source: Source, clock: Clock, bytes_per_s: int | None = None) -> None:
        self._source = source
        self._clock = clock
        self._bytes_per_s = bytes_per_s
        self._allowance = 0.0  # bytes; below 0 the partitions are held
        self._filled_at = clock.monotonic()
        self._held: set[Partition] = set()
        self._spans: dict[Partition, tuple[int, int]] = {}  # first and target offset, since the last time none was left
        self._marks: list[_Mark] = []  # the last two reports: the rate is of 10 to 20 s
        self.progress = ""  # for people; empty where nothing is to be told

    def read(self, batch: Batch) -> None:
        """Count the bytes of a batch of a partition that is being restored."""
        if self._bytes_per_s is not None:
            self._allowance -= sum(len(value) for value in batch.values if value is not None)

    def drop(self, partitions: Iterable[Partition]) -> None:
        """Forget partitions that are not ours any more, or begin anew."""
        for partition in partitions:
            self._held.discard(partition)
            self._spans.pop(partition, None)

    def turn(self, owned: Iterable[OwnedPartition]) -> None:
        """Hold or release what is being restored, and see how far it is."""
        owned = tuple(owned)
        behind = {part.partition for part in owned if not part.restored}
        if self._bytes_per_s is not None:
            self._throttle(behind, self._bytes_per_s)
        self._measure(owned, behind)

    def _throttle(self, behind: set[Partition], bytes_per_s: int) -> None:
        now = self._clock.monotonic()
        grown = self._allowance + (now - self._filled_at) * bytes_per_s
        self._allowance, self._filled_at = min(grown, BURST_SECONDS * bytes_per_s), now
        due = behind if self._allowance < 0 else set()
        for partition in self._held - due:
            self._source.release(partition)
        for partition in due - self._held:
            self._source.hold(partition)
        self._held = due

    def _measure(self, owned: tuple[OwnedPartition, ...], behind: set[Partition]) -> None:
        now = self._clock.monotonic()
        if not behind:
            self._spans, self._marks, self.progress = {}, [], ""
            return
        ours = {part.partition: part for part in owned}
        self._spans |= {part: (ours[part].first, ours[part].target) for part in behind if part not in self._spans}
        self._spans = {part: span for part, span in self._spans.items() if part in ours}
        total = sum(target - first for first, target in self._spans.values())
        done = sum(min(ours[part].position, target) - first for part, (first, target) in self._spans.items())
        if not self._marks:
            self._marks = [_Mark(now, done)]
        since = self._marks[0]
        rate = max(0, done - since.done) / (now - since.seconds) if now > since.seconds else 0.0
        self.progress = _in_words(done, total, rate)
        if now - self._marks[-1].seconds >= REPORT_SECONDS:
            self._marks = [self._marks[-1], _Mark(now, done)]
            log.info("reading the log again", partitions=len(behind), progress=self.progress)


def _in_words(done: int, total: int, rate: float) -> str:
    """Say how far: 45 %, 1.2 of 2.7 million records, 80,000 records/s, about 20 s left."""
    if total <= 0:
        return ""
    share = f"{min(99, 100 * done // total)} %"
    if total >= _MILLION:
        records = f"{done / _MILLION:.1f} of {total / _MILLION:.1f} million records"
    else:
        records = f"{count(done)} of {counted(total, 'record')}"
    if rate <= 0:
        return f"{share}, {records}"
    return f"{share}, {records}, {figure(rate)} records/s, about {figure(max(1, round((total - done) / rate)))} s left"

"""What a stream's records came to: consumed, ignored, rejected by reason, delayed. Counters of this process only."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from daemon.codec import Decoded, Rejected
from daemon.codec.results import rejected_of
from daemon.dead_letters import LetterCounts
from daemon.metrics import EVENT_DELAY_BUCKETS
from daemon.source import Batch
from daemon.totals import SeriesTotals
from estimators.partitions import Absorbed

log = structlog.get_logger(__name__)

#: One line per stream and reason within this time; the counters have every record.
LOG_INTERVAL_SECONDS: Final = 60.0


class StreamAccount:
    """Counters of one stream, started at 0 for every reason that exists, so that none is missing."""

    def __init__(self, name: str, record_reasons: tuple[str, ...], pair_reasons: tuple[str, ...]) -> None:
        self.name = name
        self.totals = SeriesTotals()
        self.consumed = 0
        self.ignored = 0
        self.rejected: Counter[str] = Counter(dict.fromkeys(record_reasons, 0))
        self.pairs_rejected: Counter[str] = Counter(dict.fromkeys(pair_reasons, 0))
        self.overflow = 0
        self.delay_buckets = np.zeros(len(EVENT_DELAY_BUCKETS) + 1, np.int64)
        self.delay_sum_seconds = 0.0
        self.dead_letters = LetterCounts()
        self._logged: dict[str, float] = {}

    def count(self, batch: Batch, decoded: Decoded, absorbed: Absorbed | None, now: float) -> dict[str, Rejected]:
        """Add one batch and return its rejected records by reason.

        `now` is the wall clock in seconds; `absorbed` is None where no record reached a pair.
        """
        self.consumed += len(batch)
        self.ignored += decoded.ignored
        rejected = rejects_of(decoded, absorbed)
        for reason, reject in rejected.items():
            self._reject(batch, reason, reject, now)
        if absorbed is not None:
            self._count_absorbed(absorbed, now)
        return rejected

    def _count_absorbed(self, absorbed: Absorbed, now: float) -> None:
        self.pairs_rejected.update(absorbed.pairs_rejected)
        self.overflow += absorbed.overflow
        self.totals.add(absorbed.keys, absorbed.moments, now)
        # A producer's clock that is ahead gives no negative delay: a sum that falls is no counter.
        self._observe_delay(np.maximum(0.0, now - absorbed.event_us / 1e6))

    def cumulative_delay_buckets(self) -> tuple[int, ...]:
        """Return the counts at or below each bucket border, the last one being +Inf."""
        return tuple(int(count) for count in np.cumsum(self.delay_buckets))

    def _observe_delay(self, seconds: NDArray[np.float64]) -> None:
        indexes = np.searchsorted(EVENT_DELAY_BUCKETS, seconds)
        self.delay_buckets += np.bincount(indexes, minlength=len(self.delay_buckets))
        self.delay_sum_seconds += float(seconds.sum())

    def _reject(self, batch: Batch, reason: str, reject: Rejected, now: float) -> None:
        self.rejected[reason] += reject.count
        if now - self._logged.get(reason, -np.inf) >= LOG_INTERVAL_SECONDS:
            self._logged[reason] = now
            topic, number = batch.partition
            log.warning(
                "records rejected",
                stream=self.name,
                topic=topic,
                partition=number,
                offset=reject.offset,
                reason=reason,
                count=reject.count,
                detail=reject.detail,
            )


def rejects_of(decoded: Decoded, absorbed: Absorbed | None) -> dict[str, Rejected]:
    """Return what a batch's decoder and its partition's state rejected, by reason."""
    rejected = dict(decoded.rejected)
    for reason, refused in () if absorbed is None else absorbed.rejected.items():
        details = [f"{_DETAILS[reason]}: {', '.join(names)}" for names in refused.pair_reasons] or (
            [_DETAILS[reason]] * refused.count
        )
        found = list(zip(refused.offsets.tolist(), details, strict=True))
        if reason in rejected:
            found += zip(rejected[reason].offsets, rejected[reason].details, strict=True)
        rejected[reason] = rejected_of(found)
    return rejected


_DETAILS: Mapping[str, str] = {
    "future": "the event time is further ahead of the record's timestamp than max_skew: look at the producer's clock",
    "late": "the event time is older than what the longest window keeps: look for a slow producer",
    "empty": "no pair of the record was accepted, for these reasons",
}

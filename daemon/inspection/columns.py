"""A sample through the codec: the columns of its pairs, what became of every record, and ratios made of them."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from daemon.codec import Format, compile_decoder
from daemon.inspection.ratios import LOG_RATIO_LIMIT, Ratios
from daemon.source import Batch
from estimators.pairs import Floats, Ints, Pairs
from estimators.validation import WEIGHT_MAX, WEIGHT_MIN

#: Statistics of more pairs tell nothing more that a sample should tell.
PAIRS_MAX: Final = 2_000_000
_IRRATIONAL: Final = 0.7548776662466927  # so that different couples of logs have different sums
#: Reasons of records that are no document at all.
UNREADABLE: Final = frozenset({"tombstone", "syntax", "depth"})


@dataclass(frozen=True, slots=True)
class Read:
    """Records of a sample, decoded.

    Attributes
    ----------
    records, decoded : int
        All that were looked at, and those that gave pairs.
    rejected : dict of str to int
        Records by reason.
    pairs : Pairs or None
    timestamps : whether every message's record has a timestamp of its own
    seconds : time that decoding took
    """

    records: int
    decoded: int
    rejected: dict[str, int]
    pairs: Pairs | None
    timestamps: bool
    seconds: float

    @property
    def unreadable(self) -> int:
        """Records that are no document at all."""
        return sum(count for reason, count in self.rejected.items() if reason in UNREADABLE)


def read(batches: Iterable[Batch], fmt: Format, max_pairs: int = PAIRS_MAX) -> Read:
    """Decode batches until there are `max_pairs`; UsageError where the format contradicts itself."""
    decoder = compile_decoder(fmt)
    parts: list[Pairs] = []
    rejected: dict[str, int] = {}
    records = decoded = pairs = 0
    timestamps = True
    started = time.perf_counter()
    for batch in batches:
        found = decoder.decode(batch)
        records += len(batch)
        decoded += found.records
        timestamps = timestamps and bool((batch.timestamps_ms >= 0).all())
        for reason, each in found.rejected.items():
            rejected[reason] = rejected.get(reason, 0) + each.count
        if found.pairs is not None:
            parts.append(found.pairs)
            pairs += found.pairs.log_p.size
            if pairs >= max_pairs:
                break
    seconds = time.perf_counter() - started
    return Read(records, decoded, rejected, _joined(parts), timestamps, seconds)


def ratios_of(pairs: Pairs, usable: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Ratios | None:
    """Log ratios of the usable pairs, in the log's own unit; None where there are none."""
    kept = np.add.reduceat(usable, pairs.first_pair, dtype=np.int64)
    kept = kept[kept > 0]
    if not kept.size:
        return None
    log_p, log_q = pairs.log_p[usable], pairs.log_q[usable]
    weight = None if pairs.weight is None else pairs.weight[usable]
    d = np.clip(log_q - log_p, -LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    zero_p, zero_q = np.isneginf(log_p), np.isneginf(log_q)
    censored = bool(zero_p.any() and zero_q.any())  # no sampler has both: they are rounded to 0, and tell nothing
    if censored:
        d[zero_p | zero_q] = 0.0
    return Ratios(d, weight, np.cumsum(kept) - kept, log_q + _IRRATIONAL * log_p, censored)


def usable_pairs(
    pairs: Pairs, sentinel_below: float, positive_tolerance: float
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell which pairs say something of either side, whichever is the sampler; -inf is probability 0."""
    usable = ~(np.isneginf(pairs.log_p) & np.isneginf(pairs.log_q))
    for logs in (pairs.log_p, pairs.log_q):
        usable &= np.isneginf(logs) | ((logs > sentinel_below) & (logs <= positive_tolerance))
    if pairs.weight is not None:
        usable &= (pairs.weight >= WEIGHT_MIN) & (pairs.weight <= WEIGHT_MAX)
    return usable


def _joined(parts: list[Pairs]) -> Pairs | None:
    """Return all pairs as one; their offsets are of several partitions and mean nothing any more."""
    if not parts:
        return None
    sizes = np.cumsum([0, *(part.log_p.size for part in parts[:-1])])
    weighted = any(part.weight is not None for part in parts)
    return Pairs(
        log_p=_together([part.log_p for part in parts]),
        log_q=_together([part.log_q for part in parts]),
        weight=np.concatenate([np.ones(part.log_p.size) if part.weight is None else part.weight for part in parts])
        if weighted
        else None,
        first_pair=np.concatenate([part.first_pair + size for part, size in zip(parts, sizes, strict=True)]),
        keys=[key for part in parts for key in part.keys],
        offset=_whole([part.offset for part in parts]),
        event_time_us=_whole([part.event_time_us for part in parts]),
        append_time_us=_whole([part.append_time_us for part in parts]),
    )


def _together(parts: list[Floats]) -> Floats:
    return np.concatenate(parts)


def _whole(parts: list[Ints]) -> Ints:
    return np.concatenate(parts)

"""The partition clock: what time it is by the log alone, and which records come too late or from the future.

clock = max over the records so far of min(event time, append time + max_skew), accepted or not (DESIGN.md section 5).
No wall clock enters, so a replay of the same records judges them the same, wherever its batches begin.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimators.pairs import Ints
from estimators.spec import StreamSpec

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the clock made of a batch.

    Attributes
    ----------
    clock_us : int64 [messages], the clock after each message's own record
    end_us : the clock after the batch
    jumps : steps from one record to the next that are longer than the longest window
    future, late : bool [messages], or None where there is none
    """

    clock_us: Ints
    end_us: int
    jumps: int
    future: Mask | None
    late: Mask | None


def judge(event_us: Ints, append_us: Ints, clock_us: int | None, spec: StreamSpec) -> Judgement:
    """Move the clock over at least one message, in log order, and judge each by the clock after itself.

    Parameters
    ----------
    event_us, append_us : int64 [messages]
    clock_us : the clock before the batch; None before the first record of all
    """
    limit = append_us + spec.max_skew_us
    clock = np.maximum.accumulate(np.minimum(event_us, limit))
    before = int(clock[0]) if clock_us is None else clock_us
    np.maximum(clock, before, out=clock)
    end = int(clock[-1])
    longest = spec.longest_ring
    future = event_us > limit
    # The oldest time that is still held only grows: what the end of the batch still holds was never late.
    late = event_us < longest.oldest_by_us(clock) if int(event_us.min()) < longest.oldest_us(end) else None
    if late is not None:
        late &= ~future
    return Judgement(
        clock_us=clock,
        end_us=end,
        jumps=_jumps(clock, before, longest.length_us) if end - before > longest.length_us else 0,
        future=future if future.any() else None,
        late=late if late is not None and late.any() else None,
    )


def _jumps(clock: Ints, before: int, longer_than_us: int) -> int:
    return int(np.count_nonzero(np.diff(clock, prepend=before) > longer_than_us))

"""Columns of decoded messages: what a decoder hands over, and what every statistic starts from."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Stands for a logged null: finite, and below any sentinel threshold, so that validation counts it as `sentinel`.
NULL_LOG_PROB: Final = -1.7e308


@dataclass(frozen=True, slots=True)
class Pairs:
    """Messages of one partition as columns, in log order; every message has at least one pair.

    Attributes
    ----------
    log_p, log_q : float64 [pairs]
        Log-probabilities in the unit of the log (natural, or another `log_base`), not validated yet;
        -inf is probability 0, NULL_LOG_PROB a logged null.
    weight : float64 [pairs] or None
        None where every weight is 1.
    first_pair : int64 [messages]
        Strictly ascending from 0: message m owns the pairs first_pair[m] up to first_pair[m + 1].
    keys : list of tuples of str [messages]
        The values of the stream's series labels, in the stream's order.
    offset : int64 [messages]
        Offset of the record; messages of one record are neighbours and share it.
    event_time_us, append_time_us : int64 [messages]
        Microseconds since the epoch: of the event, and of the record's own Kafka timestamp.
    """

    log_p: Floats
    log_q: Floats
    weight: Floats | None
    first_pair: Ints
    keys: list[tuple[str, ...]]
    offset: Ints
    event_time_us: Ints
    append_time_us: Ints

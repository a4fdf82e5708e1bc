"""A message that the demo sent, with what it must add to the windows that hold it."""

from dataclasses import dataclass
from typing import Protocol

from daemon.demo.models import Truth

SeriesKey = tuple[str, tuple[str, ...]]  # stream, label values


@dataclass(frozen=True, slots=True)
class Message:
    """One record and its content.

    Attributes
    ----------
    value : the record
    series : where it belongs
    event_us : event time, microseconds since the epoch
    pairs : those that can be used; 0 for a record that is lost as a whole
    naive_sum, fixed_sum : over these pairs of -u and of (r - 1) - u, nats; u = log p/q, r = p/q
    truth : of the distributions that it was drawn from
    bad : by reason, what has to be rejected of it
    """

    value: bytes
    series: SeriesKey
    event_us: int
    pairs: int
    naive_sum: float
    fixed_sum: float
    truth: Truth
    bad: tuple[tuple[str, int], ...] = ()


class MessageSource(Protocol):
    """Makes the messages of one stream, one at a time."""

    rate: float  # records a second

    def next_message(self, event_us: int) -> Message | None:
        """Return the next message, at this event time; None while it is silent."""

"""A configured stream as the loop sees it: plain values, so that only the composition root reads configuration."""

from dataclasses import dataclass

from daemon.board import Threshold
from daemon.codec import Decoder
from estimators.spec import StreamSpec


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream: where it reads, how it decodes, what it keeps, how its estimates are judged."""

    name: str
    topic: str
    label_names: tuple[str, ...]
    decoder: Decoder
    spec: StreamSpec
    resolution: float
    min_messages: int
    keyed_by_series: bool = False
    thresholds: tuple[Threshold, ...] = ()
    stream_hash: str = ""  # of the settings that its state depends on

"""One dead letter: which record could not be used, where it is, and why; as JSON for people and programs."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from daemon.codec import Rejected
from daemon.source import Batch, Partition


@dataclass(slots=True)
class LetterCounts:
    """What became of a stream's dead letters in this process; neither number ever falls.

    Attributes
    ----------
    acknowledged : the brokers have them
    dropped : given up: refused, not acknowledged in time, or more than may wait
    """

    acknowledged: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Payload:
    """Key and value of the record itself, None where it has none."""

    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record of `partition` that `stream` cannot use.

    Attributes
    ----------
    timestamp_ms : of the record; negative where it has none
    reason : one of RECORD_REASONS
    detail : what is wrong and where, for people; it names fields, never their content
    payload : None unless it was asked for
    """

    stream: str
    partition: Partition
    offset: int
    timestamp_ms: int
    reason: str
    detail: str
    payload: Payload | None = None

    @property
    def key(self) -> bytes:
        """Name of the letter: one sent a second time has the same, so that a compacted topic keeps one."""
        topic, number = self.partition
        return f"{self.stream}/{topic}/{number}/{self.offset}".encode()

    def encoded(self, *, omitted: str = "") -> bytes:
        """Return the letter as one line of JSON; `omitted` says why the payload that was asked for is left out."""
        topic, number = self.partition
        content: dict[str, str | int | None] = {
            "stream": self.stream,
            "topic": topic,
            "partition": number,
            "offset": self.offset,
            "timestamp_ms": self.timestamp_ms if self.timestamp_ms >= 0 else None,
            "reason": self.reason,
            "detail": self.detail,
        }
        if omitted:
            content["payload_omitted"] = omitted
        elif self.payload is not None:
            content["key_base64"] = _base64(self.payload.key)
            content["value_base64"] = _base64(self.payload.value)
        return msgspec.json.encode(content)


def letters_of(stream: str, batch: Batch, rejected: Mapping[str, Rejected], *, payload: bool) -> Iterator[DeadLetter]:
    """Yield a letter for every rejected record of a batch, in the order of the log; a `payload` needs its keys."""
    found = sorted(
        (offset, reason, detail)
        for reason, each in rejected.items()
        for offset, detail in zip(each.offsets, each.details, strict=True)
    )
    rows = np.searchsorted(batch.offsets, [offset for offset, *_ in found]).tolist()
    for row, (offset, reason, detail) in zip(rows, found, strict=True):
        key = None if batch.keys is None else batch.keys[row]
        yield DeadLetter(
            stream=stream,
            partition=batch.partition,
            offset=offset,
            timestamp_ms=int(batch.timestamps_ms[row]),
            reason=reason,
            detail=detail,
            payload=Payload(key, batch.values[row]) if payload else None,
        )


def _base64(data: bytes | None) -> str | None:
    return None if data is None else b64encode(data).decode()

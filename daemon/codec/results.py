"""What decoding comes to: columns of pairs, and every record that did not get there, counted by its reason."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from estimators.pairs import Pairs

#: Reasons by which a whole record is rejected; DESIGN.md section 6 has the order of the checks. The decoder finds all
#: but `future` and `late`, which only the state of a partition can tell.
RECORD_REASONS: Final = (
    "tombstone",
    "size",
    "syntax",
    "depth",
    "schema",
    "length_mismatch",
    "token_mismatch",
    "timestamp",
    "future",
    "late",
    "label",
    "sampler_mismatch",
    "empty",
)


@dataclass(frozen=True, slots=True)
class Rejected:
    """Records of one batch that were rejected for one reason: at least one.

    Attributes
    ----------
    offsets : tuple of int
        Ascending, one per record.
    details : tuple of str
        What was wrong with each of them and where, for people; it names fields, never their content.
    """

    offsets: tuple[int, ...]
    details: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of records."""
        return len(self.offsets)

    @property
    def offset(self) -> int:
        """Offset of the first one."""
        return self.offsets[0]

    @property
    def detail(self) -> str:
        """What was wrong with the first one."""
        return self.details[0]


@dataclass(frozen=True, slots=True)
class Decoded:
    """One batch, decoded: every record is among `records`, `rejected` or `ignored`.

    Attributes
    ----------
    pairs : Pairs or None
        None where no record reached a pair.
    records : int
        Records that reached `pairs`.
    rejected : dict of str to Rejected
        By reason of RECORD_REASONS; only reasons that occurred.
    ignored : int
        Records that `where` did not select.
    without_time : int
        Records with neither a time field nor a record timestamp. Where the format requires a time they are rejected
        as `timestamp`; else they are in `pairs` with event time 0.
    """

    pairs: Pairs | None
    records: int = 0
    rejected: dict[str, Rejected] = field(default_factory=dict)
    ignored: int = 0
    without_time: int = 0


class RefusedError(Exception):
    """One record cannot be used: the reason that counts it, and a text for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Tally:
    """Counts of one batch while it is decoded; stages may report in any order of rows."""

    __slots__ = ("_refused", "ignored", "without_time")

    def __init__(self) -> None:
        self._refused: dict[str, list[tuple[int, str]]] = {}
        self.ignored = 0
        self.without_time = 0

    def reject(self, reason: str, offset: int, detail: str) -> None:
        """Note one record."""
        self._refused.setdefault(reason, []).append((offset, detail))

    def rejected(self) -> dict[str, Rejected]:
        """Return the rejected records by reason, each in the order of the log."""
        return {reason: rejected_of(refused) for reason, refused in self._refused.items()}


def rejected_of(refused: Iterable[tuple[int, str]]) -> Rejected:
    """Return records of one reason from their offsets and details, in any order; at least one."""
    offsets, details = zip(*sorted(refused), strict=True)
    return Rejected(offsets, details)

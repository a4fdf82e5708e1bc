"""What a verification comes to as a whole."""

from collections.abc import Sequence
from enum import Enum

from daemon.errors import EXIT_DEPENDENCY, EXIT_OK
from daemon.verification.verifying import CheckedPartition

EXIT_DIFFERENT = 1
EXIT_NOTHING = 4


class Outcome(Enum):
    """The first that holds, from the top."""

    DIFFERENT = ("different", EXIT_DIFFERENT)
    NO_SNAPSHOT = ("no_snapshot", EXIT_DEPENDENCY)  # of a partition that has records
    NOTHING = ("nothing_compared", EXIT_NOTHING)
    EQUAL = ("equal", EXIT_OK)

    def __init__(self, word: str, exit_code: int) -> None:
        self.word = word
        self.exit_code = exit_code


def outcome_of(checked: Sequence[CheckedPartition]) -> Outcome:
    """Return what all partitions together show."""
    if any(each.different for each in checked):
        return Outcome.DIFFERENT
    if any(each.snapshot is None and each.end > each.beginning for each in checked):
        return Outcome.NO_SNAPSHOT
    return Outcome.EQUAL if any(each.panes for each in checked) else Outcome.NOTHING

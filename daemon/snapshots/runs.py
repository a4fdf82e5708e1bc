"""Runs of panes: which of a ring's panes lie in one section, and which sections have changed."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from daemon.snapshots.values import SectionId
from estimators.moments import COUNTS, SUMS
from estimators.rings import Ring

#: What a run may hold: small states make few chunks, in large ones a pane that changes costs no other.
RUN_BYTES: Final = 256 << 10
RUN_PANES_MAX: Final = 8
ROW_BYTES: Final = 4 + 8 * (len(SUMS) + len(COUNTS) + 1)  # slot, sums, counts, max_u


class Run(NamedTuple):
    """A run as it was at one moment.

    Attributes
    ----------
    revisions : of the panes that the ring held, by pane
    is_empty : there was nothing in them, and no section was written
    """

    revisions: Mapping[int, int]
    is_empty: bool


def run_panes(capacity: int) -> int:
    """Return the length of the runs of a ring: 1 to RUN_PANES_MAX panes."""
    return min(max(RUN_BYTES // (capacity * ROW_BYTES), 1), RUN_PANES_MAX)


def runs_of(ring: Ring, index: int) -> Iterator[tuple[SectionId, dict[int, int]]]:
    """Yield the aligned runs that cover what a ring holds, with the revisions of the panes that it holds.

    Parameters
    ----------
    index : of the ring in the spec
    """
    if ring.newest is None:
        return
    oldest, panes = ring.newest - ring.size + 1, run_panes(ring.capacity)
    revisions = ring.revisions.tolist()
    for first in range(oldest - oldest % panes, ring.newest + 1, panes):
        held = range(max(first, oldest), min(first + panes - 1, ring.newest) + 1)
        yield SectionId("panes", index, first, panes), {pane: revisions[pane % ring.size] for pane in held}


def is_as_before(revisions: Mapping[int, int], before: Run | None) -> bool:
    """Whether each pane that is held now was there before, as it is; others of the run may have expired since."""
    return before is not None and revisions.items() <= before.revisions.items()

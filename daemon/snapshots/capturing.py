"""From a state to the sections that have changed, and from all sections to the state that goes on as that one did."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from daemon.snapshots.damage import DamagedSnapshotError
from daemon.snapshots.panes_section import decode_panes, encode_panes
from daemon.snapshots.parsing import TIMES_END_US
from daemon.snapshots.runs import Run, is_as_before, runs_of
from daemon.snapshots.series_section import decode_keys, decode_times, encode_keys, encode_times
from daemon.snapshots.values import SectionId, StateHead, StateImage
from estimators.admission import SeriesTable, table_of
from estimators.moments import Moments
from estimators.partitions import START_OF_TIME_US, PartitionState
from estimators.rings import Ring
from estimators.spec import StreamSpec

KEYS: Final = SectionId("keys")
TIMES: Final = SectionId("times")


@dataclass(frozen=True, slots=True)
class Revisions:
    """What a state was like when it was captured or restored: the base of the next capture. Only in this process.

    Attributes
    ----------
    table : of the state; of another one nothing here is true
    keys : the table's revision
    """

    table: SeriesTable
    keys: int
    runs: Mapping[SectionId, Run]


def capture(
    state: PartitionState, spec: StreamSpec, stream_hash: str, base: Revisions | None
) -> tuple[StateImage, Revisions]:
    """Return a state with copies of what changed since `base`; None: of everything.

    The revisions become the base of the next capture once the image is saved; until then the base stays, so that
    nothing is left out. Costs a copy of what changed, and a look at each pane.
    """
    table = state.series
    if base is not None and base.table is not table:
        base = None
    sections: dict[SectionId, bytes | None] = {
        KEYS: None if base is not None and base.keys == table.revision else encode_keys(table),
        TIMES: encode_times(table),
    }
    runs: dict[SectionId, Run] = {}
    for index in range(len(spec.rings)):
        ring = state.rings[index]
        for section, revisions in runs_of(ring, index):
            before = None if base is None else base.runs.get(section)
            if before is not None and is_as_before(revisions, before):
                is_empty, content = before.is_empty, None
            else:
                content = encode_panes(ring, section, revisions)
                is_empty = content is None
            runs[section] = Run(revisions, is_empty)
            if not is_empty:
                sections[section] = content
    head = StateHead(
        clock_us=state.clock_us,
        clock_jumps=state.clock_jumps,
        complete_from_us=state.complete_from_us,
        overflow_clock_us=state.overflow_clock_us,
        newest=tuple(ring.newest for ring in state.rings),
        slots=len(table.keys),
    )
    return StateImage(stream_hash, head, sections), Revisions(table, table.revision, runs)


def state_of(image: StateImage, spec: StreamSpec, partition: int) -> tuple[PartitionState, Revisions]:
    """Return the state that a whole image holds, and the base of its next capture.

    Raises DamagedSnapshotError, also where the image is of another spec; memory is that of the state and its bytes.
    """
    head = image.head
    _check_head(head, spec)
    table = _table(image, spec)
    rings = [
        Ring(Moments.zero(ring.size, table.capacity), newest)
        for ring, newest in zip(spec.rings, head.newest, strict=True)
    ]
    _fill(rings, image, table)
    state = PartitionState(
        partition=partition,
        series=table,
        rings=rings,
        clock_us=head.clock_us,
        clock_jumps=head.clock_jumps,
        complete_from_us=head.complete_from_us,
        overflow_clock_us=head.overflow_clock_us,
    )
    runs = {
        section: Run(revisions, is_empty=False)
        for index, ring in enumerate(rings)
        for section, revisions in runs_of(ring, index)
        if section in image.sections
    }
    return state, Revisions(table, table.revision, runs)


def _check_head(head: StateHead, spec: StreamSpec) -> None:
    """Require what every state holds to."""
    if len(head.newest) != len(spec.rings):
        raise DamagedSnapshotError(f"the snapshot has {len(head.newest)} windows, and the stream {len(spec.rings)}")
    clock_us = head.clock_us
    times = (head.complete_from_us, clock_us, head.overflow_clock_us)
    if not all(START_OF_TIME_US <= time_us < TIMES_END_US for time_us in times if time_us is not None):
        raise DamagedSnapshotError("the snapshot has a time beyond the end of time")
    if head.overflow_clock_us is not None and (clock_us is None or head.overflow_clock_us > clock_us):
        raise DamagedSnapshotError("the snapshot has a clock that went back")
    newest = tuple(None if clock_us is None else ring.pane_of(clock_us) for ring in spec.rings)
    if head.newest != newest or head.clock_jumps < 0:
        raise DamagedSnapshotError("the snapshot's newest panes are not those of its clock")


def _table(image: StateImage, spec: StreamSpec) -> SeriesTable:
    keys = decode_keys(_section(image, KEYS), spec.max_series)
    first_us, last_us = decode_times(_section(image, TIMES), len(keys.slots))
    if len(keys.slots) + len(keys.free) != image.head.slots:
        raise DamagedSnapshotError("the snapshot's series are not those that its head tells")
    if keys.slots:
        clock_us = image.head.clock_us
        if clock_us is None or first_us.min() < START_OF_TIME_US or last_us.max() > clock_us:
            raise DamagedSnapshotError("the snapshot has a series with times that cannot be")
        if last_us.min() < spec.longest_ring.oldest_us(clock_us):
            raise DamagedSnapshotError("the snapshot has a series that has expired")
    return table_of(keys.slots, keys.free, (first_us, last_us), keys.capacity)


def _fill(rings: list[Ring], image: StateImage, table: SeriesTable) -> None:
    """Fill the rings from the sections of panes; no pane lies in two of them."""
    is_live = np.zeros(table.capacity, np.bool_)
    is_live[list(table.slots.values())] = True
    ends: dict[int, int] = {}
    for section in sorted(section for section in image.sections if section.kind == "panes"):
        ring, first, panes = section.ring, section.first_pane, section.panes
        if ring >= len(rings) or rings[ring].newest is None:
            raise DamagedSnapshotError(f"the snapshot has panes of window {ring}, which has none")
        if panes < 1 or first % panes or first < ends.get(ring, first):
            raise DamagedSnapshotError(f"the snapshot's panes of window {ring} overlap or do not line up")
        ends[ring] = first + panes
        decode_panes(_section(image, section), section, rings[ring], is_live)


def _section(image: StateImage, section: SectionId) -> bytes:
    content = image.sections.get(section)
    if content is None:
        raise DamagedSnapshotError(f"the snapshot lacks its section {section.kind}")
    return content

"""A state to an image of what changed in it, and an image back to a state that goes on as if nothing had happened."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from daemon.snapshots.damage import DamagedSnapshotError
from daemon.snapshots.panes import decode_panes, encode_panes, retained, runs
from daemon.snapshots.series_sections import decode_keys, decode_times, encode_keys, encode_times
from daemon.snapshots.values import SectionId, StateHead, StateImage
from estimators.admission import Key, SeriesTable, capacity_for, table_of
from estimators.moments import Moments
from estimators.partitions import PartitionState
from estimators.rings import Ring
from estimators.spec import StreamSpec

_KEYS = SectionId("keys")
_TIMES = SectionId("times")


class Revision(NamedTuple):
    """Which content of a section was captured.

    Attributes
    ----------
    parts : of a run of panes the revision of each retained pane, else one number
    holds : whether there was anything to write
    """

    parts: Mapping[int, int]
    holds: bool


#: Of one state object; of another one, even with the same content, they mean nothing.
Revisions = Mapping[SectionId, Revision]


def capture(
    state: PartitionState, spec: StreamSpec, stream_hash: str, base: Revisions | None
) -> tuple[StateImage, Revisions]:
    """Copy what changed since `base` (all of it where there is none); the state may go on at once.

    A section that only lost panes, because they expired, has not changed.
    """
    sections: dict[SectionId, bytes | None] = {}
    revisions: dict[SectionId, Revision] = {}
    for section, parts in _parts(state):
        before = None if base is None else base.get(section)
        if before is not None and section != _TIMES and all(before.parts.get(at) == now for at, now in parts.items()):
            revisions[section] = before
            if before.holds:
                sections[section] = None
            continue
        content = _encode(state, section)
        revisions[section] = Revision(parts, holds=bool(content) or section.kind != "panes")
        if revisions[section].holds:
            sections[section] = content
    if len(state.rings) != len(spec.rings):
        raise AssertionError("the state has other rings than its spec")
    return StateImage(stream_hash, _head(state), sections), revisions


def state_of(image: StateImage, spec: StreamSpec, partition: int) -> tuple[PartitionState, Revisions]:
    """Return the state that an image holds; DamagedSnapshotError where the image cannot be one of this spec."""
    head = image.head
    _check(head, spec)
    table, order = _table(image)
    rings = [
        Ring(Moments.zero(geometry.size, table.capacity), newest)
        for geometry, newest in zip(spec.rings, head.newest, strict=True)
    ]
    for section, content in image.sections.items():
        if section.kind == "panes":
            _fill(rings, section, content or b"", order)
    state = PartitionState(
        partition, table, rings, head.clock_us, head.clock_jumps, head.complete_from_us, head.overflow_clock_us
    )
    held = image.sections.keys()
    revisions = {section: Revision(parts, section in held) for section, parts in _parts(state)}
    return state, revisions


def _parts(state: PartitionState) -> Iterator[tuple[SectionId, Mapping[int, int]]]:
    yield _KEYS, {0: state.series.revision}
    yield _TIMES, {0: 0}
    for index, ring in enumerate(state.rings):
        for section in runs(ring, index):
            yield section, {pane: int(ring.revisions[pane % ring.size]) for pane in retained(ring, section)}


def _encode(state: PartitionState, section: SectionId) -> bytes:
    match section.kind:
        case "keys":
            return encode_keys(state.series)
        case "times":
            return encode_times(state.series)
        case "panes":
            return encode_panes(state.rings[section.ring], section)


def _head(state: PartitionState) -> StateHead:
    newest = tuple(ring.newest for ring in state.rings)
    return StateHead(
        state.clock_us, state.clock_jumps, state.complete_from_us, state.overflow_clock_us, newest,
        len(state.series.keys),
    )  # fmt: skip


def _check(head: StateHead, spec: StreamSpec) -> None:
    if head.clock_us is not None and not abs(head.clock_us) < 2**62:
        raise DamagedSnapshotError(f"its clock shows {head.clock_us} us")
    newest = tuple(None if head.clock_us is None else ring.pane_of(head.clock_us) for ring in spec.rings)
    if head.newest != newest:
        raise DamagedSnapshotError(f"its newest panes are {head.newest}, but its clock says {newest}")
    if not 0 <= head.slots <= spec.max_series + 1:
        raise DamagedSnapshotError(f"it has {head.slots} slots, but at most {spec.max_series} series are admitted")


def _table(image: StateImage) -> tuple[SeriesTable, list[Key | None]]:
    slots = image.head.slots
    contents = [image.sections.get(section) for section in (_KEYS, _TIMES)]
    if contents[0] is None or contents[1] is None:
        raise DamagedSnapshotError("it has no table of series")
    keys = decode_keys(contents[0], slots)
    first_us, last_us = decode_times(contents[1], slots)
    live = np.flatnonzero([key is not None for key in keys])
    if not (first_us[live] <= last_us[live]).all():
        raise DamagedSnapshotError("a series ended before it began")
    held = {key: slot for slot, key in enumerate(keys) if key is not None}
    free = [slot for slot, key in enumerate(keys) if key is None]
    return table_of(held, free, (first_us[live], last_us[live]), capacity_for(slots)), keys


def _fill(rings: list[Ring], section: SectionId, content: bytes, keys: list[Key | None]) -> None:
    if section.ring >= len(rings) or not 0 < section.panes <= len(content):
        raise DamagedSnapshotError(f"{section} belongs to no ring")
    ring = rings[section.ring]
    held = retained(ring, section)
    for rows in decode_panes(content, section):
        if rows.pane not in held:
            continue  # it has expired since the run was written
        if len(rows.slots) and (rows.slots[-1] >= len(keys) or any(keys[slot] is None for slot in rows.slots.tolist())):
            raise DamagedSnapshotError(f"pane {rows.pane} holds a series that is not in the table")
        row = rows.pane % ring.size
        ring.moments.sums[row, rows.slots] = rows.moments.sums
        ring.moments.counts[row, rows.slots] = rows.moments.counts
        ring.moments.max_u[row, rows.slots] = rows.moments.max_u

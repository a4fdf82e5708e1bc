"""After a save: what it left behind, and what writers left that are dead, goes. Where it fails, the next save tries."""

from typing import Final

import structlog

from daemon.failpoints import hit
from daemon.snapshots.choosing import Found, find
from daemon.snapshots.chunk_writing import Target
from daemon.snapshots.collecting import dead_writers, marks_of, slots_left
from daemon.snapshots.medium import EntriesGoneError, MediumError
from daemon.snapshots.names import chunk_name, manifest_of
from daemon.snapshots.slots import deleted, surplus
from daemon.snapshots.tenure import Tenure

log = structlog.get_logger(__name__)

#: Tries between two looks for dead writers: where there are other writers, and where there were none.
LOOK_AFTER: Final = 4
LOOK_SELDOM: Final = 64
#: Free slots that keep their old content, besides twice as many as the save has written: they are overwritten soon.
SPARED_SLOTS: Final = 8


def clean(target: Target, tenure: Tenure, chunks: int) -> None:
    """Delete what nobody needs, after a save that wrote so many chunks."""
    try:
        hit("store.before_collect")
        _delete_surplus(target, tenure, chunks)
        if _is_due(tenure):
            _bury_the_dead(target, tenure)
        hit("store.after_collect")
    except EntriesGoneError:
        raise
    except (MediumError, OSError) as error:
        log.warning(
            "what old snapshots left could not be deleted",
            reason=str(error),
            hint="The next save tries to delete it again.",
        )


def _delete_surplus(target: Target, tenure: Tenure, chunks: int) -> None:
    gone = surplus(tenure.slots, 2 * chunks + SPARED_SLOTS)
    if gone:
        names = [chunk_name(target.group, target.partition, tenure.writer, slot) for slot in sorted(gone)]
        target.medium.delete(target.partition, names, ())
        tenure.slots = deleted(tenure.slots, gone)


def _is_due(tenure: Tenure) -> bool:
    if tenure.looked_at is None:
        return True
    alone = tenure.marks.keys() <= {tenure.writer}
    return tenure.tries - tenure.looked_at >= (LOOK_SELDOM if alone else LOOK_AFTER)


def _bury_the_dead(target: Target, tenure: Tenure) -> None:
    """Look at all manifests; chunks go first, so that a crash leaves the manifests that tell of them."""
    entries = target.medium.manifests([target.partition]).get(target.partition, ())
    found = find(entries, target.group, target.partition, target.limits.parts)
    dead = dead_writers(found, tenure.marks, tenure.writer, tenure.kept)
    for writer in sorted(dead):
        chunks = [chunk_name(target.group, target.partition, writer, slot) for slot in slots_left(writer, found)]
        target.medium.delete(target.partition, chunks, ())
    target.medium.delete(target.partition, (), [name for name, writer in _writers(found) if writer in dead])
    marks = marks_of(found.entries)
    tenure.marks = {writer: mark for writer, mark in marks.items() if writer not in dead}
    tenure.looked_at = tenure.tries


def _writers(found: Found) -> list[tuple[str, str]]:
    names = ((entry.name, manifest_of(entry.name)) for entry in found.entries)
    return [(name, parsed.writer) for name, parsed in names if parsed is not None]

"""Which writers are dead and needed by nobody, so that everything they left may be deleted.

A writer is taken for dead where its manifests are as they were some saves of ours ago: a living owner would have saved
too. Should it live after all, what it loses is time: its own store notices, and writes everything again.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Final

from daemon.snapshots.choosing import Candidate, Found, refs_of
from daemon.snapshots.manifests import Manifest
from daemon.snapshots.medium import Entry
from daemon.snapshots.names import manifest_of

#: Slots beyond twice the highest that a manifest tells: of a last try that nothing tells of.
SLOTS_MARGIN: Final = 64
#: Slots of a writer none of whose manifests can be read.
SLOTS_UNKNOWN: Final = 1024
#: Slots of a writer that are ever deleted, whatever a manifest says.
SLOTS_MAX: Final = 1 << 16

Marks = Mapping[str, bytes]


def marks_of(entries: Iterable[Entry]) -> Marks:
    """Return by writer a digest of all its manifests, which tells whether it has written since."""
    by_writer: dict[str, list[Entry]] = {}
    for entry in entries:
        name = manifest_of(entry.name)
        if name is not None:
            by_writer.setdefault(name.writer, []).append(entry)
    return {writer: _digest(its) for writer, its in by_writer.items()}


def dead_writers(found: Found, before: Marks, own: str, kept: Sequence[Manifest]) -> frozenset[str]:
    """Return the writers whose manifests and chunks may go.

    Parameters
    ----------
    found : the manifests of the partition as they are now
    before : as they were some saves ago
    own : the writer that asks
    kept : its acknowledged manifests, the newest first; at least one
    """
    ours = kept[0]
    now = marks_of(found.entries)
    quiet = {writer for writer, mark in now.items() if writer != own and before.get(writer) == mark}
    quiet -= {candidate.name.writer for candidate in found.candidates if not _is_passed(candidate, ours)}
    while True:
        needed = {ref.writer for manifest in kept for ref in refs_of(manifest)}
        for candidate in found.candidates:
            if candidate.name.writer not in quiet:
                needed |= {ref.writer for ref in refs_of(candidate.manifest)} | {candidate.name.writer}
        if not quiet & needed:
            return frozenset(quiet)
        quiet -= needed


def slots_left(writer: str, found: Found) -> range:
    """Return the slots that a dead writer may have filled."""
    highest = [c.manifest.highest_slot for c in found.candidates if c.name.writer == writer]
    return range(min(2 * (max(highest) + 1) + SLOTS_MARGIN, SLOTS_MAX) if highest else SLOTS_UNKNOWN)


def _is_passed(candidate: Candidate, ours: Manifest) -> bool:
    """Tell whether a manifest is of no use beside ours: not newer, or of a topic that is no more."""
    theirs = candidate.manifest.snapshot
    other_topic = bool(theirs.topic_id and ours.snapshot.topic_id) and theirs.topic_id != ours.snapshot.topic_id
    return other_topic or theirs.next_offset <= ours.snapshot.next_offset


def _digest(entries: Iterable[Entry]) -> bytes:
    digest = blake2b(digest_size=16)
    for entry in sorted(entries, key=lambda entry: entry.name):
        digest.update(blake2b(entry.name.encode()).digest() + blake2b(entry.value).digest())
    return digest.digest()

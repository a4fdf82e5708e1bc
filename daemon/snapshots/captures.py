"""From owned partitions to saved snapshots: what is captured, what waits for the group's offset, what has been saved.

At most one capture of a partition is on its way. It waits until the group has stored its offset or a later one: the
records in between would be in no counter of the next owner, and their dead letters nowhere. Used by the loop's thread.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from daemon.board import SnapshotBoard
from daemon.failpoints import hit
from daemon.ownership import OwnedPartition
from daemon.snapshots.capturing import Revisions, capture
from daemon.snapshots.keeper import Keeper, Saved
from daemon.snapshots.values import Snapshot, StateImage
from daemon.source import Partition
from daemon.streams import Stream

log = structlog.get_logger(__name__)

#: Captured and not yet saved, beyond which nothing more is captured; a partition's first snapshot may be 50 MB.
HELD_BYTES_MAX: Final = 64 << 20

#: Partitions, writers and slots: two failures that differ only in them have one cause.
_NUMBERS: Final = re.compile("[0-9a-f]{16}|[0-9]+")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the source knows of a partition at the moment of a capture."""

    topic_id: str
    leader_epoch: int
    now_us: int


@dataclass(frozen=True, slots=True)
class _Capture:
    snapshot: Snapshot
    base: Mapping[str, Revisions]  # by stream hash: what has not changed since then is left out
    revisions: Mapping[str, Revisions]  # by stream hash: the base of the next one, once this one is saved
    held_bytes: int


@dataclass(slots=True)
class _Progress:
    """How far a partition's snapshots have come.

    Attributes
    ----------
    bases : revisions of what the store has, by stream hash; empty where the next snapshot must be whole
    saved_offset, saved_us : of the newest snapshot that is durable; while there is none, the time of the start
    on_its_way : captured, and waiting or handed over
    ticket : of the one handed over
    failure : why the last save failed, as it was told; empty where it did not
    """

    bases: Mapping[str, Revisions]
    saved_us: int
    saved_offset: int | None = None
    written_bytes: int | None = None
    retained_bytes: int | None = None
    on_its_way: _Capture | None = None
    ticket: int | None = None
    failure: str = ""


class Captures:
    """One for the process; without a keeper it does nothing."""

    def __init__(self, keeper: Keeper | None) -> None:
        self.failures = 0
        self._keeper = keeper
        self._progress: dict[Partition, _Progress] = {}
        self._stored: dict[Partition, int] = {}  # the group's offsets, as far as known
        self._held_bytes = 0  # of what is on its way

    def begin(
        self,
        owned: OwnedPartition,
        now_us: int,
        stored: int | None,
        bases: Mapping[str, Revisions],
        taken_us: int | None,
    ) -> None:
        """Follow a partition from its start on; the bases and the time are of the snapshot that it started from."""
        progress = _Progress(bases=bases, saved_us=now_us if taken_us is None else taken_us)
        if taken_us is not None:
            progress.saved_offset = owned.position
        self._progress[owned.partition] = progress
        if stored is not None:
            self._stored[owned.partition] = stored

    def drop(self, partitions: Iterable[Partition]) -> None:
        """Let go of partitions, and of what was captured of them."""
        for partition in partitions:
            if (progress := self._progress.pop(partition, None)) is not None:
                self._release(progress)
            self._stored.pop(partition, None)
            if self._keeper is not None:
                self._keeper.forget(partition)

    def has_room(self) -> bool:
        """Whether one more partition may be captured before others are saved."""
        return self._held_bytes < HELD_BYTES_MAX

    def take(self, owned: OwnedPartition, streams: Sequence[Stream], seen: Seen) -> None:
        """Capture a partition that has moved since its last snapshot, unless one is on its way."""
        progress = self._progress.get(owned.partition)
        if self._keeper is None or progress is None or progress.on_its_way is not None:
            return
        if progress.saved_offset == owned.position:
            progress.saved_us = seen.now_us  # it holds all that has been read until now
            return
        progress.on_its_way = _captured(owned, streams, progress.bases, seen)
        self._held_bytes += progress.on_its_way.held_bytes
        hit("snapshot.captured")
        self._hand_over(owned.partition, progress)

    def store(self, offsets: Mapping[Partition, int]) -> None:
        """Note that the group has stored these offsets, and hand over the captures that waited for them."""
        for partition, offset in offsets.items():
            self._stored[partition] = max(offset, self._stored.get(partition, offset))
            if (progress := self._progress.get(partition)) is not None:
                self._hand_over(partition, progress)

    def settle(self, saved: Saved) -> None:
        """Take the outcome of a save."""
        if saved.gone:
            self.forget_bases()
        progress = self._progress.get(saved.partition)
        if progress is None or progress.ticket != saved.ticket or progress.on_its_way is None:
            return
        done = progress.on_its_way
        self._release(progress)
        if saved.receipt is None:
            self.failures += 1
            self._tell_failure(progress, saved)
            return
        self._tell_success(progress)
        if progress.bases is not done.base:  # what this one left out may be gone, as another one has found meanwhile
            return
        progress.bases = done.revisions
        progress.saved_offset, progress.saved_us = done.snapshot.next_offset, done.snapshot.taken_us
        progress.written_bytes, progress.retained_bytes = saved.receipt.written_bytes, saved.receipt.retained_bytes

    def forget_bases(self) -> None:
        """Make the next snapshot of every partition whole, and due: what the medium held may be gone."""
        for progress in self._progress.values():
            progress.bases, progress.saved_offset = {}, None
            if progress.ticket is None:
                self._release(progress)  # it leaves out what may be gone

    def give_up(self, partition: Partition) -> None:
        """Drop what waits for the group's offset."""
        progress = self._progress.get(partition)
        if progress is not None and progress.ticket is None:
            self._release(progress)

    def handed_over(self, partition: Partition | None = None) -> bool:
        """Whether a save is being waited for, of a partition or of any."""
        partitions = self._progress if partition is None else [partition]
        return any(part in self._progress and self._progress[part].ticket is not None for part in partitions)

    def boards(self) -> Iterator[SnapshotBoard]:
        """Show how far each partition's snapshots have come."""
        for partition, progress in sorted(self._progress.items(), key=lambda item: item[0]):
            if self._keeper is not None:
                yield SnapshotBoard(partition, progress.saved_us / 1e6, progress.written_bytes, progress.retained_bytes)

    def _hand_over(self, partition: Partition, progress: _Progress) -> None:
        waiting, stored = progress.on_its_way, self._stored.get(partition)
        if self._keeper is None or waiting is None or progress.ticket is not None or stored is None:
            return
        if waiting.snapshot.next_offset <= stored:
            progress.ticket = self._keeper.save(waiting.snapshot)

    def _release(self, progress: _Progress) -> None:
        if progress.on_its_way is not None:
            self._held_bytes -= progress.on_its_way.held_bytes
        progress.on_its_way = progress.ticket = None

    def _tell_failure(self, progress: _Progress, saved: Saved) -> None:
        """Log why, once for all partitions that it keeps from being saved, until it is over for all of them."""
        cause = _NUMBERS.sub("#", saved.failure)
        if all(each.failure != cause for each in self._progress.values()):
            log.error(
                "a snapshot was not saved; windows are right, but a restart reads more of the log",
                topic=saved.partition.topic, partition=saved.partition.number, reason=saved.failure,
            )  # fmt: skip
        progress.failure = cause

    def _tell_success(self, progress: _Progress) -> None:
        """Log that a failure is over, where it is over for all partitions."""
        had_failed, progress.failure = progress.failure, ""
        if had_failed and not any(each.failure for each in self._progress.values()):
            log.info("snapshots are saved again")


def _captured(owned: OwnedPartition, streams: Sequence[Stream], bases: Mapping[str, Revisions], seen: Seen) -> _Capture:
    """Copy what has changed. Streams of one hash have equal states, so one of them is kept."""
    images: dict[str, StateImage] = {}
    revisions: dict[str, Revisions] = {}
    for stream in {stream.stream_hash: stream for stream in streams}.values():
        state = owned.states[stream.name]
        key = stream.stream_hash
        images[key], revisions[key] = capture(state, stream.spec, key, bases.get(key))
    snapshot = Snapshot(
        partition=owned.partition,
        topic_id=seen.topic_id,
        next_offset=owned.position,
        leader_epoch=seen.leader_epoch,
        missing_before_us=owned.missing_before_us,
        skipped_offsets=owned.skipped_offsets,
        began_us=owned.began_us,
        taken_us=seen.now_us,
        images=tuple(images.values()),
    )
    copied = (content for image in images.values() for content in image.sections.values() if content is not None)
    return _Capture(snapshot, bases, revisions, sum(map(len, copied)))

"""The Source on a log in memory: the same promises as the one on Kafka, without brokers, threads or waiting.

It never sleeps: `poll` returns at once whatever its timeout. Both sources are held to one contract suite.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from daemon.clock import Clock
from daemon.memory_log import MemoryLog, Record, Track
from daemon.source import (
    COMMIT_SECONDS,
    Assigned,
    Batch,
    Gap,
    Partition,
    Polled,
    Rebalance,
    Recreated,
    Revoked,
    SourceHealth,
    SourceUnavailableError,
)


class MemorySource:
    """See the Source protocol. A member of group `group_id` of the log from its first poll on."""

    def __init__(
        self,
        log: MemoryLog,
        group_id: str,
        topics: Sequence[str],
        enqueue: Callable[[Rebalance], None],
        clock: Clock,
        *,
        max_poll_records: int = 2000,
        want_headers: bool = False,
        session_timeout_s: float = 45.0,
    ) -> None:
        self.topics = tuple(topics)
        self._log = log
        self._group_id = group_id
        self._group = log.group(group_id)
        self._enqueue = enqueue
        self._clock = clock
        self._max_poll_records = max_poll_records
        self._want_headers = want_headers
        self._session_timeout_s = session_timeout_s
        self._positions: dict[Partition, int] = {}  # of what is owned
        self._paused: set[Partition] = set()
        self._ends: dict[Partition, int] = {}  # as last told
        self._topic_ids: dict[Partition, int] = {}
        self._epochs: dict[Partition, int] = {}  # of the last record before the position
        self._answered: dict[Partition, float] = {}  # monotonic seconds
        self._staged: dict[Partition, int] = {}
        now = clock.monotonic()
        self._health = SourceHealth(reason="not polled yet", unreachable_since=now, last_progress=now)

    def poll(self, timeout_s: float) -> Polled:  # noqa: ARG002 - nothing to wait for
        """Follow the group's plan, then hand over what the resumed partitions have."""
        now = self._clock.monotonic()
        if not self._log.answering:
            since = now if self._health.unreachable_since is None else self._health.unreachable_since
            self._health = replace(
                self._health, reachable=False, reason="the log does not answer", unreachable_since=since
            )
            return Polled()
        self._health = SourceHealth(joined=True, reachable=True, last_progress=now)
        self._follow_plan()
        batches: list[Batch] = []
        gaps: list[Gap] = []
        recreated: list[Recreated] = []
        room = self._max_poll_records
        for partition in sorted(self._positions.keys() - self._paused):
            track = self._log.track(partition)
            if (void := self._void(partition, track)) is not None:
                recreated.append(void)
                continue
            if not track.led:
                continue
            self._answered[partition] = now
            gaps += self._skip_unreadable(partition, track)
            records = self._readable(partition, track, room)
            room -= len(records)
            self._ends[partition] = track.end
            if records:
                self._epochs[partition] = records[-1].epoch
                batches.append(self._batch(partition, records))
        return Polled(tuple(batches), tuple(gaps), tuple(recreated))

    def committed(self, partitions: Sequence[Partition]) -> Mapping[Partition, int | None]:
        """Return the group's stored offsets; None where it has none."""
        self._require_answers()
        return {partition: self._group.committed.get(partition) for partition in partitions}

    def resume_at(self, partition: Partition, offset: int, leader_epoch: int = -1) -> bool:
        """Seek to `offset` and let `poll` deliver. False if the partition is no longer ours."""
        if partition not in self._positions:
            return False
        self._positions[partition] = offset
        self._epochs[partition] = leader_epoch
        self._answered[partition] = self._clock.monotonic()
        self._paused.discard(partition)
        return True

    def hold(self, partition: Partition) -> None:
        """Deliver nothing of an owned partition until `release`."""
        if partition in self._positions:
            self._paused.add(partition)

    def release(self, partition: Partition) -> None:
        """Deliver again what was held."""
        self._paused.discard(partition)

    def topic_id(self, topic: str) -> str:
        """Id of the topic that `poll` reads; empty where nothing of it is owned."""
        return next((str(found) for part, found in self._topic_ids.items() if part.topic == topic), "")

    def leader_epoch(self, partition: Partition) -> int:
        """Leader epoch of the last record before the position; -1 where it is not known."""
        return self._epochs.get(partition, -1)

    def answered(self, partition: Partition) -> float | None:
        """Monotonic seconds of the last poll at which the partition had a leader; None if it is not ours."""
        return self._answered.get(partition)

    def position(self, partition: Partition) -> int | None:
        """Offset that is delivered next; moves past control records too."""
        return self._positions.get(partition)

    def forget_committed(self, partition: Partition) -> None:
        """Take the group's stored offset for void, so that a commit may go below it."""
        self._group.committed.pop(partition, None)

    def high_watermark(self, partition: Partition) -> int | None:
        """End of the log as last told; None before the first answer."""
        return self._ends.get(partition) if partition in self._positions else None

    def beginning_offset(self, partition: Partition) -> int:
        """First offset that still exists."""
        self._require_answers()
        return self._log.track(partition).begin

    def end_offset(self, partition: Partition) -> int:
        """Offset after the last record."""
        self._require_answers()
        self._ends[partition] = self._log.track(partition).end
        return self._ends[partition]

    def offset_for_time(self, partition: Partition, timestamp_ms: int) -> int | None:
        """First offset whose record's timestamp is at or after the given one; None beyond the end."""
        self._require_answers()
        records = self._log.track(partition).records
        return next((record.offset for record in records if record.timestamp_ms >= timestamp_ms), None)

    def largest_timestamp_ms(self, partition: Partition) -> int | None:
        """Largest record timestamp of the partition; None if it is empty."""
        self._require_answers()
        return max((record.timestamp_ms for record in self._log.track(partition).records), default=None)

    def partition_count(self, topic: str) -> int | None:
        """Partitions of the topic; None if there is no such topic."""
        return self._log.partition_count(topic) or None

    def stage_commit(self, offsets: Mapping[Partition, int]) -> None:
        """Name the offsets that a revocation may commit."""
        self._staged = dict(offsets)

    def commit(self, offsets: Mapping[Partition, int], timeout_s: float = COMMIT_SECONDS) -> bool:  # noqa: ARG002
        """Store offsets for the group, never backwards. False if the group refused or did not answer."""
        if not self._log.answering or self not in self._group.members:
            return False
        for partition in self._positions.keys() & offsets.keys():
            self._group.committed[partition] = max(offsets[partition], self._group.committed.get(partition, 0))
        return True

    def still_ours(self) -> bool:
        """Whether the group counts us as a member."""
        return self._log.answering and self in self._group.members

    def session_alive(self) -> bool:
        """Whether the log has answered within a session."""
        return self._clock.monotonic() - self._health.last_progress <= self._session_timeout_s

    def health(self) -> SourceHealth:
        """Tell what is known of the log now."""
        return self._health

    def close(self, timeout_s: float) -> None:  # noqa: ARG002 - nothing to wait for
        """Leave the group, committing what was staged."""
        self._let_go(sorted(self._positions), lost=self not in self._group.members)
        self._log.leave(self._group_id, self)

    # Membership

    def _follow_plan(self) -> None:
        group = self._group
        if self not in group.members:
            self._let_go(sorted(self._positions), lost=True)
            self._log.join(self._group_id, self)
        mine = {partition for partition, member in group.plan.items() if member is self}
        self._let_go(sorted(self._positions.keys() - mine), lost=False)
        free = sorted(part for part in mine - self._positions.keys() if group.owners.get(part, self) is self)
        for partition in free:
            group.owners[partition] = self
            self._positions[partition] = 0
            self._topic_ids[partition] = self._log.track(partition).topic_id
            self._paused.add(partition)
        if free:
            self._enqueue(Assigned(tuple(free)))

    def _let_go(self, partitions: Sequence[Partition], *, lost: bool) -> None:
        if not partitions:
            return
        if not lost:
            self.commit({part: offset for part, offset in self._staged.items() if part in partitions})
        for partition in partitions:
            for known in (self._positions, self._ends, self._topic_ids, self._epochs, self._answered):
                known.pop(partition, None)
            self._paused.discard(partition)
            if self._group.owners.get(partition) is self:
                del self._group.owners[partition]
        self._enqueue(Revoked(tuple(partitions), lost=lost))

    # Reading

    def _void(self, partition: Partition, track: Track) -> Recreated | None:
        """Tell whether the log is another one than was read, and hold the partition if it is."""
        epoch, truncated_at = self._epochs.get(partition, -1), None
        if self._topic_ids[partition] == track.topic_id:
            truncated_at = track.end_of_epoch(epoch) if epoch >= 0 else None
            if self._positions[partition] <= (track.end if truncated_at is None else truncated_at):
                return None
        self._topic_ids[partition] = track.topic_id
        self._positions[partition], self._epochs[partition] = 0, -1
        self._paused.add(partition)
        return Recreated(partition, truncated_at)

    def _skip_unreadable(self, partition: Partition, track: Track) -> list[Gap]:
        gaps = []
        if self._positions[partition] < track.begin:
            gaps.append(Gap(partition, self._positions[partition], track.begin, "out_of_range"))
            self._positions[partition] = track.begin
        for first, following in sorted(track.corrupt):
            if first <= self._positions[partition] < following:
                gaps.append(Gap(partition, self._positions[partition], following, "corrupt"))
                self._positions[partition] = following
        return gaps

    def _readable(self, partition: Partition, track: Track, room: int) -> list[Record]:
        """Take up to `room` records, up to the next unreadable one, and move past control records."""
        start = self._positions[partition]
        stop = min((first for first, _ in track.corrupt if first > start), default=track.end)
        ahead = [record for record in track.records if start <= record.offset < stop]
        taken = list(itertools.islice((record for record in ahead if record.delivered), room))
        all_taken = len(taken) == sum(record.delivered for record in ahead)
        self._positions[partition] = max(start, stop) if all_taken else taken[-1].offset + 1 if taken else start
        return taken

    def _batch(self, partition: Partition, records: Sequence[Record]) -> Batch:
        return Batch(
            partition=partition,
            offsets=np.array([record.offset for record in records], np.int64),
            timestamps_ms=np.array([record.timestamp_ms for record in records], np.int64),
            values=[record.value for record in records],
            headers=[record.headers for record in records] if self._want_headers else None,
        )

    def _require_answers(self) -> None:
        if not self._log.answering:
            raise SourceUnavailableError("the log does not answer")

"""A log in memory with topics, partitions and consumer groups: the brokers' side of the in-memory Source.

It is driven by whoever holds it, usually a test: append records, expire, corrupt, truncate, re-create, stop
answering, move partitions. Nothing happens by itself.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from daemon.source import Partition


@dataclass(frozen=True, slots=True)
class Record:
    """One record; `value` None is a tombstone, `delivered` False a control record, which only takes an offset."""

    offset: int
    timestamp_ms: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    delivered: bool = True
    epoch: int = 0


@dataclass(slots=True)
class Track:
    """The log of one partition. Offsets in `corrupt` ranges [first, next) cannot be read.

    Each truncation begins a leader epoch: `cuts` holds the first offset of every epoch but the first. Without a leader
    the partition answers no fetch.
    """

    topic_id: int
    begin: int = 0
    records: list[Record] = field(default_factory=list)  # ascending offsets, from `begin` on
    end: int = 0
    corrupt: list[tuple[int, int]] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    led: bool = True

    def end_of_epoch(self, epoch: int) -> int:
        """Offset up to which the log holds what it held in this epoch."""
        return min(self.cuts[epoch:], default=self.end)


class Member(Protocol):
    """What a group knows of a member."""

    @property
    def topics(self) -> tuple[str, ...]:
        """What it subscribes to."""


@dataclass(slots=True)
class Group:
    """A consumer group: who should own what, who still does, and the stored offsets."""

    members: list[Member] = field(default_factory=list)
    plan: dict[Partition, Member] = field(default_factory=dict)
    owners: dict[Partition, Member] = field(default_factory=dict)
    committed: dict[Partition, int] = field(default_factory=dict)


class MemoryLog:
    """Topics and groups. `answering` False is an outage of all brokers."""

    def __init__(self) -> None:
        self.answering = True
        self._tracks: dict[Partition, Track] = {}
        self._groups: dict[str, Group] = {}
        self._ids = itertools.count(1)

    # What a test does

    def create_topic(self, topic: str, partitions: int = 1) -> None:
        """Make a topic, or add partitions to it."""
        known = self.partition_count(topic)
        topic_id = self._tracks[Partition(topic, 0)].topic_id if known else next(self._ids)
        for number in range(known, partitions):
            self._tracks[Partition(topic, number)] = Track(topic_id)
        self._balance_all()

    def append(
        self,
        partition: Partition,
        values: Iterable[bytes | None],
        timestamps_ms: Iterable[int] | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> int:
        """Append records, by default a millisecond apart, and return the first one's offset."""
        track = self._tracks[partition]
        first = track.end
        times = itertools.count(first) if timestamps_ms is None else timestamps_ms
        for value, timestamp_ms in zip(values, times, strict=False):
            track.records.append(Record(track.end, timestamp_ms, value, headers, epoch=len(track.cuts)))
            track.end += 1
        return first

    def append_control(self, partition: Partition) -> None:
        """Append a record that takes an offset and is delivered to nobody, as the end of a transaction does."""
        track = self._tracks[partition]
        track.records.append(Record(track.end, 0, None, delivered=False))
        track.end += 1

    def expire(self, partition: Partition, begin: int) -> None:
        """Delete the records below an offset."""
        track = self._tracks[partition]
        track.begin = max(track.begin, begin)
        track.records = [record for record in track.records if record.offset >= begin]

    def truncate(self, partition: Partition, end: int) -> None:
        """Lose the records from an offset on, as an unclean election does."""
        track = self._tracks[partition]
        track.records = [record for record in track.records if record.offset < end]
        track.end = end
        track.cuts.append(end)

    def corrupt(self, partition: Partition, first: int, following: int) -> None:
        """Make [first, following) unreadable for good."""
        self._tracks[partition].corrupt.append((first, following))

    def recreate_topic(self, topic: str) -> None:
        """Delete the topic and make it anew, empty, with as many partitions; stored offsets go with it."""
        topic_id = next(self._ids)
        for partition in [known for known in self._tracks if known.topic == topic]:
            self._tracks[partition] = Track(topic_id)
            for group in self._groups.values():
                group.committed.pop(partition, None)

    def assign(self, group_id: str, plan: Mapping[Partition, Member]) -> None:
        """Say who shall own what; members follow at their next poll, the old owner before the new one."""
        self.group(group_id).plan = dict(plan)

    def evict(self, group_id: str, member: Member) -> None:
        """Throw a member out: its partitions are free at once; it finds out, and joins again, at its next poll."""
        group = self.group(group_id)
        group.members.remove(member)
        group.owners = {partition: owner for partition, owner in group.owners.items() if owner is not member}
        self._balance(group)

    # What a source asks

    def track(self, partition: Partition) -> Track:
        """Return the log of a partition."""
        return self._tracks[partition]

    def partition_count(self, topic: str) -> int:
        """Count the partitions of a topic; 0: there is none."""
        return sum(partition.topic == topic for partition in self._tracks)

    def group(self, group_id: str) -> Group:
        """Return a group, which exists from the first question on."""
        return self._groups.setdefault(group_id, Group())

    def join(self, group_id: str, member: Member) -> None:
        """Let a member in."""
        self.group(group_id).members.append(member)
        self._balance(self.group(group_id))

    def leave(self, group_id: str, member: Member) -> None:
        """Let a member go that has given up its partitions."""
        if member in self.group(group_id).members:
            self.evict(group_id, member)

    def _balance_all(self) -> None:
        for group in self._groups.values():
            self._balance(group)

    def _balance(self, group: Group) -> None:
        """Spread the partitions evenly, and let members keep what they have (cooperative-sticky)."""
        group.plan = {part: owner for part, owner in group.plan.items() if owner in group.members}
        wanted = sorted(part for part in self._tracks if any(part.topic in member.topics for member in group.members))
        share = -(-len(wanted) // max(1, len(group.members)))
        for member in group.members:
            for surplus in [part for part in wanted if group.plan.get(part) is member][share:]:
                del group.plan[surplus]
        for part in wanted:
            if part not in group.plan:
                takers = [member for member in group.members if part.topic in member.topics]
                group.plan[part] = min(takers, key=lambda one: sum(owner is one for owner in group.plan.values()))

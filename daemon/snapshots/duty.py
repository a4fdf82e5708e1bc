"""What the loop does about snapshots: at its command, once a turn, and before it ends."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import structlog

from daemon.board import SnapshotBoard
from daemon.clock import Clock
from daemon.failpoints import hit
from daemon.ownership import OwnedPartition
from daemon.snapshots.captures import Captures, Seen
from daemon.snapshots.keeper import Keeper, Loaded
from daemon.source import Partition, Source
from daemon.streams import Stream

log = structlog.get_logger(__name__)

US_PER_S: Final = 1_000_000


class SnapshotDuty:
    """Used by the loop's thread; `keeper` None: there are no snapshots, and all of this does nothing."""

    def __init__(
        self, *, keeper: Keeper | None, captures: Captures, source: Source, streams: Sequence[Stream], clock: Clock
    ) -> None:
        self.kinds = () if keeper is None else (keeper.kind,)
        self._keeper = keeper
        self._captures = captures
        self._source = source
        self._streams = streams
        self._clock = clock

    @property
    def failures(self) -> int:
        """Snapshots that were not saved."""
        return self._captures.failures

    def take(self, owned: Iterable[OwnedPartition]) -> None:
        """Capture what has moved."""
        for each in owned:
            self._captures.take(each, self._streams_of(each.partition), self._seen(each.partition))

    def store(self, offsets: Mapping[Partition, int]) -> None:
        """Note that the group has stored these offsets."""
        self._captures.store(offsets)

    def settle(self, answer: Callable[[Loaded], None]) -> None:
        """Take the keeper's answers: outcomes of saves, and what was loaded, for `answer`."""
        for told in () if self._keeper is None else self._keeper.answers():
            if isinstance(told, Loaded):
                answer(told)
            else:
                self._captures.settle(told)

    def drop(self, partitions: Iterable[Partition]) -> None:
        """Let go of partitions that are not ours any more."""
        self._captures.drop(partitions)

    def finish(self, owned: Iterable[OwnedPartition], until: float) -> None:
        """Save all that has been read and committed, and wait for it until monotonic `until`."""
        if self._keeper is None:
            return
        left = {each.partition: each for each in owned}
        while True:
            for partition in [part for part in left if not self._captures.handed_over(part)]:
                # What is handed over already is older: it is captured again once that is settled.
                self._captures.recapture(left.pop(partition), self._streams_of(partition), self._seen(partition))
            hit("stop.captured")
            if not self._captures.handed_over() or self._clock.monotonic() >= until:
                break
            self._keeper.wait(until - self._clock.monotonic())
            self.settle(lambda _: None)
        hit("stop.saved")

    def boards(self) -> Iterator[SnapshotBoard]:
        """Show how far each partition's snapshots have come."""
        return self._captures.boards()

    def _streams_of(self, partition: Partition) -> list[Stream]:
        return [stream for stream in self._streams if stream.topic == partition.topic]

    def _seen(self, partition: Partition) -> Seen:
        return Seen(
            topic_id=self._source.topic_id(partition.topic),
            leader_epoch=self._source.leader_epoch(partition),
            now_us=int(self._clock.now() * US_PER_S),
        )

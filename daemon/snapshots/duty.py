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

CAPTURE_SECONDS: Final = 0.05  # of one turn, and one partition more: the others are captured in the next turns
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
        self._due: dict[Partition, None] = {}  # to be captured, the first one first

    @property
    def failures(self) -> int:
        """Snapshots that were not saved."""
        return self._captures.failures

    def ask(self, owned: Iterable[Partition]) -> None:
        """Let what has moved be captured, in this turn and the next ones."""
        self._due |= dict.fromkeys(owned)

    def turn(self, owned: Mapping[Partition, OwnedPartition]) -> None:
        """Capture some of what is due, while there is room for it."""
        self._capture(self._due, owned, self._clock.monotonic() + CAPTURE_SECONDS)

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

    def finish(self, owned: Mapping[Partition, OwnedPartition], until: float) -> None:
        """Save all that has been read and committed, and wait for it until monotonic `until`."""
        if self._keeper is None:
            return
        left = dict.fromkeys(owned)
        for partition in left:
            self._captures.give_up(partition)  # it is older
        while True:
            # What is handed over already is older too: it is captured again once that is settled.
            due = dict.fromkeys(partition for partition in left if not self._captures.handed_over(partition))
            for partition in self._capture(due, owned, until):
                del left[partition]
                self._captures.give_up(partition)  # nobody commits its offset any more
            hit("stop.captured")
            if not self._captures.handed_over() or self._clock.monotonic() >= until:
                break
            self._keeper.wait(until - self._clock.monotonic())
            self.settle(lambda _: None)
        hit("stop.saved")

    def boards(self) -> Iterator[SnapshotBoard]:
        """Show how far each partition's snapshots have come."""
        return self._captures.boards()

    def _capture(
        self, due: dict[Partition, None], owned: Mapping[Partition, OwnedPartition], until: float
    ) -> list[Partition]:
        """Capture, and take out of `due`, what there is room and time for; return what that was."""
        done = []
        while due and self._captures.has_room() and self._clock.monotonic() < until:
            partition = next(iter(due))
            del due[partition]
            done.append(partition)
            if (each := owned.get(partition)) is not None:
                self._captures.take(each, self._streams_of(partition), self._seen(partition))
        return done

    def _streams_of(self, partition: Partition) -> list[Stream]:
        return [stream for stream in self._streams if stream.topic == partition.topic]

    def _seen(self, partition: Partition) -> Seen:
        return Seen(
            topic_id=self._source.topic_id(partition.topic),
            leader_epoch=self._source.leader_epoch(partition),
            now_us=int(self._clock.now() * US_PER_S),
        )

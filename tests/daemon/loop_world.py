"""A group of replicas on a log in memory, with a clock that moves only when told."""

from dataclasses import replace

import numpy as np
import pytest

from daemon.accounts import StreamAccount
from daemon.board import Board, Rendered
from daemon.codec import RECORD_REASONS, Format, compile_decoder
from daemon.commands_queue import Command, CommandQueue
from daemon.dead_letters import Outbox
from daemon.health import Health
from daemon.loop import Loop
from daemon.memory_log import MemoryLog
from daemon.memory_source import MemorySource
from daemon.replays import Replays
from daemon.restore import ReplayRestore
from daemon.restoring import Restoring
from daemon.snapshots.captures import Captures
from daemon.snapshots.duty import SnapshotDuty
from daemon.snapshots.keeper import Keeper
from daemon.source import Partition
from daemon.streams import Stream
from estimators.spec import StreamSpec, WindowSpec
from estimators.validation import PAIR_REASONS
from tests.e2e.recomputation import Ring, window
from tests.e2e.traffic import Traffic

START_S = 1_700_000_000.0
PARTITIONS = 3
RING = Ring(60_000_000, max_skew_us=2_000_000)
SPEC = StreamSpec(windows=(WindowSpec("1m", RING.length_us),), max_skew_us=RING.max_skew_us)
DECODER = compile_decoder(Format(label_names=("model", "version")))
STREAM = Stream("pairs", "pairs", ("model", "version"), DECODER, SPEC, 1e-13, min_messages=1)


class VirtualClock:
    """Moves only when told."""

    def __init__(self):
        self.seconds = 0.0

    def now(self):
        return START_S + self.seconds

    def monotonic(self):
        return self.seconds


class Replica:
    """One daemon without threads: its timers fire when the test says so."""

    def __init__(self, world):
        self.board, self.queue, self.health = Board(), CommandQueue(), Health(heartbeat=0.0)
        self.source = MemorySource(world.log, "group", ["pairs"], self.queue.put, world.clock, max_poll_records=50)
        self.account = StreamAccount("pairs", RECORD_REASONS, PAIR_REASONS)
        streams = [replace(STREAM, stream_hash=world.stream_hash)]
        self.keeper = None if world.store is None else Keeper(world.store())
        captures = Captures(self.keeper)
        self.loop = Loop(
            source=self.source,
            streams=streams,
            accounts={"pairs": self.account},
            outbox=Outbox(world.clock),
            restoring=Restoring(
                source=self.source, replay=world.restore, keeper=self.keeper, captures=captures, clock=world.clock
            ),
            snapshots=SnapshotDuty(
                keeper=self.keeper, captures=captures, source=self.source, streams=streams, clock=world.clock
            ),
            replays=Replays(self.source, world.clock, world.replay_rate),
            queue=self.queue,
            board=self.board,
            health=self.health,
            clock=world.clock,
            render=lambda published: Rendered(b"", b"", b"", b""),
            log_counts=dict,
        )

    def turn(self):
        """One turn of the loop; then the keeper does what it was asked."""
        self.loop.turn()
        if self.keeper is not None:
            self.keeper.work()

    @property
    def stream(self):
        """What it published last of the one stream."""
        return self.board.published.streams[0]


class World:
    """A topic, its traffic, and a group of replicas that come and go."""

    def __init__(self, restore=None, *, started=True, store=None, replay_rate=None):
        self.store, self.replay_rate, self.stream_hash = store, replay_rate, "5eed"
        self.clock, self.log = VirtualClock(), MemoryLog()
        self.log.create_topic("pairs", PARTITIONS)
        self.traffic = Traffic(seed=1, partitions=PARTITIONS)
        self.restore = restore or ReplayRestore()
        self.replicas = [self.replica()]
        self.counted_by_the_gone = 0
        self.counted_twice_at_most = 0
        if started:  # the group has offsets from here on: without any, counting starts where reading does
            self.settle()
            self.commit(0)
            self.settle()

    def replica(self):
        return Replica(self)

    def produce(self, count):
        for partition, stamp, payload in self.traffic.records(count, self.clock.now() - 4, self.clock.now()):
            self.log.append(Partition("pairs", partition), [payload], [stamp])

    def wait(self, seconds):
        self.clock.seconds += seconds

    def join(self, _):
        if len(self.replicas) < PARTITIONS:
            self.replicas.append(self.replica())

    def turn(self, which):
        self.replicas[which % len(self.replicas)].turn()

    def commit(self, which):
        self.replicas[which % len(self.replicas)].queue.put(Command.COMMIT)

    def snapshot(self, which):
        self.replicas[which % len(self.replicas)].queue.put(Command.SNAPSHOT)

    def stop(self, which):
        """A clean end: SIGTERM."""
        if len(self.replicas) > 1:
            gone = self.replicas.pop(which % len(self.replicas))
            gone.loop.close()
            self.counted_by_the_gone += gone.account.consumed

    def kill(self, which):
        """An end without a word: what it had counted since its last commit is counted again by others."""
        if len(self.replicas) > 1:
            gone = self.replicas.pop(which % len(self.replicas))
            if gone.source in self.log.group("group").members:
                self.log.evict("group", gone.source)
            self.counted_by_the_gone += gone.account.consumed
            self.counted_twice_at_most += gone.account.consumed

    def evict(self, which):
        """The group gives a replica's partitions away; it lives on, finds out, and joins again."""
        replica = self.replicas[which % len(self.replicas)]
        if replica.source in self.log.group("group").members:
            self.log.evict("group", replica.source)
            self.counted_twice_at_most += replica.account.consumed

    def outage(self, turns):
        self.log.answering = False
        for turn in range(turns % 4):
            self.turn(turn)
        self.log.answering = True

    def settle(self):
        """Let everybody read to the end and publish."""
        for _ in range(200):
            self.wait(0.01)
            for replica in self.replicas:
                replica.turn()
            if self._read_to_the_end():
                break
        else:
            pytest.fail("the replicas do not come to the end of the log")
        for _ in range(2):  # the first sets the mark that the second is judged by
            for replica in self.replicas:
                replica.loop.publish()

    def _read_to_the_end(self):
        partitions = [part for replica in self.replicas for part in replica.loop._owned.values()]
        return len(partitions) == PARTITIONS and all(part.restored and part.position >= part.target and
            part.position >= self.log.track(part.partition).end for part in partitions)  # fmt: skip

    def consumed(self):
        return self.counted_by_the_gone + sum(replica.account.consumed for replica in self.replicas)

    def assert_only_what_was_not_committed_is_counted_again(self):
        """The processes' counters may exceed the log by that, and never fall behind it."""
        surplus = self.consumed() - len(self.traffic.messages)
        assert 0 <= surplus <= self.counted_twice_at_most

    def assert_windows_are_whole(self):
        """Exact, and complete in every replica."""
        self.assert_windows_are_exact()
        assert all(replica.stream.windows[0].complete.all() for replica in self.replicas)

    def assert_windows_are_exact(self):
        """Sum of the replicas' parts = the recomputation: counts exactly, moments to 1e-12 of their terms."""
        end = {replica.stream.windows[0].end_timestamp_seconds for replica in self.replicas}
        assert len(end) == 1
        expected = window(self.traffic.messages, RING, end.pop())
        found = {}
        for replica in self.replicas:
            total = replica.stream.windows[0].estimates.total
            for index, key in enumerate(replica.stream.keys):
                found[key] = found[key].merge(total[index]) if key in found else total[index]
        found = {key: total for key, total in found.items() if total.count_of("messages")}
        assert {key: int(total.count_of("messages")) for key, total in found.items()} == {
            key: truth["messages"] for key, truth in expected.items()
        }
        for key, truth in expected.items():
            fixed = float(found[key].sum_of("SF") / found[key].sum_of("W"))
            assert np.isclose(fixed, truth["fixed"], rtol=1e-12, atol=0)

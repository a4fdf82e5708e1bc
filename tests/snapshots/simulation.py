"""The store's protocol under a scheduler that may do anything: a state machine whose counterexamples shrink.

Real panes, real format, real store; only the medium is in memory. Rules deliver, save, crash in the middle of a save,
stop a process there while its replacement works, fail operations, let writes come late, compact, delete and soil. After
every step a newcomer restores, and what it gets must be the batch fold of the log up to the offset that it gets.
"""

from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from daemon.snapshots.chunk_store import ChunkStore
from daemon.snapshots.medium import EntriesGoneError, MediumError
from tests.snapshots.memory_medium import CrashError, Disk, FailingOnce, MemoryMedium, unavailable
from tests.snapshots.snapshot_world import Process

PROCESSES_MAX = 4

operations = st.integers(1, 24)
bits = st.lists(st.booleans(), max_size=24)
indices = st.integers(0, 7)
sizes = st.integers(1, 60)


def idle(operation):
    """Let an operation be."""


class SnapshotSimulation(RuleBasedStateMachine):
    """One partition; `owner` is who the group says, everybody else that lives is a zombie."""

    make_store = ChunkStore  # or a scheme that is to be refuted

    def __init__(self):
        super().__init__()
        self.disk = Disk()
        self.topics = 1
        self.now = 0
        self.writers = count()
        self.late = []  # (process, its saves so far, name, value): handed over by saves that failed
        self.begun = set()  # (topic, offset) of every save that was begun
        self.floor = None  # no newcomer may get less; None where somebody interfered
        self.living = []

    @initialize(by_place=st.booleans())
    def start(self, by_place):
        self.disk.by_place = by_place
        self.owner = self._newcomer()
        self.living = [self.owner]
        self.owner.begin(self.topic_id, self._tick())
        self.floor = 0

    @property
    def topic_id(self):
        return f"id-{self.topics}"

    @property
    def end(self):
        ends = [process.next_offset for process in self.living if process.topic_id == self.topic_id]
        return max([self.log_end, *ends])

    log_end = 0

    @rule(index=indices, records=sizes)
    def deliver(self, index, records):
        process = self._process(index)
        if process.topic_id == self.topic_id:
            process.deliver(process.next_offset + records)
            self.log_end = self.end

    @rule(index=indices)
    def save(self, index):
        self._save(self._process(index))

    @rule(steps=st.lists(sizes, min_size=1, max_size=8))
    def work(self, steps):
        """The owner goes on undisturbed; from five saves on it buries the dead."""
        for records in steps:
            self.deliver(self.living.index(self.owner), records)
            self._save(self.owner)

    @rule(index=indices, operation=operations)
    def save_while_the_medium_fails(self, index, operation):
        process = self._process(index)
        process.medium.before = FailingOnce(operation, unavailable())
        self._save(process)

    @rule(index=indices, operation=operations, kept=bits)
    def crash_in_save(self, index, operation, kept):
        process = self._process(index)
        process.medium.before = FailingOnce(operation, CrashError())
        try:
            self._save(process)
        except CrashError:
            self._die(process, kept)

    @rule(kept=bits)
    def crash(self, kept):
        self._die(self.owner, kept)

    @precondition(lambda self: len(self.living) < PROCESSES_MAX)
    @rule()
    def take_over(self):
        """The owner is thought dead: another process restores, and the old one may go on."""
        self._replace_owner()

    @precondition(lambda self: len(self.living) < PROCESSES_MAX)
    @rule(operation=operations, steps=st.lists(sizes, max_size=6))
    def stop_in_save(self, operation, steps):
        """The owner is stopped between two operations of its save, and wakes up when its replacement has saved."""
        stopped = self.owner
        left = operation

        def before(_):
            nonlocal left
            left -= 1
            if left == 0:
                self._replace_owner()
                for records in steps:
                    self.owner.deliver(self.owner.next_offset + records)
                    self._save(self.owner)
                self.log_end = self.end

        stopped.medium.before = before
        self._save(stopped)

    @rule()
    def come_back(self):
        """The owner is revoked and assigned again."""
        self._restore(self.owner)

    @rule(chosen=bits)
    def arrive_late(self, chosen):
        """What saves handed over that failed comes through, up to two saves later."""
        for (process, saves, name, value), comes in zip(self.late, chosen, strict=False):
            if comes and process.saves - saves <= 2:
                self.disk.append(name, value)
        self.late = []

    @rule()
    def compact(self):
        self.disk.compact()

    @rule(index=st.integers(0, 200))
    def delete(self, index):
        names = sorted(self.disk.current())
        if names:
            self.disk.append(names[index % len(names)], None)
            self.floor = None

    @rule(index=st.integers(0, 200), other=st.integers(0, 200), value=st.binary(max_size=40), cut=st.integers(0, 300))
    def soil(self, index, other, value, cut):
        """An entry gets garbage, or half of itself, or what belongs to another."""
        current = self.disk.current()
        names = sorted(current)
        if names:
            name, there = names[index % len(names)], current[names[other % len(names)]]
            self.disk.append(name, value or there[:cut] or there)
            self.floor = None

    @rule()
    def make_topic_anew(self):
        """The owner is told, zombies are not."""
        self.topics += 1
        self.log_end = 0
        self.owner.begin(self.topic_id, self._tick())
        self.floor = 0

    @invariant()
    def whoever_restores_is_exact(self):
        newcomer = self._newcomer()
        offset = newcomer.load(self.topic_id, self.end, 0)
        if offset is not None:
            assert (self.topic_id, offset) in self.begun, "an offset that nobody saved"
        if self.floor is not None:
            assert (offset or 0) >= self.floor, f"restored {offset}, but {self.floor} was acknowledged"

    def _newcomer(self):
        return self._process_over(self.disk)

    def _process_over(self, disk):
        return Process(MemoryMedium(disk), type(self).make_store, lambda: f"{next(self.writers):016x}")

    def _process(self, index):
        return self.living[index % len(self.living)]

    def _tick(self):
        self.now += 1000
        return self.now

    def _save(self, process):
        self.begun.add((process.topic_id, process.next_offset))
        if process is not self.owner:
            self.floor = None  # it may delete what is older than its own, and so disturb the owner
        try:
            process.save()
        except EntriesGoneError:
            pass
        except MediumError:
            self.late += [(process, process.saves, *entry) for entry in process.medium.unflushed]
            process.medium.unflushed = []
        else:
            if process is self.owner and self.floor is not None:
                self.floor = process.next_offset
        finally:
            process.medium.before = idle

    def _die(self, process, kept):
        process.medium.lose(kept)
        self.living.remove(process)
        if process is self.owner:
            self._replace_owner()

    def _replace_owner(self):
        self.owner = self._newcomer()
        self.living.append(self.owner)
        self._restore(self.owner)

    def _restore(self, process):
        offset = process.load(self.topic_id, self.end, self._tick())
        compacted = Disk(list(self.disk.log), self.disk.by_place)
        compacted.compact()
        lasting = self._process_over(compacted).load(self.topic_id, self.end, 0)
        self.floor = offset or 0 if lasting == offset else None  # else it rests on what compaction will take away

"""The keeper: the one thread that uses the snapshot store, so that the loop never waits for a disk or a broker.

Requests go in over a queue, answers come out over a deque that the loop drains once a turn; neither takes a lock of
ours. Loads go before saves, since somebody waits for them. Each request but `forget` has one answer, unless its
partition is forgotten first.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from daemon.errors import OperatingError
from daemon.snapshots.acceptance import Terms, refusal
from daemon.snapshots.medium import EntriesGoneError
from daemon.snapshots.store import Receipt, SnapshotStore
from daemon.snapshots.values import Snapshot
from daemon.source import Partition

log = structlog.get_logger(__name__)

LOADS_AT_ONCE: Final = 4  # bounds the memory of a restore; the first partitions start while the others are read


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load came to.

    Attributes
    ----------
    snapshot : None where there is none that could be used
    refusals : why others were not used, newest first
    failure : the store could not be asked, in words; ask again later
    gone : entries of the medium are gone for good, so no snapshot may leave sections out
    """

    ticket: int
    partition: Partition
    snapshot: Snapshot | None = None
    refusals: tuple[str, ...] = ()
    failure: str = ""
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Saved:
    """What a save came to: a receipt, or the failure in words; `gone` as above."""

    ticket: int
    partition: Partition
    receipt: Receipt | None = None
    failure: str = ""
    gone: bool = False


Answer = Loaded | Saved


@dataclass(frozen=True, slots=True)
class _Load:
    ticket: int
    partition: Partition
    terms: Terms


@dataclass(frozen=True, slots=True)
class _Save:
    ticket: int
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class _Forget:
    partition: Partition


class Keeper:
    """Asked by the loop's thread; works on its own once it is started, else whenever `work` is called."""

    def __init__(self, store: SnapshotStore) -> None:
        self.kind = store.kind
        self._store = store
        self._requests: queue.SimpleQueue[_Load | _Save | _Forget | None] = queue.SimpleQueue()
        self._answers: deque[Answer] = deque()
        self._answered = threading.Event()
        self._tickets = 0
        # Of the keeper's thread:
        self._loads: list[_Load] = []
        self._saves: deque[_Save] = deque()
        self._ending = False
        self._thread: threading.Thread | None = None

    # The loop's side

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End the thread after what it does now, and close the store; leave it alone where that takes longer."""
        self._requests.put(None)
        if self._thread is not None:
            self._thread.join(timeout_s)

    def load(self, partition: Partition, terms: Terms) -> int:
        """Ask for the newest snapshot that the terms accept; return the answer's ticket."""
        self._tickets += 1
        self._requests.put(_Load(self._tickets, partition, terms))
        return self._tickets

    def save(self, snapshot: Snapshot) -> int:
        """Hand over a snapshot; return the answer's ticket."""
        self._tickets += 1
        self._requests.put(_Save(self._tickets, snapshot))
        return self._tickets

    def forget(self, partition: Partition) -> None:
        """Let go of a partition that is not ours any more, and of what was asked about it."""
        self._requests.put(_Forget(partition))

    def answers(self) -> list[Answer]:
        """Take the answers since the last call. Raises RuntimeError where the thread has died."""
        self._answered.clear()
        taken = [self._answers.popleft() for _ in range(len(self._answers))]
        if not taken and self._thread is not None and not self._thread.is_alive():
            raise RuntimeError("the thread that keeps snapshots has died")
        return taken

    def wait(self, timeout_s: float) -> None:
        """Wait for an answer that `answers` has not taken yet; without a thread, do what was asked."""
        if self._thread is None:
            self.work()
        else:
            self._answered.wait(max(0.0, timeout_s))

    # The keeper's side

    def work(self) -> None:
        """Do all that was asked so far."""
        while self._take(block=False):
            self._work()

    def _run(self) -> None:
        while self._take(block=True):
            self._work()
        self._store.close()

    def _take(self, *, block: bool) -> bool:
        """Sort what was asked; False if there is nothing to do, or no more."""
        while not self._ending:
            try:
                request = self._requests.get(block=block and not self._loads and not self._saves)
            except queue.Empty:
                break
            match request:
                case None:
                    self._ending = True
                case _Load():
                    self._loads.append(request)
                case _Save():
                    self._saves.append(request)
                case _Forget():
                    self._forget(request.partition)
        return not self._ending and bool(self._loads or self._saves)

    def _forget(self, partition: Partition) -> None:
        self._loads = [load for load in self._loads if load.partition != partition]
        self._saves = deque(save for save in self._saves if save.snapshot.partition != partition)
        self._try(lambda: self._store.forget(partition))

    def _work(self) -> None:
        if self._loads:
            loads, self._loads = self._loads[:LOADS_AT_ONCE], self._loads[LOADS_AT_ONCE:]
            self._tell(*self._load(loads))
        elif self._saves:
            self._tell(self._save(self._saves.popleft()))

    def _load(self, loads: Sequence[_Load]) -> list[Loaded]:
        terms = {load.partition: load.terms for load in loads}
        refusals: dict[Partition, list[str]] = {partition: [] for partition in terms}
        found: Mapping[Partition, Snapshot | None] = {}

        def accepts(snapshot: Snapshot) -> bool:
            reason = refusal(snapshot, terms[snapshot.partition])
            if reason:
                refusals[snapshot.partition].append(reason)
            return not reason

        def ask() -> None:
            nonlocal found
            found = self._store.load(list(terms), accepts)

        failure, gone = self._try(ask)
        return [
            Loaded(
                load.ticket, load.partition, found.get(load.partition), tuple(refusals[load.partition]), failure, gone
            )
            for load in loads
        ]

    def _save(self, save: _Save) -> Saved:
        receipt: Receipt | None = None

        def write() -> None:
            nonlocal receipt
            receipt = self._store.save(save.snapshot)

        failure, gone = self._try(write)
        return Saved(save.ticket, save.snapshot.partition, receipt, failure, gone)

    def _try(self, action: Callable[[], None]) -> tuple[str, bool]:
        """Do it; return the failure in words, and whether entries are gone. Whatever it raises, the thread lives on."""
        try:
            action()
        except OperatingError as error:
            return str(error), isinstance(error, EntriesGoneError)
        except Exception as error:
            log.exception("the snapshot store failed in a way that it should not")
            return f"a fault of the snapshot store: {error!r}", True
        return "", False

    def _tell(self, *answers: Answer) -> None:
        self._answers.extend(answers)
        self._answered.set()

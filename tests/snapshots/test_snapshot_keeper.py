"""The keeper: it answers whatever its store does, loads before it saves, and leaves what is forgotten."""

import threading

import pytest

from daemon.snapshots.acceptance import Terms, refusal
from daemon.snapshots.keeper import Keeper, Loaded, Saved
from daemon.snapshots.medium import EntriesGoneError, MediumError
from daemon.snapshots.store import Receipt
from daemon.snapshots.values import Snapshot, StateHead, StateImage
from daemon.source import Partition

PARTITIONS = [Partition("pairs", number) for number in range(6)]
TERMS = Terms(topic_id="t1", stream_hashes=frozenset({"a"}), committed=50, end=90)


def snapshot_of(partition=PARTITIONS[0], **changes):
    head = StateHead(None, 0, 0, None, (), 0)
    values = {
        "partition": partition, "topic_id": "t1", "next_offset": 40, "leader_epoch": 0, "missing_before_us": None,
        "skipped_offsets": 0, "began_us": 0, "taken_us": 0, "images": (StateImage("a", head, {}),),
    }  # fmt: skip
    return Snapshot(**values | changes)


class Store:
    """Keeps snapshots in a dict, notes what it was asked, and fails or waits as it is told."""

    kind = "memory"

    def __init__(self):
        self.kept, self.asked, self.failure, self.gate = {}, [], None, None

    def load(self, partitions, accepts):
        self._note("load", tuple(partitions))
        kept = {partition: self.kept.get(partition) for partition in partitions}
        return {partition: found if found and accepts(found) else None for partition, found in kept.items()}

    def save(self, snapshot):
        self._note("save", snapshot.partition)
        self.kept[snapshot.partition] = snapshot
        return Receipt(1, 2)

    def forget(self, partition):
        self._note("forget", partition)

    def close(self):
        self._note("close", None)

    def _note(self, verb, subject):
        self.asked.append((verb, subject))
        if self.gate is not None:
            self.gate.wait(10)
        if self.failure is not None:
            raise self.failure


@pytest.mark.parametrize(
    ("change", "terms", "reason"),
    [
        ({}, TERMS, ""),
        ({"topic_id": "t0"}, TERMS, "older topic"),
        ({"topic_id": ""}, TERMS, ""),
        ({"images": ()}, TERMS, "other settings"),
        ({"next_offset": 50}, TERMS, ""),
        ({"next_offset": 51}, TERMS, "ahead of the group's 50"),
        ({"next_offset": 91}, TERMS, "beyond the log's end 90"),
        ({"next_offset": 90}, Terms("t1", frozenset({"a"}), None, 90), ""),
        ({"next_offset": 40}, Terms("", frozenset({"a"}), 50, 90, truncated_at=40), ""),
        ({"next_offset": 40}, Terms("", frozenset({"a"}), 50, 90, truncated_at=39), "above 39, where the log was"),
    ],
)
def test_a_snapshot_is_refused_for_a_reason(change, terms, reason):
    said = refusal(snapshot_of(**change), terms)
    assert reason in said
    assert bool(reason) == bool(said)


def test_loads_go_before_saves_a_few_at_once_and_each_has_its_answer():
    store = Store()
    keeper = Keeper(store)
    saving = keeper.save(snapshot_of())
    loading = {keeper.load(partition, TERMS): partition for partition in PARTITIONS}
    keeper.work()
    assert store.asked == [
        ("load", tuple(PARTITIONS[:4])), ("load", tuple(PARTITIONS[4:])), ("save", PARTITIONS[0])
    ]  # fmt: skip
    answers = keeper.answers()
    assert {told.ticket: told.partition for told in answers if isinstance(told, Loaded)} == loading
    assert [told for told in answers if isinstance(told, Saved)] == [Saved(saving, PARTITIONS[0], Receipt(1, 2))]
    assert keeper.answers() == []


def test_what_is_refused_is_said_and_what_is_forgotten_has_no_answer():
    store = Store()
    store.kept = {PARTITIONS[0]: snapshot_of(next_offset=70), PARTITIONS[1]: snapshot_of(PARTITIONS[1])}
    keeper = Keeper(store)
    for partition in PARTITIONS[:3]:
        keeper.load(partition, TERMS)
    keeper.save(snapshot_of(PARTITIONS[2]))
    keeper.forget(PARTITIONS[2])
    keeper.work()
    first, second = keeper.answers()
    assert (first.snapshot, len(first.refusals)) == (None, 1)
    assert "ahead" in first.refusals[0]
    assert (second.snapshot, second.refusals) == (store.kept[PARTITIONS[1]], ())


@pytest.mark.parametrize(
    ("failure", "said", "gone"),
    [
        (MediumError("the disk is full"), "the disk is full", False),
        (EntriesGoneError("made anew"), "made anew", True),
        (KeyError("x"), "a fault of the snapshot store: KeyError('x')", True),
    ],
)
def test_whatever_the_store_raises_is_an_answer_and_the_thread_lives_on(failure, said, gone):
    store = Store()
    keeper = Keeper(store)
    keeper.start()
    store.failure = failure
    keeper.save(snapshot_of())
    keeper.wait(10)
    (saved,) = keeper.answers()
    assert (saved.receipt, saved.failure, saved.gone) == (None, said, gone)
    store.failure = None
    keeper.load(PARTITIONS[0], TERMS)
    keeper.wait(10)
    (loaded,) = keeper.answers()
    assert loaded.failure == ""
    keeper.stop(10)
    assert store.asked[-1] == ("close", None)


def test_a_store_that_hangs_holds_nobody_up():
    store = Store()
    store.gate = threading.Event()
    keeper = Keeper(store)
    keeper.start()
    keeper.load(PARTITIONS[0], TERMS)
    keeper.forget(PARTITIONS[0])
    assert keeper.answers() == []
    keeper.stop(0.1)
    store.gate.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_has_died_is_not_passed_over():
    store = Store()
    keeper = Keeper(store)
    keeper.start()
    store.failure = SystemExit()
    keeper.save(snapshot_of())
    keeper._thread.join(10)
    with pytest.raises(RuntimeError, match="has died"):
        keeper.answers()

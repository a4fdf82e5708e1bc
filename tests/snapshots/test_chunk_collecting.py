"""What the store deletes, of itself and of dead writers, and what it never deletes."""

from itertools import pairwise

import pytest

from daemon.snapshots import chunk_cleaning, chunk_writing, tenure
from daemon.snapshots.medium import EntriesGoneError, MediumError
from tests.snapshots.chunk_worlds import (
    FOREVER,
    TOPIC,
    begun,
    chunks_in,
    fail_at,
    manifests_in,
    process_on,
    refs,
    restored,
    writers_in,
)
from tests.snapshots.memory_medium import Disk
from tests.snapshots.snapshot_world import PARTITION


@pytest.fixture(params=[True, False], ids=["topic", "folder"])
def disk(request):
    return Disk(by_place=request.param)


def test_a_full_medium_is_freed_of_what_a_failed_save_wrote(disk):
    process = begun(disk)
    process.save()
    before = chunks_in(disk)
    process.deliver(300)
    for _ in range(10):
        process.medium.before = lambda operation: fail_at("flush", operation)
        with pytest.raises(MediumError):
            process.save()
        process.medium.lose([True] * 100)
        process.medium.before = lambda operation: None
    process.save()
    process.save()
    assert len(chunks_in(disk)) <= 3 * len(before) + chunk_cleaning.SPARED_SLOTS + 40


def test_two_hundred_saves_keep_no_more_than_two_manifests_name_and_a_constant(disk):
    process = begun(disk, 50)
    most = 0
    for _ in range(200):
        process.deliver(process.next_offset + 13)
        process.save()
        named = {ref.slot for manifest in process.store._tenures[PARTITION].kept for ref in refs(manifest)}
        most = max(most, len(chunks_in(disk)) - len(named))
        assert len(manifests_in(disk)) == 2
    written = 40  # a save rewrites at most every pane of both rings, and two sections
    assert most <= 2 * written + chunk_cleaning.SPARED_SLOTS
    assert process.store._tenures[PARTITION].slots.highest < 200
    assert restored(disk) == process.next_offset


def test_slots_of_a_state_that_has_shrunk_are_deleted(disk, monkeypatch):
    process = begun(disk, 400)
    with monkeypatch.context() as many:
        many.setattr(chunk_writing, "split", lambda raw: [raw[at : at + 50] for at in range(0, len(raw), 50)])
        process.save()
    most = len(chunks_in(disk))
    for end in range(600, 1200, 100):  # every pane expires
        process.deliver(end)
        process.save()
    assert most > 100
    assert len(chunks_in(disk)) < 40
    assert restored(disk) == 1100


def test_everything_of_dead_writers_is_gone_within_twelve_saves_and_the_state_never_is(disk):
    for start in (100, 200, 300):  # three die, one of them in the middle of its first save
        dead = process_on(disk)
        dead.load(TOPIC, FOREVER, 0)
        dead.topic_id = TOPIC
        dead.deliver(start)
        dead.medium.before = (lambda operation: fail_at("put_manifest", operation)) if start == 300 else lambda _: None
        try:
            dead.save()
        except MediumError:
            assert start == 300
    heir = process_on(disk)
    heir.load(TOPIC, FOREVER, 0)
    for save in range(12):
        heir.deliver(400 + save)
        heir.save()
        assert restored(disk) == 400 + save
    assert len(writers_in(disk)) == 1


def test_what_a_writer_left_that_died_in_its_first_save_is_found_and_deleted(disk):
    dead = begun(disk)
    dead.medium.before = lambda operation: fail_at("manifest_is_put" if chunks_in(disk) else "never", operation)
    with pytest.raises(MediumError):
        dead.save()
    disk.append(manifests_in(disk)[-1], None)
    assert chunks_in(disk)
    heir = process_on(disk)
    heir.load(TOPIC, FOREVER, 0)
    heir.topic_id = TOPIC
    heir.deliver(300)
    for _ in range(9):
        heir.save()
    assert len(writers_in(disk)) == 1


def test_a_living_owner_is_not_taken_for_dead_by_one_who_was_stopped(disk):
    zombie = begun(disk, 500)
    owner = process_on(disk)
    owner.load(TOPIC, FOREVER, 0)
    owner.topic_id = TOPIC
    for save in range(12):
        owner.deliver(100 + save)
        owner.save()
        zombie.save()
    assert len(writers_in(disk)) == 2
    assert restored(disk) == 500


def test_a_snapshot_ahead_of_ours_is_never_deleted_however_long_it_is_there(disk):
    begun(disk, 500).save()
    behind = process_on(disk)
    assert behind.load(TOPIC, 499, 0) is None
    for save in range(20):
        behind.deliver(100 + save)
        behind.save()
    assert restored(disk) == 500
    behind.deliver(501)
    for _ in range(8):
        behind.save()
    assert len(writers_in(disk)) == 1


def test_chunks_that_another_ones_manifest_names_are_not_deleted(disk):
    """Both went on from the same dead writer, and one is done with it before the other."""
    begun(disk, 100).save()
    zombie, owner = process_on(disk), process_on(disk)
    for process in (owner, zombie):
        process.load(TOPIC, FOREVER, 0)
    owner.deliver(101)
    with pytest.MonkeyPatch.context() as slow:
        slow.setattr(chunk_writing, "to_read_again", lambda *_: ())
        owner.save()  # names chunks of the dead one
    for _ in range(12):
        zombie.save()
    disk.compact()
    assert restored(disk) == 101


def test_no_more_than_the_limit_is_written_again_of_other_writers_in_one_save(disk, monkeypatch):
    monkeypatch.setattr(tenure, "REWRITE_BYTES", 1000)
    monkeypatch.setattr(tenure, "REWRITE_SHARE", 10**9)
    begun(disk, 400).save()
    heir = process_on(disk)
    heir.load(TOPIC, FOREVER, 0)
    largest = max(ref.stored_bytes for ref in refs(heir.store._tenures[PARTITION].base))
    foreign = []
    for _ in range(60):
        heir.save()
        manifest = heir.store._tenures[PARTITION].base
        foreign.append(sum(ref.stored_bytes for ref in refs(manifest) if ref.writer != heir_writer(heir)))
    steps = [before - after for before, after in pairwise(foreign)]
    assert max(steps) <= 1000 + largest
    assert sum(step > 0 for step in steps) >= 1
    assert foreign[-1] == 0


def heir_writer(heir):
    return heir.store._tenures[PARTITION].writer


def test_chunks_that_vanish_are_noticed_by_their_owner_who_writes_everything_again(disk):
    process = begun(disk, 400)
    process.save()
    for name in chunks_in(disk):
        disk.append(name, None)
    disk.compact()
    process.deliver(401)
    with pytest.raises(EntriesGoneError, match="are missing or damaged"):
        process.save()
    process.save()
    assert restored(disk) == 401

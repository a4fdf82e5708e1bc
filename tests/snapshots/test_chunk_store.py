"""What the store promises, one promise a test: what is written, what is kept, what is collected, what is told."""

import subprocess
import sys
import tracemalloc
from contextlib import suppress
from dataclasses import replace
from itertools import count, pairwise

import pytest
from structlog.testing import capture_logs

from daemon.snapshots import chunk_cleaning, chunk_reading, chunk_writing, frames, slots, tenure
from daemon.snapshots.chunk_store import TRIES_MAX, ChunkStore
from daemon.snapshots.folder import Folder
from daemon.snapshots.limits import limits_of
from daemon.snapshots.manifests import ChunkRef, encode_manifest
from daemon.snapshots.medium import EntriesGoneError, Entry, MediumError
from daemon.snapshots.names import chunk_name, manifest_name, manifest_of
from daemon.source import Partition
from tests.snapshots.memory_medium import Disk, FailingOnce, MemoryMedium, unavailable
from tests.snapshots.snapshot_world import GROUP, PARTITION, SPEC, Process

TOPIC = "id-1"
FOREVER = 10**9
HIGHEST = 2**31 - 1


def process_on(disk, **others):
    return Process(MemoryMedium(disk), **others)


def begun(disk, records=200):
    process = process_on(disk)
    process.begin(TOPIC, 0)
    process.deliver(records)
    return process


def restored(disk, end=FOREVER):
    return process_on(disk).load(TOPIC, end, 0)


def writers_in(disk):
    return {name.split("/")[4] for name in disk.current()}


def manifests_in(disk):
    return sorted(name for name in disk.current() if manifest_of(name))


def chunks_in(disk):
    return {name for name in disk.current() if name.startswith("c/")}


@pytest.fixture(params=[True, False], ids=["topic", "folder"])
def disk(request):
    return Disk(by_place=request.param)


def test_a_second_save_writes_only_what_changed_and_tells_what_is_retained(disk):
    process = begun(disk, 400)
    first = process.save()
    second = process.save()
    assert second.written_bytes < first.written_bytes / 4
    assert second.retained_bytes > first.retained_bytes * 0.9
    assert restored(disk) == 400


def test_the_receipt_counts_what_the_medium_was_handed(disk):
    process = begun(disk)
    handed = []
    process.save()  # announces its writer too
    process.deliver(250)
    medium = process.medium
    begin = medium._begin

    def counted(operation, name="", value=b""):
        handed.append(len(value))
        begin(operation, name, value)

    medium._begin = counted
    assert process.save().written_bytes == sum(handed)


def test_the_largest_acceptable_offset_is_restored_whoever_saved_last(disk):
    ahead = begun(disk, 300)
    behind = begun(disk, 100)
    ahead.save()
    behind.save()
    assert restored(disk) == 300
    assert restored(disk, end=299) == 100
    assert restored(disk, end=99) is None


def test_snapshots_of_another_group_or_partition_are_not_seen(disk):
    begun(disk).save()
    newcomer = process_on(disk)
    assert newcomer.load(TOPIC, FOREVER, 0) == 200
    newcomer.store = ChunkStore(newcomer.medium, "another")
    assert newcomer.load(TOPIC, FOREVER, 0) is None
    assert newcomer.store.load([Partition("pairs", 4)], lambda _: True) == {Partition("pairs", 4): None}


def test_a_manifest_in_the_place_of_another_partition_is_not_believed(disk):
    begun(disk).save()
    for name, value in disk.current().items():
        disk.append(name.replace("/pairs/3/", "/pairs/4/"), value)
    store = ChunkStore(MemoryMedium(disk), GROUP)
    with capture_logs() as logs:
        assert store.load([Partition("pairs", 4)], lambda _: True) == {Partition("pairs", 4): None}
    assert "it tells of another partition, 3" in {line["reason"] for line in logs}


@pytest.mark.parametrize("operation", range(1, 12))
def test_a_save_that_fails_anywhere_leaves_the_one_before_and_the_next_succeeds(disk, operation):
    process = begun(disk)
    process.save()
    process.deliver(210)
    process.medium.before = FailingOnce(operation, unavailable())
    failed = True
    try:
        process.save()
        failed = False
    except MediumError:
        assert restored(disk) in {200, 210}
    process.medium.before = lambda operation: None
    assert restored(disk) == 210 or failed
    process.deliver(220)
    process.save()
    assert restored(disk) == 220


def late_write_after(process):
    """A save fails with its chunks on their way, the next one succeeds, then they arrive."""
    process.save()
    process.deliver(210)
    process.medium.before = lambda operation: fail_at("flush", operation)
    with pytest.raises(MediumError):
        process.save()
    late, process.medium.unflushed = process.medium.unflushed, []
    process.medium.before = lambda operation: None
    process.deliver(290)
    process.save()
    assert late
    for name, value in late:
        process.medium.disk.append(name, value)
    process.medium.disk.compact()
    with capture_logs():
        return restored(process.medium.disk)


def fail_at(what, operation):
    if operation == what:
        raise unavailable()


def test_chunks_of_a_failed_save_that_come_late_displace_nothing(disk):
    assert late_write_after(begun(disk)) == 290


def test_the_test_before_fails_where_slots_do_not_rest(disk, monkeypatch):
    monkeypatch.setattr(slots.Slots, "held", property(lambda self: self.newest | self.previous))
    assert late_write_after(begun(disk)) < 290


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


def refs(manifest):
    return [ref for sections in manifest.chunks for of_section in sections.values() for ref in of_section]


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


def test_unchanged_sections_without_a_base_are_refused_and_not_guessed(disk):
    process = begun(disk)
    process.save()
    process.store.forget(PARTITION)
    process.deliver(201)
    with pytest.raises(EntriesGoneError, match="not known"):
        process.save()
    process.save()
    assert restored(disk) == 201


def test_loading_writes_and_deletes_nothing(disk):
    begun(disk).save()
    before = list(disk.log)
    restored(disk)
    assert disk.log == before


def test_a_reader_that_is_overtaken_looks_again(disk):
    """Between its look and its reading the owner saves twice, so that what the reader saw is overwritten."""
    owner = begun(disk)
    owner.save()
    reader = process_on(disk)
    looks = count()

    def before(operation):
        if operation == "fetch" and next(looks) == 0:
            for _ in range(3):
                owner.deliver(owner.next_offset + 80)
                owner.save()
            disk.compact()

    reader.medium.before = before
    with capture_logs():
        assert reader.load(TOPIC, FOREVER, 0) == 440


def test_damage_is_told_once_and_the_older_snapshot_is_taken(disk):
    process = begun(disk)
    process.save()
    process.deliver(210)
    process.save()
    newest = process.store._tenures[PARTITION].base
    older = {ref.slot for ref in refs(process.store._tenures[PARTITION].kept[1])}
    torn = next(ref for ref in refs(newest) if ref.slot not in older)
    name = next(name for name in chunks_in(disk) if name.endswith(f"/{torn.slot}"))
    disk.append(name, disk.current()[name][:-1])
    disk.compact()
    reader = process_on(disk)
    with capture_logs() as logs:
        assert reader.load(TOPIC, FOREVER, 0) == 200
        assert reader.load(TOPIC, FOREVER, 0) == 200
    assert [line["reason"] for line in logs] == ["chunks of the snapshot at offset 210 are missing or damaged"]


def swapped(disk):
    """The newest snapshot names a chunk in whose place is an intact one of the same section, of the save before."""
    process = begun(disk)
    process.save()
    process.deliver(210)
    process.save()
    newer, older = (manifest.chunks[0] for manifest in process.store._tenures[PARTITION].kept)
    section = next(key for key in newer if key.kind == "panes" and key in older and newer[key] != older[key])
    first = (chunks[section][0] for chunks in (newer, older))
    names = [chunk_name(GROUP, PARTITION, ref.writer, ref.slot) for ref in first]
    disk.append(names[0], disk.current()[names[1]])
    return disk


def test_an_intact_chunk_in_the_place_of_another_is_not_believed():
    with capture_logs():
        assert restored(swapped(Disk(by_place=False))) == 200


def test_the_test_before_fails_where_digests_are_not_compared(monkeypatch):
    monkeypatch.setattr(chunk_reading, "digest_of", lambda raw: Anything())
    with pytest.raises(AssertionError):
        restored(swapped(Disk(by_place=False)))


class Anything:
    __hash__ = None

    def __eq__(self, other):
        return True


def test_a_manifest_of_an_unknown_version_is_told_and_the_older_one_is_taken(disk, monkeypatch):
    process = begun(disk)
    process.save()
    process.deliver(210)
    with monkeypatch.context() as newer:
        newer.setattr(frames, "FRAME_VERSION", 2)
        process.save()
    with capture_logs() as logs:
        assert restored(disk) == 200
    assert any("version 2" in line["reason"] for line in logs)


def test_garbage_that_cannot_be_deleted_is_told_and_the_save_stands(disk):
    process = begun(disk)
    process.medium.before = lambda operation: fail_at("manifests", operation)
    with capture_logs() as logs:
        process.save()
    assert [line["event"] for line in logs] == ["what old snapshots left could not be deleted"]
    assert restored(disk) == 200


def test_an_error_of_the_system_is_the_mediums(disk):
    process = begun(disk)
    process.medium.before = FailingOnce(1, OSError(5, "Input/output error"))
    with pytest.raises(MediumError, match="Input/output error"):
        process.save()
    process.save()
    assert restored(disk) == 200


def test_a_hostile_manifest_costs_no_more_than_a_bounded_deletion(disk):
    process = begun(disk)
    process.save()
    hostile = replace(process.store._tenures[PARTITION].base, highest_slot=HIGHEST)
    disk.append(manifest_name(GROUP, PARTITION, "b" * 16, 0), encode_manifest(hostile))
    heir = process_on(disk)
    assert heir.load(TOPIC, FOREVER, 0) == 200
    for _ in range(9):
        heir.save()
    assert len(writers_in(disk)) == 1


def forged(process, disk, count, raw):
    """A manifest of a future offset whose one section is made of so many chunks of the same bytes."""
    base, writer, stored = process.store._tenures[PARTITION].base, "b" * 16, frames.encode(raw)
    places = [disk.append(chunk_name(GROUP, PARTITION, writer, slot), stored) for slot in range(count)]
    refs = tuple(ChunkRef(writer, slot, place, len(stored), frames.digest_of(raw)) for slot, place in enumerate(places))
    snapshot = replace(base.snapshot, next_offset=base.snapshot.next_offset + 1)
    section = next(iter(base.chunks[0]))
    manifest = replace(base, snapshot=snapshot, chunks=({**base.chunks[0], section: refs},))
    disk.append(manifest_name(GROUP, PARTITION, writer, 0), encode_manifest(manifest))


def limited(medium, group):
    return ChunkStore(medium, group, limits=limits_of([SPEC]))


def test_chunks_that_claim_more_than_a_state_has_are_not_held_and_the_next_older_snapshot_is_taken(disk):
    """400 bytes of each chunk are 864 KiB of content: 120 of them would be 104 MB."""
    process = begun(disk)
    process.save()
    assert limits_of([SPEC]).content_bytes < 3 << 20
    forged(process, disk, 120, bytes(frames.RAW_BYTES_MAX))
    heir = process_on(
        disk, make_store=lambda medium, group: ChunkStore(medium, group, limits=replace(limits_of([SPEC]), parts=1000))
    )
    tracemalloc.start()
    try:
        assert heir.load(TOPIC, FOREVER, 0) == 200
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 << 20, peak
    assert process_on(disk, make_store=limited).load(TOPIC, FOREVER, 0) == 200


def test_a_full_state_is_within_the_limits(disk):
    process = begun(disk, 400)
    process.store = limited(process.medium, GROUP)
    process.save()
    assert process_on(disk, make_store=limited).load(TOPIC, FOREVER, 0) == 400


def test_a_hundred_thousand_manifests_are_given_up_in_time_and_memory(disk):
    process = begun(disk)
    process.save()
    base = process.store._tenures[PARTITION].base
    lost = {section: tuple(replace(ref, writer="c" * 16) for ref in refs) for section, refs in base.chunks[0].items()}
    value = encode_manifest(replace(base, chunks=(lost,)))
    entries = [Entry(manifest_name(GROUP, PARTITION, f"{number:016x}", 0), value) for number in range(100_000)]
    heir = process_on(disk)
    heir.medium.manifests = lambda partitions: dict.fromkeys(partitions, entries)
    fetched = []
    heir.medium.before = fetched.append
    with capture_logs() as logs:
        assert heir.load(TOPIC, FOREVER, 0) is None
    assert fetched == ["fetch"] * TRIES_MAX
    assert len(logs) == 1


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 160 KiB."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", tmp_path], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system of its own can be mounted here: {mounted.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


def test_a_full_disk_is_told_costs_nothing_saved_and_heals_when_there_is_room(small_disk):
    folder = Folder(small_disk / "snapshots")
    process = Process(folder)
    process.begin(TOPIC, 0)
    process.deliver(300)
    process.save()
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1024))
    for end in (340, 380, 420, 460):
        process.deliver(end)
        with pytest.raises(MediumError, match=r"No space left on device\. Make room on the disk"):
            process.save()
        assert Process(Folder(small_disk / "snapshots", read_only=True)).load(TOPIC, FOREVER, 0) == 300
    filler.unlink()
    process.save()
    assert Process(Folder(small_disk / "snapshots", read_only=True)).load(TOPIC, FOREVER, 0) == 460
    folder.close()


def test_wherever_a_process_is_killed_the_next_one_restores_what_was_acknowledged_or_later_exactly(tmp_path):
    lives = [sys.executable, "-m", "tests.snapshots.lives", tmp_path, "store"]
    done = subprocess.run(lives, check=False, timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

"""What a save of the store promises: what is written, what stays whatever fails, what a restore then finds."""

import subprocess
import sys
from contextlib import suppress
from itertools import count

import pytest
from structlog.testing import capture_logs

from daemon.snapshots import slots
from daemon.snapshots.chunk_store import ChunkStore
from daemon.snapshots.folder import Folder
from daemon.snapshots.medium import EntriesGoneError, MediumError
from daemon.source import Partition
from tests.snapshots.chunk_worlds import FOREVER, TOPIC, begun, fail_at, process_on, restored
from tests.snapshots.memory_medium import Disk, FailingOnce, unavailable
from tests.snapshots.snapshot_world import PARTITION, Process


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


def test_chunks_of_a_failed_save_that_come_late_displace_nothing(disk):
    assert late_write_after(begun(disk)) == 290


def test_the_test_before_fails_where_slots_do_not_rest(disk, monkeypatch):
    monkeypatch.setattr(slots.Slots, "held", property(lambda self: self.newest | self.previous))
    assert late_write_after(begun(disk)) < 290


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

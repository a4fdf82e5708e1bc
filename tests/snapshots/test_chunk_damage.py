"""What the store makes of bytes that are not what was written: it tells, and takes the next older snapshot."""

import tracemalloc
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from daemon.snapshots import chunk_reading, frames
from daemon.snapshots.chunk_store import TRIES_MAX, ChunkStore
from daemon.snapshots.limits import limits_of
from daemon.snapshots.manifests import ChunkRef, encode_manifest
from daemon.snapshots.medium import Entry, MediumError
from daemon.snapshots.names import chunk_name, manifest_name
from daemon.source import Partition
from tests.snapshots.chunk_worlds import (
    FOREVER,
    TOPIC,
    begun,
    chunks_in,
    fail_at,
    process_on,
    refs,
    restored,
    writers_in,
)
from tests.snapshots.memory_medium import Disk, FailingOnce, MemoryMedium
from tests.snapshots.snapshot_world import GROUP, PARTITION, SPEC

HIGHEST = 2**31 - 1


@pytest.fixture(params=[True, False], ids=["topic", "folder"])
def disk(request):
    return Disk(by_place=request.param)


def test_a_manifest_in_the_place_of_another_partition_is_not_believed(disk):
    begun(disk).save()
    for name, value in disk.current().items():
        disk.append(name.replace("/pairs/3/", "/pairs/4/"), value)
    store = ChunkStore(MemoryMedium(disk), GROUP)
    with capture_logs() as logs:
        assert store.load([Partition("pairs", 4)], lambda _: True) == {Partition("pairs", 4): None}
    assert "it tells of another partition, 3" in {line["reason"] for line in logs}


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

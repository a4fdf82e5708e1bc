"""Processes whose stores share one disk, and what lies on it."""

from daemon.snapshots.names import manifest_of
from tests.snapshots.memory_medium import MemoryMedium, unavailable
from tests.snapshots.snapshot_world import Process

TOPIC = "id-1"
FOREVER = 10**9


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


def fail_at(what, operation):
    if operation == what:
        raise unavailable()


def refs(manifest):
    return [ref for sections in manifest.chunks for of_section in sections.values() for ref in of_section]

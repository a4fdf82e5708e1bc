"""Lives that end by SIGKILL at a failpoint, each a fork of this: `python -m tests.snapshots.lives FOLDER store`.

It is a program of its own so that what is forked has no threads, and imports once instead of once a life. It ends with
an AssertionError where a life leaves what must not be.
"""

import os
import signal
import sys
from pathlib import Path

from daemon import failpoints
from daemon.snapshots.folder import Folder
from daemon.snapshots.medium import Place
from daemon.snapshots.names import chunk_name, manifest_name
from tests.snapshots.snapshot_world import PARTITION, Process

CHUNK = chunk_name("group", PARTITION, "00ff" * 4, 0)
MANIFEST = manifest_name("group", PARTITION, "00ff" * 4, 0)
FOREVER = 10**9

STORE_POINTS = (
    "store.chunk_put:1", "store.chunk_put:4", "store.chunk_put:7", "store.chunks_flushed:1", "store.chunks_flushed:2",
    "store.manifest_put:1", "store.manifest_put:2", "store.before_collect:2", "store.after_collect:2",
    "file.written:3", "file.written:9", "file.synced:2", "file.synced:9", "file.renamed:1", "file.renamed:5",
    "file.folder_synced:1", "file.folder_synced:3", "file.folder_synced:4",
)  # fmt: skip
FILE_POINTS = tuple(
    f"file.{point}:{hits}" for point in ("written", "synced", "renamed", "folder_synced") for hits in (1, 2)
)


def die_at(point, work):
    """Run `work` in a fork until it is killed at the point; return the numbers that it told before."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        failpoints._armed = failpoints.parse(f"{point}:kill")
        work(lambda number: os.write(writing, f"{number}\n".encode()))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        numbers = [int(line) for line in told]
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status), f"{point} was not passed"
    assert os.WTERMSIG(status) == signal.SIGKILL
    return numbers


def live_on_a_store(folder):
    """Every life goes on from the one before, and saves twice if it can; nothing acknowledged is ever lost."""

    def work(tell):
        process = Process(Folder(folder))
        process.load("id-1", FOREVER, 0)
        process.topic_id = "id-1"
        for _ in range(2):
            process.deliver(process.next_offset + 70)
            process.save()
            tell(process.next_offset)

    at_least = 0
    for point in STORE_POINTS:
        at_least = max([at_least, *die_at(point, work)])
        offset = Process(Folder(folder, read_only=True)).load("id-1", FOREVER, 0) or 0
        assert offset >= at_least, f"{point}: {offset} restored, {at_least} was acknowledged"
        at_least = offset
    assert at_least > 500


def live_on_a_folder(folder):
    """A file is the old one or the new one wherever the process is killed."""
    old, new, old_manifest, new_manifest = b"old", b"new" * 1000, b"old manifest", b"new manifest" * 100

    def work(_):
        medium = Folder(folder)
        medium.put(PARTITION, CHUNK, new)
        medium.flush()
        medium.put_manifest(PARTITION, MANIFEST, new_manifest)

    for point in FILE_POINTS:
        before = Folder(folder)
        before.put(PARTITION, CHUNK, old)
        before.put_manifest(PARTITION, MANIFEST, old_manifest)
        before.close()
        die_at(point, work)
        after = Folder(folder)
        is_moved, is_second = "renamed" in point or "folder_synced" in point, point.endswith(":2")
        chunk = after.fetch(PARTITION, {CHUNK: Place(0, 0)})[CHUNK]
        (manifest,) = after.manifests([PARTITION])[PARTITION]
        assert chunk == (new if is_moved or is_second else old), point
        assert manifest.value == (new_manifest if is_moved and is_second else old_manifest), point
        assert not list(folder.rglob("*.tmp")), point
        after.close()


if __name__ == "__main__":
    {"store": live_on_a_store, "folder": live_on_a_folder}[sys.argv[2]](Path(sys.argv[1]))

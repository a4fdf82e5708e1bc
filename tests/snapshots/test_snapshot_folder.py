"""A folder as a medium: what it does when the system says no, and what it leaves when the process dies."""

import errno
import os
import resource
import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from daemon.snapshots import folder as folder_module
from daemon.snapshots.folder import FILE_BYTES_MAX, Folder
from daemon.snapshots.medium import EntriesGoneError, MediumError, Place
from daemon.snapshots.names import chunk_name, manifest_name
from daemon.source import Partition

PARTITION = Partition("pairs.of-models_1", 3)
OTHER = Partition("pairs.of-models_1", 30)
WRITER = "00ff" * 4
CHUNK = chunk_name("group", PARTITION, WRITER, 0)
MANIFEST = manifest_name("group", PARTITION, WRITER, 0)


@pytest.fixture
def folder(tmp_path):
    medium = Folder(tmp_path / "made" / "on the way")
    yield medium
    medium.close()


def fetch(medium, name=CHUNK):
    return medium.fetch(PARTITION, {name: Place(0, 0)}).get(name)


def manifests(medium, partition=PARTITION):
    return {entry.name: entry.value for entry in medium.manifests([partition])[partition]}


def files_below(path):
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())


def test_what_was_put_is_fetched_and_what_was_put_again_replaces_it(folder):
    folder.put(PARTITION, CHUNK, b"one")
    assert folder.flush() == {CHUNK: Place(0, 0)}
    folder.put(PARTITION, CHUNK, b"two")
    folder.flush()
    assert fetch(folder) == b"two"
    assert fetch(folder, chunk_name("group", PARTITION, WRITER, 1)) is None


def test_manifests_are_those_of_the_partition_and_of_all_writers_and_groups(folder):
    names = [manifest_name(g, PARTITION, w, n) for g in ("group", "a b") for w in (WRITER, "1" * 16) for n in (0, 1)]
    for name in names:
        folder.put_manifest(PARTITION, name, name.encode())
    folder.put_manifest(OTHER, manifest_name("group", OTHER, WRITER, 0), b"other")
    assert manifests(folder) == {name: name.encode() for name in names}
    assert list(manifests(folder, OTHER).values()) == [b"other"]
    assert manifests(folder, Partition("no", 0)) == {}


def test_what_was_deleted_is_gone_with_its_folder_and_what_never_was_is_no_error(folder, tmp_path):
    folder.put(PARTITION, CHUNK, b"one")
    folder.flush()
    folder.put_manifest(PARTITION, MANIFEST, b"two")
    folder.delete(PARTITION, [CHUNK, chunk_name("group", PARTITION, WRITER, 7)], [MANIFEST])
    assert fetch(folder) is None
    assert manifests(folder) == {}
    assert files_below(tmp_path) == ["made/on the way/lock"]
    assert not list(tmp_path.rglob(WRITER))


def test_files_of_strangers_are_no_entries(folder, tmp_path):
    folder.put_manifest(PARTITION, MANIFEST, b"ours")
    place = tmp_path / "made" / "on the way" / MANIFEST
    for name in ("2", "0.tmp", "00", "x"):
        place.with_name(name).write_bytes(b"strange")
    (place.parent.parent / "no-writer").mkdir()
    (place.parent.parent / "file").write_bytes(b"strange")
    assert manifests(folder) == {MANIFEST: b"ours"}


def test_a_huge_file_is_not_read_whole(folder, tmp_path):
    folder.put_manifest(PARTITION, MANIFEST, b"ours")
    with (tmp_path / "made" / "on the way" / MANIFEST).open("wb") as file:
        file.truncate(1 << 40)
    assert len(manifests(folder)[MANIFEST]) == FILE_BYTES_MAX + 1


def test_a_file_that_the_disk_cannot_read_counts_as_damaged_and_the_others_are_read(folder, monkeypatch):
    second = manifest_name("group", PARTITION, WRITER, 1)
    folder.put_manifest(PARTITION, MANIFEST, b"bad sector")
    folder.put_manifest(PARTITION, second, b"good")
    opened = os.open

    def open_file(path, *flags):
        if str(path).endswith(MANIFEST):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return opened(path, *flags)

    monkeypatch.setattr(folder_module.os, "open", open_file)
    assert manifests(folder) == {MANIFEST: b"", second: b"good"}


def test_what_is_no_file_of_the_folder_counts_as_damaged_and_nobody_waits_for_it(folder, tmp_path):
    base = tmp_path / "made" / "on the way"
    (tmp_path / "secret").write_bytes(b"of somebody else")
    for name in (MANIFEST, CHUNK):
        (base / name).parent.mkdir(parents=True)
    os.mkfifo(base / MANIFEST)  # a reader of it waits for ever
    (base / CHUNK).symlink_to(tmp_path / "secret")
    assert manifests(folder) == {MANIFEST: b""}
    assert fetch(folder) == b""


def test_nothing_is_written_through_a_link(folder, tmp_path):
    base = tmp_path / "made" / "on the way"
    other = tmp_path / "other"
    other.write_bytes(b"of somebody else")
    (base / CHUNK).parent.mkdir(parents=True)
    (base / CHUNK).symlink_to(other)
    (base / f"{CHUNK}.{folder._own}.tmp").symlink_to(other)
    folder.put(PARTITION, CHUNK, b"ours")
    assert (other.read_bytes(), fetch(folder)) == (b"of somebody else", b"ours")


def test_of_more_manifests_than_memory_the_newest_are_read(folder, tmp_path, monkeypatch):
    names = [manifest_name("group", PARTITION, f"{number:016x}", 0) for number in (5, 1, 9, 3)]
    for second, name in enumerate(names):
        folder.put_manifest(PARTITION, name, b"x" * 100)
        os.utime(tmp_path / "made" / "on the way" / name, (second, second))
    monkeypatch.setattr(folder_module, "HELD_BYTES_MAX", 250)
    assert list(manifests(folder)) == names[2:]


def test_a_folder_in_the_place_of_a_file_counts_as_damaged(folder, tmp_path):
    (tmp_path / "made" / "on the way" / MANIFEST).mkdir(parents=True)
    (tmp_path / "made" / "on the way" / CHUNK).mkdir(parents=True)
    assert manifests(folder) == {MANIFEST: b""}
    assert fetch(folder) == b""
    with pytest.raises(MediumError, match="cannot be written: Is a directory"):
        folder.put(PARTITION, CHUNK, b"one")


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (errno.ENOSPC, r"No space left on device\. Make room on the disk"),
        (errno.EDQUOT, r"Make room on the disk"),
        (errno.EROFS, r"Read-only file system\. Let klaxond's user write there"),
        (errno.EIO, r"The disk has a fault"),
    ],
)
def test_what_the_system_refuses_is_a_sentence_and_leaves_the_old_content(
    folder, tmp_path, monkeypatch, code, sentence
):
    folder.put(PARTITION, CHUNK, b"one")
    folder.flush()

    def fsync(handle):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(folder_module.os, "fsync", fsync)
        with pytest.raises(MediumError, match=f"{CHUNK} cannot be written: .*{sentence}"):
            folder.put(PARTITION, CHUNK, b"two")
    assert fetch(folder) == b"one"
    assert [name for name in files_below(tmp_path) if name.endswith(".tmp")] == []


def test_a_file_that_may_not_grow_is_a_medium_error_and_the_old_content_stays(folder):
    """RLIMIT_FSIZE makes a real write fail in the middle, after some bytes."""
    folder.put(PARTITION, CHUNK, b"one")
    folder.flush()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # Python ignores SIGXFSZ
    try:
        with pytest.raises(MediumError, match=r"File too large\. Make room"):
            folder.put(PARTITION, CHUNK, bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert fetch(folder) == b"one"


def test_a_folder_that_was_deleted_under_us_is_made_anew_and_says_that_all_is_gone(folder, tmp_path):
    folder.put(PARTITION, CHUNK, b"one")
    folder.flush()
    (tmp_path / "made").rename(tmp_path / "away")
    assert fetch(folder) is None
    assert manifests(folder) == {}
    with pytest.raises(EntriesGoneError, match="was deleted while klaxond ran"):
        folder.put(PARTITION, CHUNK, b"two")
    folder.put(PARTITION, CHUNK, b"two")
    folder.flush()
    assert fetch(folder) == b"two"


def test_a_path_that_is_a_file_or_below_one_is_a_sentence(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(MediumError, match=r"there is a file where a folder must be\. Check snapshot\.path\."):
        Folder(tmp_path / "file")
    with pytest.raises(MediumError, match=r"there is a file where a folder must be\. Check snapshot\.path\."):
        Folder(tmp_path / "file" / "below")


def test_a_folder_without_permission_is_a_sentence(tmp_path):
    tmp_path.chmod(0o500)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may write everywhere
    try:
        with pytest.raises(MediumError, match="Let klaxond's user write there"):
            Folder(tmp_path / "below")
    finally:
        os.seteuid(user)


def test_a_second_process_on_the_folder_is_told_and_both_work(tmp_path):
    with capture_logs() as logs:
        first = Folder(tmp_path / "shared")
        assert logs == []
        second = Folder(tmp_path / "shared")
    assert [line["event"] for line in logs] == ["the folder of snapshots is shared"]
    second.put_manifest(PARTITION, MANIFEST, b"second")
    assert manifests(first) == {MANIFEST: b"second"}
    first.close()
    second.close()


def test_who_is_alone_sweeps_up_what_was_half_written_and_who_is_not_leaves_it(tmp_path):
    first = Folder(tmp_path)
    half = (tmp_path / CHUNK).with_name("0.123-ab.tmp")
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    second = Folder(tmp_path)
    assert half.exists()
    first.close()
    second.close()
    Folder(tmp_path).close()
    assert not half.exists()


def test_reading_only_makes_and_locks_nothing(tmp_path):
    with pytest.raises(MediumError, match="missing: there is no such folder"):
        Folder(tmp_path / "missing", read_only=True)
    assert files_below(tmp_path) == []
    owner = Folder(tmp_path / "there")
    owner.put_manifest(PARTITION, MANIFEST, b"one")
    before = files_below(tmp_path)
    assert manifests(Folder(tmp_path / "there", read_only=True)) == {MANIFEST: b"one"}
    assert files_below(tmp_path) == before
    owner.close()


def test_no_name_leads_out_of_the_folder(folder):
    for name in ("c/../x", "c//x", "/etc/x", "c/./x", "c/a\0b", "c/ü"):
        with pytest.raises(AssertionError, match="is no name of an entry"):
            folder.put(PARTITION, name, b"")


def test_a_file_is_the_old_one_or_the_new_one_wherever_the_process_is_killed(tmp_path):
    lives = [sys.executable, "-m", "tests.snapshots.lives", tmp_path, "folder"]
    done = subprocess.run(lives, check=False, timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

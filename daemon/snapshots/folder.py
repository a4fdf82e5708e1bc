"""A folder as a medium: one file an entry, written beside its place, synced, moved there; then its folder is synced.

After a crash at any point a file is the old one or the new one, never half of each; what a disk does to it later, the
digests tell.
"""

import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import structlog

from daemon.failpoints import hit
from daemon.snapshots.medium import EntriesGoneError, Entry, MediumError, Place
from daemon.snapshots.names import manifest_of
from daemon.source import Partition

log = structlog.get_logger(__name__)

#: Bytes of a file that are read at most; an entry has fewer, so a longer one is not what was written.
FILE_BYTES_MAX: Final = 1 << 20
#: Of the manifests of one partition that are read at once; the newest are.
HELD_BYTES_MAX: Final = 32 << 20

_NOWHERE: Final = Place(0, 0)
_TEMPORARY: Final = ".tmp"
_LOCK: Final = "lock"
_PART: Final = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}\Z")
#: This file cannot be read, or is none; others may be.
_DAMAGED: Final = (errno.EIO, errno.EISDIR, errno.EBADMSG, errno.ELOOP, errno.ENXIO)


class Folder:
    """Implements Medium. It may be shared: writers have names of their own, and a lock only tells that they do.

    Parameters
    ----------
    path : made where it is missing, its parents too
    read_only : makes, locks and writes nothing

    Raises
    ------
    MediumError
        Where the folder can neither be made nor used; read only, where it is missing.
    """

    kind = "file"

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._own = f"{os.getpid()}-{os.urandom(4).hex()}"  # of this process' temporary files
        self._unsynced: set[Path] = set()
        self._flushed: dict[str, Place] = {}
        self._lock: int | None = None
        if read_only:
            if not path.is_dir():
                raise MediumError(
                    f"{path}: there is no such folder. Either nothing has been saved yet, or it is on another machine "
                    "or has another name there: see snapshot.path of the daemon."
                )
        else:
            with _told("cannot be used", path):
                path.mkdir(parents=True, exist_ok=True)
                self._lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                self._share()

    def put(self, partition: Partition, name: str, value: bytes) -> None:
        """Write and sync a file; its folder is synced by `flush`."""
        del partition
        self._write(name, value)
        self._flushed[name] = _NOWHERE

    def flush(self) -> Mapping[str, Place]:
        """Sync the folders, after which the files are there under their names whatever happens."""
        flushed, self._flushed = self._flushed, {}
        self._sync_folders()
        return flushed

    def put_manifest(self, partition: Partition, name: str, value: bytes) -> None:
        """Write a manifest; the one before in its place is there until the new one is whole."""
        del partition
        self._write(name, value)
        self._sync_folders()

    def manifests(self, partitions: Iterable[Partition]) -> Mapping[Partition, Sequence[Entry]]:
        """Return the files that stand where manifests do; one that cannot be read comes without content."""
        groups = self._listed(self._path / "m")
        return {partition: self._manifests_of(partition, groups) for partition in partitions}

    def fetch(self, partition: Partition, wanted: Mapping[str, Place]) -> Mapping[str, bytes]:
        """Return the chunks that there are."""
        del partition
        found = {name: self._read(self._file(name)) for name in wanted}
        return {name: value for name, value in found.items() if value is not None}

    def delete(self, partition: Partition, chunks: Iterable[str], manifests: Iterable[str]) -> None:
        """Delete files, and the folders of writers that are empty then."""
        del partition
        emptied = set()
        for name in (*manifests, *chunks):
            file = self._file(name)
            with _told("cannot be written", file), suppress(FileNotFoundError, NotADirectoryError):
                file.unlink()
                emptied.add(file.parent)
        for folder in emptied:
            with suppress(OSError):  # it holds other files, or somebody else was faster
                folder.rmdir()

    def close(self) -> None:
        """Let go of the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _share(self) -> None:
        """Hold the lock together with others; who is alone sweeps up what dead processes left half written."""
        if self._lock is None:
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for file in self._path.glob(f"**/*{_TEMPORARY}"):
                file.unlink(missing_ok=True)
            fcntl.flock(self._lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning(
                "the folder of snapshots is shared",
                path=str(self._path),
                hint="Another klaxond uses this folder too. They do not disturb each other, but they share its room. If"
                " it is not meant, give each its own snapshot.path.",
            )
            with suppress(BlockingIOError):
                fcntl.flock(self._lock, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def _write(self, name: str, value: bytes) -> None:
        file = self._file(name)
        temporary = file.with_name(f"{file.name}.{self._own}{_TEMPORARY}")
        with _told("cannot be written", file):
            self._make(file.parent)
            temporary.unlink(missing_ok=True)
            try:
                _write_synced(temporary, value)
                temporary.replace(file)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
            self._unsynced.add(file.parent)
            hit("file.renamed")

    def _make(self, folder: Path) -> None:
        """Make a folder below ours; one that is new must be synced into its parent."""
        if folder.is_dir():
            return
        if not self._path.is_dir():
            self._path.mkdir(parents=True, exist_ok=True)
            raise EntriesGoneError(
                f"{self._path}: the folder of snapshots was deleted while klaxond ran. It is made anew and written from"
                " the beginning; if this is not meant, set snapshot.path to a folder that stays."
            )
        self._make(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir()
        self._unsynced.add(folder.parent)

    def _sync_folders(self) -> None:
        for folder in sorted(self._unsynced):
            with _told("cannot be written", folder):
                handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
        self._unsynced.clear()
        hit("file.folder_synced")

    def _manifests_of(self, partition: Partition, groups: Sequence[str]) -> Sequence[Entry]:
        """Return the newest ones, the oldest of them first; no more bytes than anybody needs."""
        names = []
        for group in groups:
            base = f"m/{group}/{partition.topic}/{partition.number}"
            for writer in self._listed(self._path / base):
                for generation in self._listed(self._path / base / writer):
                    name = f"{base}/{writer}/{generation}"
                    if manifest_of(name):
                        names.append((self._written(self._path / name), name))
        found: list[Entry] = []
        left = HELD_BYTES_MAX
        for _, name in sorted(names, reverse=True):
            value = self._read(self._path / name)
            if value is not None:
                left -= len(value)
                if left < 0:
                    break
                found.append(Entry(name, value))
        return found[::-1]

    def _written(self, file: Path) -> int:
        """When a file was written, in nanoseconds; 0 where it is gone."""
        try:
            return file.lstat().st_mtime_ns
        except OSError:
            return 0

    def _listed(self, folder: Path) -> Sequence[str]:
        with _told("cannot be read", folder):
            try:
                return sorted(entry.name for entry in folder.iterdir())
            except (FileNotFoundError, NotADirectoryError):
                return ()

    def _read(self, file: Path) -> bytes | None:
        """Return a file's bytes; none at all where the disk cannot give them; None where there is no file."""
        with _told("cannot be read", file):
            try:
                return _regular_bytes(file)
            except (FileNotFoundError, NotADirectoryError):
                return None
            except OSError as error:
                if error.errno not in _DAMAGED:
                    raise
                log.warning("a file of a snapshot cannot be read", path=str(file), reason=error.strerror)
                return b""

    def _file(self, name: str) -> Path:
        parts = name.split("/")
        if not all(map(_PART.match, parts)):
            raise AssertionError(f"{name!r} is no name of an entry")
        return self._path.joinpath(*parts)


def _regular_bytes(file: Path) -> bytes:
    """Read a file that is one: no link out of the folder, and nothing that a reader waits for."""
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EBADMSG, "no regular file")
        return stream.read(FILE_BYTES_MAX + 1)


def _write_synced(file: Path, value: bytes) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        view = memoryview(value)
        while view:
            view = view[os.write(handle, view) :]
        hit("file.written")
        os.fsync(handle)
    finally:
        os.close(handle)
    hit("file.synced")


@contextmanager
def _told(what: str, path: Path) -> Iterator[None]:
    """Turn an error of the system into a sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if isinstance(error, FileExistsError | NotADirectoryError):
            reason = "there is a file where a folder must be"
        raise MediumError(f"{path} {what}: {reason}. {_remedy(error.errno)}") from error


def _remedy(code: int | None) -> str:
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "Make room on the disk, or set snapshot.path to a larger one."
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "Let klaxond's user write there, or set snapshot.path to another folder."
    if code == errno.EIO:
        return "The disk has a fault; replace it, or set snapshot.path to another folder."
    return "Check snapshot.path."

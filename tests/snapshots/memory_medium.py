"""A medium in memory, as bad as a real one may be: what is not flushed can be lost, in any part, or come late."""

from dataclasses import dataclass, field

from daemon.snapshots.medium import Entry, MediumError, Place
from daemon.snapshots.names import manifest_of


class CrashError(BaseException):
    """The process has died; nothing in the daemon may catch it."""


@dataclass
class Disk:
    """What outlives processes: a log of (name, value), of which superseded ones may vanish. None: deleted."""

    log: list = field(default_factory=list)  # index = offset; (name, value), or None where it was compacted away
    by_place: bool = True  # as a topic, where what was overwritten is still there for a while; else as a folder

    def append(self, name, value):
        self.log.append((name, value))
        if not self.by_place:
            self.compact()
        return Place(0, len(self.log) - 1 if self.by_place else 0)

    def current(self):
        """Name -> value as a reader of the whole log sees it."""
        entries = dict(entry for entry in self.log if entry is not None)
        return {name: value for name, value in entries.items() if value is not None}

    def at(self, name, place):
        if not self.by_place:
            return self.current().get(name)
        entry = self.log[place.offset] if place.offset < len(self.log) else None
        return entry[1] if entry is not None and entry[0] == name else None

    def compact(self):
        newest = {entry[0]: offset for offset, entry in enumerate(self.log) if entry is not None}
        self.log = [entry if entry and newest[entry[0]] == offset else None for offset, entry in enumerate(self.log)]


class MemoryMedium:
    """Implements Medium over a Disk, for one process.

    `before(operation)` is called before each operation and may do anything: raise MediumError or CrashError, or let
    other processes run meanwhile, as when this one is stopped.
    """

    kind = "memory"

    def __init__(self, disk, before=lambda operation: None):
        self.disk = disk
        self.before = before
        self.unflushed = []  # (name, value) that were handed over: each may be durable, or be so later, or never

    def put(self, partition, name, value):
        self._begin("put", name, value)
        self.unflushed.append((name, value))

    def flush(self):
        self._begin("flush")
        places = {name: self.disk.append(name, value) for name, value in self.unflushed}
        self.unflushed = []
        return places

    def put_manifest(self, partition, name, value):
        self._begin("put_manifest", name, value)
        self.disk.append(name, value)
        self.before("manifest_is_put")

    def manifests(self, partitions):
        self._begin("manifests")
        found = {partition: [] for partition in partitions}
        for name, value in self.disk.current().items():
            parsed = manifest_of(name)
            if parsed is not None and parsed.partition in found:
                found[parsed.partition].append(Entry(name, value))
        return found

    def fetch(self, partition, wanted):
        self._begin("fetch")
        found = {}
        for name, place in wanted.items():
            value = self.disk.at(name, place)
            if value is not None:
                found[name] = value
        return found

    def delete(self, partition, chunks, manifests):
        self._begin("delete")
        for name in (*chunks, *manifests):
            if name in self.disk.current():
                self.disk.append(name, None)

    def close(self):
        pass

    def lose(self, kept):
        """The process has died: of what was not flushed only what `kept` says (a bool each) is durable."""
        for (name, value), is_kept in zip(self.unflushed, kept, strict=False):
            if is_kept:
                self.disk.append(name, value)
        self.unflushed = []

    def _begin(self, operation, name="", value=b""):
        assert len(name) <= 400
        assert len(value) <= 1 << 20
        self.before(operation)


class FailingOnce:
    """Raises at the n-th operation from now on, once; then the medium works again."""

    def __init__(self, operations, error):
        self.left = operations
        self.error = error

    def __call__(self, operation):
        self.left -= 1
        if self.left == 0:
            raise self.error


def unavailable():
    return MediumError("the medium is away")

"""What a store keeps its bytes in: named entries, some of them manifests. A folder, or a compacted topic.

The protocol above it (chunks first, then the manifest; never overwrite what the newest manifests name) is the same for
both, and is what the simulation tests.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from daemon.errors import OperatingError
from daemon.source import Partition


class MediumError(OperatingError):
    """The medium could not be read or written now; the message says which, why, and what to do. Try again later."""


class EntriesGoneError(MediumError):
    """Nothing that was written before is there any more: the topic was deleted, and perhaps made anew.

    Raised once, by the method that notices. No entry of before may be named by a later manifest.
    """


class Place(NamedTuple):
    """Where an entry was written, so that it is found without a search; a folder needs no place and uses (0, 0)."""

    part: int  # partition of the changelog
    offset: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One manifest as it was found: its name and its bytes, intact or not."""

    name: str
    value: bytes


class Medium(Protocol):
    """Used by one thread. Every method may raise MediumError.

    Names consist of letters, digits, `._-/` and are at most 400 characters. Values are at most CHUNK_BYTES_MAX.
    """

    #: what `restores_total` calls it: "changelog" or "file"
    kind: str

    def put(self, partition: Partition, name: str, value: bytes) -> None:
        """Hand over a chunk of a source partition's snapshot; durable only after `flush`."""

    def flush(self) -> Mapping[str, Place]:
        """Wait until all that was put since the last flush is durable; where each entry now is."""

    def put_manifest(self, partition: Partition, name: str, value: bytes) -> None:
        """Write a manifest, and wait until it is durable."""

    def manifests(self, partitions: Iterable[Partition]) -> Mapping[Partition, Sequence[Entry]]:
        """Return every manifest of these source partitions, of all writers, in no order; one look for all."""

    def fetch(self, partition: Partition, wanted: Mapping[str, Place]) -> Mapping[str, bytes]:
        """Return the entries that are still there, by name; what was overwritten or deleted may be left out."""

    def delete(self, partition: Partition, chunks: Iterable[str], manifests: Iterable[str]) -> None:
        """Delete entries; those that are not there are no error. Need not be durable at once."""

    def close(self) -> None:
        """Let go of connections and files."""

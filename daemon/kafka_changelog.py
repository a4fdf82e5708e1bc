"""Snapshots in a compacted topic: partition 0 holds the manifests, the others the chunks.

A record's key is `topic/partition/name`: compaction keeps the newest record of each name, and what belongs to a
source partition is told from the key alone. Manifests are read from the beginning of their partition to its end;
chunks only where the manifest says that they are, so that a restore does not read the topic.
"""

import contextlib
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import structlog
from kafka import TopicPartition
from kafka.errors import KafkaError

from daemon import kafka_guards
from daemon.errors import OperatingError, UsageError
from daemon.kafka_changelog_reader import ChangelogReader, changelog_reader_arguments
from daemon.kafka_changelog_topic import failure_in_words, misuse, opened, problems
from daemon.kafka_changelog_writer import ChangelogWriter, writer_arguments
from daemon.kafka_logs import protect_logs, quieten_logs
from daemon.kafka_options import KafkaOptions
from daemon.kafka_requirements import require_client
from daemon.kafka_security import client_arguments
from daemon.snapshots.medium import EntriesGoneError, Entry, MediumError, Place
from daemon.source import Partition

log = structlog.get_logger(__name__)

_MANIFESTS: Final = 0


class Changelog:
    """See the Medium protocol. The constructor returns at once, brokers or none; the topic is made when first used.

    It has a producer from the first write on, and a consumer from the first read on. Whatever fails ends both, so that
    the next try starts with nothing that may be stale. `read_only`: a topic that is missing is not made, but a
    MediumError. Raises UsageError for a topic of records.
    """

    kind = "changelog"

    def __init__(self, options: KafkaOptions, topic: str, *, read_only: bool = False) -> None:
        if problem := misuse(topic, options):
            raise UsageError(problem)
        require_client()
        kafka_guards.install()
        protect_logs(options.security.secrets())
        quieten_logs(topic)
        self._options = options
        self._topic = topic
        self._read_only = read_only
        self._connection = client_arguments(options.security)
        self._writer: ChangelogWriter | None = None
        self._reader: ChangelogReader | None = None
        self._parts = 0  # 0: the brokers must be asked for the topic
        self._topic_id = ""
        self._newest: dict[int, int] = {}  # offset of our newest record by part
        self._told: set[str] = set()

    def put(self, partition: Partition, name: str, value: bytes) -> None:
        """Hand over a chunk; wait while too much is under way."""
        with self._in_words():
            self._writing().put(self._part_of(partition), _key(partition, name), value)

    def flush(self) -> Mapping[str, Place]:
        """Wait for every acknowledgement; return where the chunks are."""
        with self._in_words():
            return {_name(key): place for key, place in self._settle(self._writing()).items()}

    def put_manifest(self, partition: Partition, name: str, value: bytes) -> None:
        """Write a manifest and wait for its acknowledgement."""
        with self._in_words():
            writer = self._writing()
            writer.put(_MANIFESTS, _key(partition, name), value)
            self._settle(writer)

    def manifests(self, partitions: Iterable[Partition]) -> Mapping[Partition, Sequence[Entry]]:
        """Return the manifests of some partitions, whichever group and writer they are of."""
        prefixes = {_key(partition, ""): partition for partition in partitions}
        with self._in_words():
            values = self._reading().newest(_MANIFESTS, lambda key: _prefix(key) in prefixes)
        found: dict[Partition, list[Entry]] = {partition: [] for partition in prefixes.values()}
        for key, value in values.items():
            with contextlib.suppress(UnicodeDecodeError):  # no name of ours
                found[prefixes[_prefix(key)]].append(Entry(_name(key), value))
        return found

    def fetch(self, partition: Partition, wanted: Mapping[str, Place]) -> Mapping[str, bytes]:
        """Return the chunks that still are where they were written."""
        with self._in_words():
            reader = self._reading()
            places: dict[TopicPartition, dict[int, bytes]] = {}
            for name, place in wanted.items():
                if 0 <= place.part < self._parts:  # else it is of a topic that had more partitions
                    at = places.setdefault(TopicPartition(self._topic, place.part), {})
                    at[place.offset] = _key(partition, name)
            return {_name(key): value for key, value in reader.at(places).items()}

    def delete(self, partition: Partition, chunks: Iterable[str], manifests: Iterable[str]) -> None:
        """Delete entries: chunks first, because nothing but a manifest tells that they exist."""
        with self._in_words():
            writer = self._writing()
            for name in chunks:
                writer.put(self._part_of(partition), _key(partition, name), None)
            self._settle(writer)
            for name in manifests:
                writer.put(_MANIFESTS, _key(partition, name), None)
            self._settle(writer)

    def close(self) -> None:
        """Let go of everything within seconds; what is not acknowledged may be lost."""
        self._start_anew()
        if "sasl_oauth_token_provider" in self._connection:
            self._connection["sasl_oauth_token_provider"].close()

    def _writing(self) -> ChangelogWriter:
        self._open()
        if self._writer is None:
            self._writer = ChangelogWriter(self._topic, writer_arguments(self._options, self._connection))
        return self._writer

    def _reading(self) -> ChangelogReader:
        self._open()
        if self._reader is None:
            arguments = changelog_reader_arguments(self._options, self._connection)
            self._reader = ChangelogReader(self._topic, arguments)
        return self._reader

    def _open(self) -> None:
        """Look at the topic, and make it, unless that was done and nothing has failed since."""
        if self._parts:
            return
        facts = opened(self._options, self._topic, may_make=not self._read_only)
        for problem in problems(facts, self._options):
            if problem not in self._told:
                self._told.add(problem)
                log.warning("the topic for snapshots is not set up as it should be", problem=problem)
        known, self._topic_id, self._parts = self._topic_id, facts.topic_id, facts.partitions
        if known not in ("", facts.topic_id):
            raise self._gone("the topic was made anew")

    def _settle(self, writer: ChangelogWriter) -> Mapping[bytes, Place]:
        """Wait for acknowledgements, and see by them that it still is the log that we know."""
        places = writer.settle()
        for place in sorted(places.values()):
            if place.offset <= self._newest.get(place.part, -1):
                raise self._gone("the log is shorter than it was")
            self._newest[place.part] = place.offset
        if str(writer.topic_id()) not in ("None", self._topic_id):
            raise self._gone("the topic was made anew")
        return places

    def _gone(self, reason: str) -> EntriesGoneError:
        self._newest.clear()
        self._topic_id = ""
        return EntriesGoneError(f"topic {self._topic} for snapshots: {reason}; snapshots are written whole again")

    def _part_of(self, partition: Partition) -> int:
        """Chunks of one source partition are together, so that few partitions are read to restore it."""
        if self._parts == 1:
            return _MANIFESTS
        return 1 + zlib.crc32(f"{partition.topic}/{partition.number}".encode()) % (self._parts - 1)

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        """Turn every failure into a MediumError, and start anew after it."""
        try:
            yield
        except MediumError:
            self._start_anew()
            raise
        # ValueError: a partition that the client does not know of, where the topic was made anew with fewer.
        except (KafkaError, kafka_guards.PoisonedBatchError, OperatingError, KeyError, ValueError) as failure:
            self._start_anew()
            raise MediumError(failure_in_words(failure, self._topic, self._options)) from failure

    def _start_anew(self) -> None:
        self._parts = 0
        reader, self._reader = self._reader, None
        writer, self._writer = self._writer, None
        if reader is not None:
            reader.close()
        if writer is not None:
            writer.abandon()


def _key(partition: Partition, name: str) -> bytes:
    return f"{partition.topic}/{partition.number}/{name}".encode()


def _prefix(key: bytes) -> bytes:
    """Return what tells the source partition; a topic's name has no slash. Empty where it is no key of ours."""
    topic, _, rest = key.partition(b"/")
    number, slash, _ = rest.partition(b"/")
    return b"%b/%b/" % (topic, number) if slash else b""


def _name(key: bytes) -> str:
    return key.split(b"/", 2)[2].decode()

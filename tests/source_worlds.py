"""A log, its brokers and members of a group, real or in memory, driven by one interface: what contract tests need."""

import itertools
import time

from kafka import KafkaProducer, TopicPartition

from daemon.clock import SystemClock
from daemon.kafka_options import KafkaOptions
from daemon.kafka_source import KafkaSource
from daemon.memory_log import MemoryLog
from daemon.memory_source import MemorySource
from daemon.source import Assigned

_NUMBERS = itertools.count()


class Member:
    """A source, and everything that it has told and delivered."""

    def __init__(self, make):
        self.changes = []
        self.records = {}
        self.gaps = []
        self.recreated = []
        self.truncated = []
        self.source = make(self.changes.append)

    @property
    def owned(self):
        """What the changes leave in our hands."""
        owned = set()
        for change in self.changes:
            owned = owned | set(change.partitions) if isinstance(change, Assigned) else owned - set(change.partitions)
        return owned

    def poll(self, timeout_s=0.1):
        """Poll once and keep what it brought."""
        polled = self.source.poll(timeout_s)
        self.recreated += [void.partition for void in polled.recreated]
        self.truncated += [
            (void.partition, void.truncated_at) for void in polled.recreated if void.truncated_at is not None
        ]
        self.gaps += polled.gaps
        for batch in polled.batches:
            rows = zip(batch.offsets.tolist(), batch.timestamps_ms.tolist(), batch.values, strict=True)
            self.records.setdefault(batch.partition, []).extend(rows)
        return polled

    def values(self, partition):
        """Values that were delivered of a partition."""
        return [value for _, _, value in self.records.get(partition, [])]

    def offsets(self, partition):
        """Offsets that were delivered of a partition."""
        return [offset for offset, _, _ in self.records.get(partition, [])]


def until(condition, *members, what="", timeout_s=20.0):
    """Poll the members in turns until the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what or condition}"
        for member in members:
            member.poll()


class MemoryWorld:
    """Everything in memory."""

    def __init__(self):
        self.log = MemoryLog()

    def create_topic(self, partitions=1):
        """Make a topic of its own for each call."""
        topic = f"topic-{next(_NUMBERS)}"
        self.log.create_topic(topic, partitions)
        return topic

    def add_partitions(self, topic, partitions):
        """Grow a topic to so many partitions."""
        self.log.create_topic(topic, partitions)

    def append(self, partition, values, timestamps_ms=None, headers=()):
        """Append records and return the first offset."""
        return self.log.append(partition, values, timestamps_ms, headers)

    def append_transaction(self, partition, values, *, commit):
        """Append a transaction; its end takes an offset of its own."""
        if commit:
            self.log.append(partition, values)
        else:
            for _ in values:
                self.log.append_control(partition)
        self.log.append_control(partition)

    def expire(self, partition, begin):
        """Delete the records below `begin`."""
        self.log.expire(partition, begin)

    def recreate(self, topic):
        """Delete a topic and make it anew."""
        self.log.recreate_topic(topic)

    def member(self, topic, group="group", **options):
        """Make a member of a group."""
        return Member(lambda put: MemorySource(self.log, group, [topic], put, SystemClock(), **options))

    def close(self, *members):
        """End the members."""
        for member in members:
            member.source.close(1.0)


class _NotUtf8(str):
    """A header's name as no honest client would write it."""

    __slots__ = ()

    def encode(self, *_):
        return b"\xff\xfe"


class KafkaWorld:
    """The real broker."""

    def __init__(self, broker):
        self.broker = broker

    def create_topic(self, partitions=1):
        """Make a topic of its own for each call."""
        topic = f"topic-{time.time_ns()}"
        self.broker.create_topic(topic, partitions)
        return topic

    def add_partitions(self, topic, partitions):
        """Grow a topic to so many partitions."""
        self.broker.admin.create_partitions({topic: partitions})

    def append(self, partition, values, timestamps_ms=None, headers=()):
        """Append records and return the first offset."""
        rows = [list(headers)] * len(values)
        return self.broker.produce(partition.topic, values, partition.number, timestamps_ms, headers=rows)

    def append_transaction(self, partition, values, *, commit):
        """Append a transaction; its end takes an offset of its own."""
        producer = KafkaProducer(
            bootstrap_servers=self.broker.bootstrap_servers, transactional_id=f"writer-{time.time_ns()}"
        )
        producer.init_transactions()
        producer.begin_transaction()
        for value in values:
            producer.send(partition.topic, value=value, partition=partition.number)
        producer.flush()
        (producer.commit_transaction if commit else producer.abort_transaction)()
        producer.close()

    def append_unparsable(self, partition):
        """Append one batch of five records; the third has a header that the client cannot parse."""
        producer = KafkaProducer(bootstrap_servers=self.broker.bootstrap_servers, linger_ms=500)
        for index in range(5):
            headers = [(_NotUtf8("name"), b"x")] if index == 2 else []
            producer.send(partition.topic, value=b"%d" % index, partition=partition.number, headers=headers)
        producer.close()

    def expire(self, partition, begin):
        """Delete the records below `begin`."""
        self.broker.admin.delete_records({TopicPartition(*partition): begin})

    def recreate(self, topic):
        """Delete a topic and make it anew, so quickly that no metadata shows it missing."""
        partitions = len(self.broker.admin.describe_topics([topic])[0]["partitions"])
        self.broker.admin.delete_topics([topic])
        self.broker.create_topic(topic, partitions)

    def options(self, topic, group="group", **options):
        """Return quick options for one topic; groups of different topics are different."""
        return KafkaOptions(
            **{
                "bootstrap_servers": (self.broker.bootstrap_servers,),
                "group_id": f"{group}-{topic}",
                "topics": (topic,),
                "session_timeout_s": 6.0,
                "heartbeat_interval_s": 0.2,
                "metadata_max_age_s": 1.0,
            }
            | options
        )

    def member(self, topic, group="group", **options):
        """Make a member of a group."""
        return Member(lambda put: KafkaSource(self.options(topic, group, **options), put, SystemClock()))

    def close(self, *members):
        """End the members."""
        for member in members:
            member.source.close(3.0)


def resumed(world, topic, *others, at=0, **options):
    """Return a new member that owns partitions and reads them from an offset on."""
    member = world.member(topic, **options)
    until(lambda: member.owned, member, *others, what="an assignment")
    for partition in member.owned:
        assert member.source.resume_at(partition, at)
    return member

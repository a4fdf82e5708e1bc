"""Faults of the changelog: deleted, half of it gone, garbage, compacted under a reader."""

import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from tests.faults.daemon_faults import kill_all


def delete(world):
    """Delete the topic, and kill all daemons: nothing is left but the source's log."""
    world.cluster.ask(lambda admin: admin.delete_topics([world.changelog]))
    time.sleep(world.dice.choice((0.0, 4.0)))
    kill_all(world)
    return "then all daemons killed"


def halve(world):
    """Delete every second entry by a tombstone."""
    keys = sorted(_entries(world))
    chosen = world.dice.sample(keys, len(keys) // 2)
    _write(world, [(place, key, None) for place, key in chosen])
    kill_all(world)
    return f"{len(chosen)} of {len(keys)}, then all daemons killed"


def garble(world):
    """Write noise over a third of the entries, and under keys of no meaning."""
    entries = _entries(world)
    chosen = world.dice.sample(sorted(entries), len(entries) // 3)
    rows = [(place, key, _noise(world, entries[place, key])) for place, key in chosen]
    rows += [(0, world.dice.randbytes(20), world.dice.randbytes(2000)) for _ in range(20)]
    _write(world, rows)
    kill_all(world)
    return f"{len(chosen)} of {len(entries)}, then all daemons killed"


def compact(world):
    """Let the cleaner run all the time, and kill all daemons: they read while it works."""
    eager = {
        "segment.ms": "1000",
        "min.cleanable.dirty.ratio": "0.01",
        "max.compaction.lag.ms": "1000",
        "delete.retention.ms": "0",
    }
    set_config(world.cluster, world.changelog, eager)
    time.sleep(3)
    kill_all(world)
    return "then all daemons killed"


def set_config(cluster, topic, values):
    """Change a topic's configuration."""
    cluster.ask(lambda admin: admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, values)]))


def _noise(world, value):
    """Return other bytes: one bit turned, cut short, or nothing that was there before."""
    if value and world.dice.random() < 0.4:
        at = world.dice.randrange(len(value))
        return value[:at] + bytes([value[at] ^ (1 << world.dice.randrange(8))]) + value[at + 1 :]
    if value and world.dice.random() < 0.5:
        return value[: world.dice.randrange(len(value))]
    return world.dice.randbytes(world.dice.randrange(1, 5000))


def _entries(world):
    """The newest value of each key as {(partition, key): value}."""
    consumer = KafkaConsumer(
        bootstrap_servers=world.cluster.bootstrap_servers, auto_offset_reset="earliest", api_version=(2, 8)
    )
    try:
        parts = [TopicPartition(world.changelog, number) for number in consumer.partitions_for_topic(world.changelog)]
        consumer.assign(parts)
        ends = consumer.end_offsets(parts)
        found, deadline = {}, time.monotonic() + 60
        while any(consumer.position(part) < ends[part] for part in parts) and time.monotonic() < deadline:
            for part, records in consumer.poll(500).items():
                for record in records:
                    found[part.partition, record.key] = record.value
        return {key: value for key, value in found.items() if value is not None}
    finally:
        consumer.close(timeout_ms=2000)


def _write(world, rows):
    producer = KafkaProducer(
        bootstrap_servers=world.cluster.bootstrap_servers, acks="all", enable_idempotence=False, api_version=(2, 8)
    )
    for place, key, value in rows:
        producer.send(world.changelog, key=key, value=value, partition=place)
    producer.flush(timeout=30)
    producer.close(timeout=3)

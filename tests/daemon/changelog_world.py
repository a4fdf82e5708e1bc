"""What the tests of the changelog share: two source partitions, and writing to them."""

import time

from daemon.kafka_options import KafkaOptions
from daemon.source import Partition

KAFKA = KafkaOptions(bootstrap_servers=("127.0.0.1:1",), group_id="g", topics=("pairs",))
ONE, OTHER = Partition("pairs", 0), Partition("pairs", 1)


def named(what="changelog"):
    return f"{what}-{time.time_ns()}"


def written(medium, partition, values):
    """Put and flush; where the chunks are."""
    for name, value in values.items():
        medium.put(partition, name, value)
    return medium.flush()

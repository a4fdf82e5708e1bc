"""A log that has lost its end, as after an unclean election: a client that starts above the cut is told where it is."""

import pytest

from daemon.source import Partition
from tests.source_worlds import KafkaWorld, resumed, until


@pytest.mark.kafka
def test_a_start_above_a_truncation_is_told_where_the_log_was_cut(kafka_broker):
    world = KafkaWorld(kafka_broker)
    topic = world.create_topic()
    partition = Partition(topic, 0)
    world.append(partition, [b"a"] * 4)
    cut = world.append(partition, [b"lost"] * 5)
    member = resumed(world, topic)
    until(lambda: len(member.values(partition)) == 9, member)
    epoch = member.source.leader_epoch(partition)
    world.close(member)
    segment = kafka_broker.server.data_folder / f"{topic}-0" / f"{0:020}.log"
    try:
        kafka_broker.kill()
        data = segment.read_bytes()
        segment.write_bytes(data[: batch_at(data, cut)])
    finally:
        kafka_broker.restart()
    world.append(partition, [b"b"] * 20)  # longer than what was read
    after = world.member(topic, group="after")
    until(lambda: after.owned, after)
    assert after.source.resume_at(partition, 9, epoch)
    until(lambda: after.truncated, after, what="a truncation")
    assert after.truncated == [(partition, cut)]
    assert after.source.resume_at(partition, cut, epoch)
    until(lambda: len(after.values(partition)) == 20, after)
    assert after.values(partition) == [b"b"] * 20
    # The control: without the epoch the same start reads on, and nobody is told that five records were others.
    assert after.source.resume_at(partition, 9)
    until(lambda: len(after.values(partition)) == 35, after)
    assert len(after.truncated) == 1
    world.close(after)


def batch_at(data, offset):
    """Position in a segment of the batch that begins at an offset."""
    position = 0
    while int.from_bytes(data[position : position + 8]) != offset:
        position += 12 + int.from_bytes(data[position + 8 : position + 12])
    return position

"""Ranges of a real log without a group: every record of the range once, and what can't be read told as gaps."""

import time

import pytest

from daemon import kafka_range
from daemon.errors import OperatingError
from daemon.kafka_range import RangeReader
from daemon.source import Gap, Partition, SourceUnavailableError
from tests.source_worlds import KafkaWorld

pytestmark = pytest.mark.kafka


@pytest.fixture
def world(kafka_broker):
    """The real broker."""
    return KafkaWorld(kafka_broker)


def read(reader, partition, first, end):
    """Values by offset, and gaps."""
    values, gaps = {}, []
    for item in reader.read(partition, first, end):
        if isinstance(item, Gap):
            gaps.append(item)
        else:
            values |= dict(zip(item.offsets.tolist(), item.values, strict=True))
    return values, gaps


def test_a_range_holds_exactly_its_records_however_often_and_of_whichever_partition_it_is_asked(world):
    topic = world.create_topic(2)
    zero, one = Partition(topic, 0), Partition(topic, 1)
    world.append(zero, [b"%d" % index for index in range(5000)])
    world.append(one, [b"one"])
    with RangeReader(world.options(topic)) as reader:
        for first, end in ((10, 4990), (0, 5000), (4999, 5000), (7, 7)):
            values, gaps = read(reader, zero, first, end)
            assert values == {offset: b"%d" % offset for offset in range(first, end)}
            assert gaps == []
        assert read(reader, one, 0, 1) == ({0: b"one"}, [])
        assert (reader.beginning_offset(zero), reader.end_offset(zero)) == (0, 5000)
    # No group was joined, and nothing was committed.
    assert not any(topic in group["group_id"] for group in world.broker.admin.list_groups())


def test_a_time_leads_to_the_first_record_at_or_after_it(world):
    topic = world.create_topic()
    now_ms = int(time.time() * 1000)
    world.append(Partition(topic, 0), [b"a", b"b", b"c"], [now_ms - 3000, now_ms - 2000, now_ms - 1000])
    with RangeReader(world.options(topic)) as reader:
        asked = [now_ms - 9000, now_ms - 2000, now_ms - 1999, now_ms]
        assert [reader.offset_for_time(Partition(topic, 0), each) for each in asked] == [0, 1, 2, None]


def test_ends_of_transactions_take_offsets_and_aborted_records_are_not_in_the_range(world):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    world.append_transaction(partition, [b"kept"], commit=True)
    world.append_transaction(partition, [b"void"], commit=False)
    with RangeReader(world.options(topic)) as reader:
        assert read(reader, partition, 0, reader.end_offset(partition)) == ({0: b"kept"}, [])


def test_a_batch_that_cannot_be_parsed_is_a_gap_as_the_daemon_has_it(world):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    world.append_unparsable(partition)
    world.append(partition, [b"next"])
    with RangeReader(world.options(topic)) as reader:
        values, gaps = read(reader, partition, 0, 6)
        assert values == {0: b"0", 1: b"1", 5: b"next"}
        assert gaps == [Gap(partition, 2, 5, "corrupt")]
        assert read(reader, partition, 0, 4)[1] == [Gap(partition, 2, 4, "corrupt")]


def test_records_deleted_before_they_are_read_are_a_gap(world):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    world.append(partition, [b"%d" % index for index in range(10)])
    world.expire(partition, 4)
    with RangeReader(world.options(topic)) as reader:
        values, gaps = read(reader, partition, 1, 10)
        assert (sorted(values), gaps) == (list(range(4, 10)), [Gap(partition, 1, 4, "out_of_range")])
        assert read(reader, partition, 0, 3) == ({}, [Gap(partition, 0, 3, "out_of_range")])


def test_a_log_that_is_shorter_than_the_range_is_told(world):
    topic = world.create_topic()
    world.append(Partition(topic, 0), [b"only"])
    with RangeReader(world.options(topic)) as reader, pytest.raises(OperatingError, match="run verify again"):
        read(reader, Partition(topic, 0), 5, 10)


def test_brokers_that_fall_silent_are_given_up_with_the_offset(world, monkeypatch):
    topic = world.create_topic()
    world.append(Partition(topic, 0), [b"x"])
    monkeypatch.setattr(kafka_range, "PATIENCE_SECONDS", 1.0)
    with (
        world.broker.proxy() as proxy,
        RangeReader(world.options(topic, bootstrap_servers=(proxy.address,))) as reader,
    ):
        assert read(reader, Partition(topic, 0), 0, 1) == ({0: b"x"}, [])
        proxy.mode = "hole"
        began = time.monotonic()
        with pytest.raises(SourceUnavailableError, match="after offset 0"):
            read(reader, Partition(topic, 0), 0, 1)
        assert time.monotonic() - began < 5
        proxy.mode = "pass"

"""What every Source promises, held against the one on a real Kafka and the one in memory."""

import pytest

from daemon.source import Assigned, Gap, Partition, Revoked
from tests.source_worlds import KafkaWorld, MemoryWorld, resumed, until


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def world(request):
    """Each kind of log."""
    if request.param == "memory":
        return MemoryWorld()
    return KafkaWorld(request.getfixturevalue("kafka_broker"))


def test_assigned_partitions_are_held_until_they_are_resumed_and_then_read_exactly_from_there(world):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    world.append(partition, [b"a", b"b", None, b"d"], [1000, 3000, 2000, 4000])
    member = world.member(topic)
    until(lambda: member.owned, member)
    assert member.changes == [Assigned((partition,))]
    for _ in range(5):
        assert member.poll().batches == ()
    assert member.source.resume_at(partition, 1)
    until(lambda: len(member.values(partition)) == 3, member)
    member.poll()
    assert member.records == {partition: [(1, 3000, b"b"), (2, 2000, None), (3, 4000, b"d")]}
    assert member.source.position(partition) == 4
    assert member.source.high_watermark(partition) == 4
    assert member.source.health().joined
    assert member.source.health().reachable
    world.close(member)


def test_resuming_again_reads_again_from_there(world):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    world.append(partition, [b"a", b"b", b"c"])
    member = resumed(world, topic)
    until(lambda: member.values(partition) == [b"a", b"b", b"c"], member)
    member.source.resume_at(partition, 2)
    until(lambda: member.values(partition) == [b"a", b"b", b"c", b"c"], member)
    world.close(member)


def test_headers_come_only_to_those_who_ask(world):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    world.append(partition, [b"a"], headers=[("kind", b"pair")])
    for want in (True, False):
        member = world.member(topic, group=f"headers-{want}", want_headers=want)
        until(lambda member=member: member.owned, member)
        member.source.resume_at(partition, 0)
        batches = ()
        while not batches:
            batches = member.poll().batches
        headers = batches[0].headers
        assert (headers and [tuple(row) for row in headers]) == ([(("kind", b"pair"),)] if want else None)
        world.close(member)


def test_the_log_tells_its_offsets_and_times(world):
    topic = world.create_topic(2)
    filled, empty = Partition(topic, 0), Partition(topic, 1)
    world.append(filled, [b"a", b"b", b"c"], [5000, 9000, 7000])
    member = world.member(topic)
    until(lambda: member.owned, member)
    source = member.source
    assert source.committed([filled, empty]) == {filled: None, empty: None}
    assert (source.beginning_offset(filled), source.end_offset(filled)) == (0, 3)
    assert source.largest_timestamp_ms(filled) == 9000
    assert [source.offset_for_time(filled, at) for at in (0, 5000, 5001, 9000, 9001)] == [0, 0, 1, 1, None]
    assert (source.beginning_offset(empty), source.end_offset(empty)) == (0, 0)
    assert source.largest_timestamp_ms(empty) is None
    assert source.offset_for_time(empty, 0) is None
    assert source.high_watermark(filled) == 3
    assert source.partition_count(topic) == 2
    assert source.partition_count("no-such-topic") is None
    world.close(member)


def test_what_is_not_ours_is_not_resumed_and_has_no_position(world):
    topic = world.create_topic()
    member = resumed(world, topic)
    stranger = Partition(topic, 7)
    assert member.source.resume_at(stranger, 0) is False
    assert member.source.position(stranger) is None
    assert member.source.high_watermark(stranger) is None
    world.close(member)


def test_commits_are_stored_for_what_is_ours_and_never_go_backwards(world):
    topic = world.create_topic()
    partition, stranger = Partition(topic, 0), Partition(topic, 7)
    world.append(partition, [b"x"] * 9)
    member = resumed(world, topic)
    assert member.source.commit({partition: 7, stranger: 3})
    assert member.source.committed([partition]) == {partition: 7}
    assert member.source.commit({partition: 4})
    assert member.source.committed([partition]) == {partition: 7}
    assert member.source.commit({partition: 8})
    world.close(member)
    other = resumed(world, topic)
    assert other.source.committed([partition]) == {partition: 8}
    assert other.source.commit({partition: 5})
    assert other.source.committed([partition]) == {partition: 8}
    world.close(other)


def test_a_stored_offset_that_was_declared_void_may_be_undercut(world):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    world.append(partition, [b"x"] * 9)
    member = resumed(world, topic)
    member.source.commit({partition: 8})
    member.source.forget_committed(partition)
    assert member.source.commit({partition: 3})
    assert member.source.committed([partition]) == {partition: 3}
    world.close(member)


def test_a_second_member_takes_over_from_where_the_first_one_committed_nothing_lost_nothing_twice(world):
    topic = world.create_topic(4)
    partitions = [Partition(topic, number) for number in range(4)]
    for partition in partitions:
        world.append(partition, [b"%d-%d" % (partition.number, index) for index in range(5)])
    first = resumed(world, topic)
    assert first.owned == set(partitions)
    until(lambda: all(len(first.values(part)) == 5 for part in partitions), first)
    first.source.stage_commit(dict.fromkeys(partitions, 5))
    second = world.member(topic)
    until(lambda: len(first.owned) == len(second.owned) == 2, first, second)
    moved = second.owned
    assert first.owned | moved == set(partitions)
    revoked = [change for change in first.changes if isinstance(change, Revoked)]
    assert {part for change in revoked for part in change.partitions} == moved
    assert not any(change.lost for change in revoked)
    # Staged offsets are stored for what was revoked, and only for that.
    stored = second.source.committed(partitions)
    assert {part for part, offset in stored.items() if offset == 5} == moved
    assert {stored[part] for part in first.owned} == {None}
    for part in partitions:
        world.append(part, [b"later"])
    for part in moved:
        second.source.resume_at(part, stored[part])
    until(lambda: all(len(first.values(part)) == 6 for part in first.owned), first, second)
    until(lambda: all(second.values(part) == [b"later"] for part in moved), first, second)
    assert all(len(first.values(part)) == 5 for part in moved)
    world.close(first, second)


def test_closing_commits_what_was_staged_and_leaves_the_group_to_the_others(world):
    topic = world.create_topic(2)
    partitions = [Partition(topic, number) for number in range(2)]
    for partition in partitions:
        world.append(partition, [b"a", b"b"])
    first = resumed(world, topic)
    second = world.member(topic)
    until(lambda: len(first.owned) == len(second.owned) == 1, first, second)
    (kept,) = first.owned
    first.source.stage_commit({kept: 2})
    world.close(first)
    assert first.owned == set()
    until(lambda: second.owned == set(partitions), second, timeout_s=5)
    assert second.source.committed([kept]) == {kept: 2}
    world.close(second)


def test_a_partition_that_comes_back_is_held_again_and_its_old_position_means_nothing(world):
    topic = world.create_topic(2)
    for number in range(2):
        world.append(Partition(topic, number), [b"a", b"b", b"c"])
    first = resumed(world, topic)
    until(lambda: all(len(first.values(part)) == 3 for part in first.owned), first)
    second = world.member(topic)
    until(lambda: len(first.owned) == len(second.owned) == 1, first, second)
    (moved,) = second.owned
    world.close(second)
    until(lambda: len(first.owned) == 2, first)
    first.records.clear()
    for _ in range(3):
        first.poll()
    assert first.records == {}
    first.source.resume_at(moved, 1)
    until(lambda: first.offsets(moved) == [1, 2], first)
    world.close(first)


def test_position_moves_past_the_ends_of_transactions_and_aborted_records_are_not_delivered(world):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    world.append_transaction(partition, [b"kept"], commit=True)
    world.append_transaction(partition, [b"gone", b"gone"], commit=False)
    member = resumed(world, topic)
    until(lambda: member.source.position(partition) == 5, member)
    assert member.values(partition) == [b"kept"]
    assert member.source.high_watermark(partition) == 5
    world.append(partition, [b"next"])
    until(lambda: member.offsets(partition) == [0, 5], member)
    world.close(member)


def test_expired_offsets_are_a_gap_of_exactly_their_number(world):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    world.append(partition, [b"%d" % index for index in range(10)])
    world.expire(partition, 6)
    member = resumed(world, topic, at=2)
    until(lambda: member.gaps and len(member.values(partition)) == 4, member)
    assert member.gaps == [Gap(partition, 2, 6, "out_of_range")]
    assert member.offsets(partition) == [6, 7, 8, 9]
    world.close(member)


def test_a_topic_made_anew_is_told_and_read_from_its_start_even_if_it_is_longer_than_the_old_one(world):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    world.append(partition, [b"old"] * 3)
    member = resumed(world, topic)
    until(lambda: len(member.values(partition)) == 3, member)
    member.source.commit({partition: 3})
    world.recreate(topic)
    new = [b"new-%d" % index for index in range(6)]
    world.append(partition, new)
    until(lambda: member.recreated or len(member.changes) > 1, member)
    assert member.owned == {partition}
    # Told, or, where the deletion was noticed first, revoked and assigned anew: held in either case.
    member.source.resume_at(partition, 0)
    until(lambda: member.values(partition)[-6:] == new, member)
    assert member.offsets(partition)[-6:] == list(range(6))
    assert member.source.commit({partition: 1})
    assert member.source.committed([partition]) == {partition: 1}
    world.close(member)


def test_added_partitions_are_assigned_and_counted(world):
    topic = world.create_topic(1)
    member = resumed(world, topic)
    world.add_partitions(topic, 3)
    until(lambda: len(member.owned) == 3, member)
    assert member.source.partition_count(topic) == 3
    assert not any(isinstance(change, Revoked) for change in member.changes)
    world.close(member)


def test_a_poll_brings_no_more_than_its_limit_and_nothing_is_left_out(world):
    topic = world.create_topic(2)
    for number in range(2):
        world.append(Partition(topic, number), [b"%d" % index for index in range(25)])
    member = world.member(topic, max_poll_records=7)
    until(lambda: member.owned, member)
    for partition in member.owned:
        member.source.resume_at(partition, 0)
    sizes = []
    while sum(sizes) < 50:
        sizes.append(sum(len(batch) for batch in member.poll().batches))
        assert sizes[-1] <= 7
    assert all(member.offsets(Partition(topic, number)) == list(range(25)) for number in range(2))
    world.close(member)


def test_what_is_held_delivers_nothing_until_it_is_released_and_loses_nothing(world):
    topic = world.create_topic(2)
    held, other = Partition(topic, 0), Partition(topic, 1)
    member = resumed(world, topic, max_poll_records=5)
    world.append(held, [b"%d" % index for index in range(30)])
    until(lambda: member.values(held), member)
    member.source.hold(held)
    before = len(member.values(held))
    assert before < 30
    world.append(other, [b"x"] * 30)
    until(lambda: len(member.values(other)) == 30, member)
    assert len(member.values(held)) == before
    assert member.source.position(held) == before
    member.source.release(held)
    until(lambda: len(member.values(held)) == 30, member)
    assert member.offsets(held) == list(range(30))
    world.close(member)


def test_a_topic_made_anew_has_another_id_and_records_have_a_leader_epoch(world):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    world.append(partition, [b"a", b"b"])
    member = resumed(world, topic)
    assert member.source.leader_epoch(partition) == -1
    until(lambda: len(member.values(partition)) == 2, member)
    epoch, topic_id = member.source.leader_epoch(partition), member.source.topic_id(topic)
    assert epoch >= 0
    assert topic_id
    member.source.resume_at(partition, 1, epoch)
    until(lambda: len(member.values(partition)) == 3, member)
    assert member.offsets(partition) == [0, 1, 1]
    world.recreate(topic)
    until(lambda: member.source.topic_id(topic) not in {topic_id, ""}, member)
    world.close(member)


def test_brokers_answer_for_a_partition_that_is_idle(world):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    member = resumed(world, topic)
    first = member.source.answered(partition)
    until(lambda: member.source.answered(partition) > first, member)
    assert member.source.answered(Partition(topic, 7)) is None
    assert member.source.still_ours()
    world.close(member)


def test_a_log_that_was_truncated_below_what_was_read_is_told_with_where():
    world = MemoryWorld()
    topic = world.create_topic()
    partition = Partition(topic, 0)
    world.append(partition, [b"a"] * 9)
    member = resumed(world, topic)
    until(lambda: len(member.values(partition)) == 9, member)
    epoch = member.source.leader_epoch(partition)
    world.log.truncate(partition, 5)
    world.append(partition, [b"b"] * 9)  # longer than before: only the epoch tells
    polled = member.poll()
    assert [(void.partition, void.truncated_at) for void in polled.recreated] == [(partition, 5)]
    member.source.resume_at(partition, 4, epoch)
    until(lambda: len(member.values(partition)) == 19, member)
    member.source.resume_at(partition, 6, epoch)
    (void,) = member.poll().recreated
    assert void.truncated_at == 5

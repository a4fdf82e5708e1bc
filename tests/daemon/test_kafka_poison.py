"""The end of a batch that cannot be read: exactly its offsets are skipped, whatever its header claims."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition

from daemon.kafka_guards import PoisonedBatchError
from daemon.kafka_poison import TRIES, Suspects, find_end

PARTITION = TopicPartition("topic", 0)


@given(
    first=st.integers(0, 50), length=st.integers(1, 300), position=st.integers(0, 299), rest=st.integers(0, 300),
    claimed=st.one_of(st.none(), st.integers(0, 700)),
)  # fmt: skip
def test_the_end_is_found_whatever_the_header_claims(first, length, position, rest, claimed):
    end, position = first + length, first + position % length
    found = find_end(lambda offset: first <= offset < end, position, claimed, end + rest)
    assert found == end


def test_an_honest_header_costs_two_questions():
    asked = []

    def inside(offset):
        asked.append(offset)
        return 1000 <= offset < 5000

    assert find_end(inside, 1000, 5000, 9000) == 5000
    assert asked == [4999, 5000]


def test_good_records_between_two_poisoned_batches_are_not_skipped():
    # Batches [0, 10) and [12, 20) are poison; a question tells batches apart by where they start.
    assert find_end(lambda offset: 0 <= offset < 10, 0, None, 30) == 10


def fault(position):
    return PoisonedBatchError(PARTITION, position, position, position + 5, "CRC")


def test_a_batch_is_condemned_only_after_it_failed_again_at_every_retry():
    suspects = Suspects()
    assert [suspects.condemn(fault(7)) for _ in range(TRIES + 1)] == [False] * TRIES + [True]


@pytest.mark.parametrize("forget", [True, False])
def test_another_offset_or_a_new_start_is_a_new_case(forget):
    suspects = Suspects()
    for _ in range(TRIES):
        suspects.condemn(fault(7))
    if forget:
        suspects.forget(PARTITION)
    assert suspects.condemn(fault(7 if forget else 8)) is False

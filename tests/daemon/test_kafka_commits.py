"""Which offsets may be committed, and what is said where they are not."""

import asyncio

from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaTimeoutError, NodeNotReadyError
from structlog.testing import capture_logs

from daemon.kafka_group import Commits, Listener
from daemon.source import Partition

KEPT, LOST = TopicPartition("pairs", 0), TopicPartition("pairs", 1)


def test_what_was_staged_of_a_lost_partition_is_committed_by_no_later_revocation():
    commits = Commits()
    commits.stage({Partition("pairs", 0): 10, Partition("pairs", 1): 20})
    told = []
    listener = Listener(None, told.append, commits)
    asyncio.run(listener.on_partitions_lost({LOST}))
    assert set(commits.due([KEPT, LOST])) == {KEPT}
    assert told[0].lost


def test_commits_that_fail_are_told_once_of_each_kind_until_one_succeeds():
    commits = Commits()
    with capture_logs() as logs:
        for _ in range(1000):
            commits.tell_failure(KafkaTimeoutError(), 3)
            commits.tell_failure(NodeNotReadyError(), 3)
    assert len(logs) == 2
    commits.store({KEPT: OffsetAndMetadata(5, "", -1)})
    with capture_logs() as logs:
        commits.tell_failure(KafkaTimeoutError(), 3)
    assert len(logs) == 1

"""Records of the client as columns, and errors of the brokers in words."""

from types import SimpleNamespace

import pytest
from kafka import TopicPartition
from kafka.errors import GroupAuthorizationFailedError, KafkaTimeoutError

from daemon.kafka_options import KafkaOptions, batch_of
from daemon.kafka_questions import Questions
from daemon.source import SourceUnavailableError

PARTITION = TopicPartition("pairs", 0)


def test_a_record_of_the_oldest_format_has_no_timestamp_and_is_read_all_the_same():
    records = [
        SimpleNamespace(offset=offset, timestamp=stamp, value=b"", headers=()) for offset, stamp in ((3, None), (4, 7))
    ]
    assert batch_of(PARTITION, records, want_headers=False).timestamps_ms.tolist() == [-1, 7]


@pytest.mark.parametrize(
    ("error", "words"),
    [(GroupAuthorizationFailedError("no"), "check the ACLs"), (KafkaTimeoutError("late"), "did not answer")],
)
def test_a_question_that_is_refused_says_what_to_check(error, words):
    def refuse(*_, **__):
        raise error

    options = KafkaOptions(bootstrap_servers=("127.0.0.1:1",), group_id="g", topics=("pairs",))
    with pytest.raises(SourceUnavailableError, match=words):
        Questions(SimpleNamespace(committed=refuse), options).committed(PARTITION)

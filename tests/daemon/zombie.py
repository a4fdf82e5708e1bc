"""A member of a group as a process that can be stopped: prints what it is handed, one JSON object a line.

Not a test: test_kafka_rebalance.py runs it. Arguments: servers, topic, group, guarded or bare.
"""

import json
import sys

import structlog

from daemon import kafka_guards
from daemon.clock import SystemClock
from daemon.kafka_options import KafkaOptions
from daemon.kafka_source import KafkaSource
from daemon.source import Assigned


def main(servers, topic, group, mode):
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if mode == "bare":
        kafka_guards.confirm_membership = lambda *_: True
    options = KafkaOptions(
        bootstrap_servers=(servers,),
        group_id=group,
        topics=(topic,),
        session_timeout_s=2.0,
        heartbeat_interval_s=0.5,
    )
    changes = []
    source = KafkaSource(options, changes.append, SystemClock())
    while True:
        polled = source.poll(0.1)
        for change in changes:
            if isinstance(change, Assigned):
                for partition in change.partitions:
                    source.resume_at(partition, source.committed([partition])[partition] or 0)
            say("assigned" if isinstance(change, Assigned) else "lost" if change.lost else "revoked")
        changes.clear()
        for batch in polled.batches:
            say("records", batch.offsets.tolist())


def say(event, offsets=()):
    print(json.dumps([event, list(offsets)]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

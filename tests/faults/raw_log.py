"""The raw log read back by a plain consumer: the truth that everything else is compared with."""

import time

from kafka import KafkaConsumer, TopicPartition


def read_log(bootstrap_servers, topic, *, timeout=300):
    """Return {partition: [(offset, append_ms, value)]}, from each log's start to its end as of now."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        group_id=None,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        api_version=(2, 8),
        request_timeout_ms=30_000,
        max_partition_fetch_bytes=8 << 20,
    )
    try:
        numbers = _wait(lambda: consumer.partitions_for_topic(topic), 60)
        parts = [TopicPartition(topic, number) for number in sorted(numbers)]
        consumer.assign(parts)
        consumer.seek_to_beginning(*parts)
        ends = consumer.end_offsets(parts)
        found = {part.partition: [] for part in parts}
        deadline = time.monotonic() + timeout
        while any(consumer.position(part) < ends[part] for part in parts):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the log of {topic} could not be read within {timeout} s")
            for part, records in consumer.poll(500, max_records=20_000).items():
                found[part.partition] += [
                    (record.offset, record.timestamp, record.value) for record in records if record.offset < ends[part]
                ]
    finally:
        consumer.close(timeout_ms=3000)
    return found


def _wait(ask, timeout):
    deadline = time.monotonic() + timeout
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise TimeoutError("the brokers do not tell the topic's partitions")
        time.sleep(0.1)
    return answer

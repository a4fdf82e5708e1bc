"""`klaxond verify` beside a real daemon on a real broker: equal; and a doubled record, and deleted ones, are told."""

import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from kafka import TopicPartition

from config.settings import load
from daemon.snapshots.capturing import capture, state_of
from daemon.source import Batch, Partition
from daemon.wiring import snapshot_store_of, streams_of
from estimators.partitions import absorb
from tests.e2e.conftest import ROOT
from tests.e2e.test_exactness import produce, settings
from tests.e2e.traffic import Traffic

pytestmark = pytest.mark.kafka

PARTITIONS = 2


def verify(config, *arguments):
    """Run the command; its exit status and its JSON."""
    command = [sys.executable, "-m", "daemon", "verify", "--config.file", str(config), "--output", "json", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout or done.returncode == 3, done.stderr
    return done.returncode, json.loads(done.stdout or '{"partitions": []}')


def verified_up_to(daemon, ends, seconds=30):
    """Verify until the snapshots hold all that was sent."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status, found = verify(daemon.config)
        offsets = [each["snapshot"] and each["snapshot"]["next_offset"] for each in found["partitions"]]
        if offsets == ends:
            return status, found
        time.sleep(0.5)
    raise TimeoutError(f"{status} {found} {ends}\n{daemon.tail()}")


def ends_of(traffic):
    return [sum(each.partition == number for each in traffic.messages) for number in range(PARTITIONS)]


def daemon_with_records(broker, klaxond, snapshot):
    """A daemon, its topic, and the traffic that it is given."""
    topic = f"verified-{snapshot['kind']}-{time.time_ns()}"
    broker.create_topic(topic, PARTITIONS)
    traffic, now = Traffic(seed=8, partitions=PARTITIONS), time.time()
    produce(broker, topic, traffic.records(3000, now - 420, now))
    return klaxond(settings(broker, topic, snapshot={"interval": "1s", **snapshot})), topic, traffic


def test_snapshots_in_the_changelog_of_a_running_daemon_equal_the_log(kafka_broker, klaxond):
    daemon, topic, traffic = daemon_with_records(kafka_broker, klaxond, {"kind": "changelog"})
    status, found = verified_up_to(daemon, ends_of(traffic))
    assert (status, found["outcome"]) == (0, "equal")
    for partition in found["partitions"]:
        (stream,) = partition["streams"]
        assert stream["panes"] == {"1m": 75, "5m": 51}
        assert stream["messages"] == sum(each.partition == partition["partition"] for each in traffic.messages)
        assert partition["notes"] == []
    # More comes while it is compared: the snapshot's own offset is where it ends.
    now = time.time()
    produce(kafka_broker, topic, traffic.records(500, now - 5, now))
    assert verify(daemon.config)[0] == 0


def test_a_snapshot_that_counts_a_record_twice_and_a_log_that_lost_some_are_told(kafka_broker, klaxond, tmp_path):
    snapshot = {"kind": "file", "path": str(tmp_path / "snapshots")}
    daemon, topic, traffic = daemon_with_records(kafka_broker, klaxond, snapshot)
    assert verified_up_to(daemon, ends_of(traffic))[0] == 0
    daemon.stop()

    count_one_record_twice(daemon.config, Partition(topic, 1), traffic)
    status, found = verify(daemon.config)
    assert (status, found["outcome"]) == (1, "different")
    assert found["partitions"][0]["streams"][0]["different"] == 0
    lies = found["partitions"][1]["streams"][0]["differences"]
    doubled = last_of(traffic, 1)
    assert {each["record_offset"] for each in lies} == {doubled.offset}
    assert {each["window"] for each in lies} == {"1m", "5m"}
    assert {tuple(each["series"].values()) for each in lies} == {doubled.key}

    kafka_broker.admin.delete_records({TopicPartition(topic, 0): ends_of(traffic)[0]})
    status, found = verify(daemon.config, "--partition", "0")
    assert (status, found["outcome"]) == (4, "nothing_compared")
    assert found["partitions"][0]["gone_offsets"] == ends_of(traffic)[0]


def last_of(traffic, number):
    """The last message of a partition."""
    return max((each for each in traffic.messages if each.partition == number), key=lambda each: each.offset)


def count_one_record_twice(config, partition, traffic):
    """Write a snapshot as intact as any other, whose panes hold the partition's last record twice."""
    configured = load(config, {}, {})
    (stream,) = streams_of(configured)
    store = snapshot_store_of(configured)
    snapshot = store.load([partition], lambda _: True)[partition]
    state, _ = state_of(snapshot.images[0], stream.spec, partition.number)
    last = last_of(traffic, partition.number)
    value = json.dumps(
        {"model": last.key[0], "version": last.key[1], "ts": last.event_us, "logp": [-1.0], "logq": [-1.5]}
    ).encode()
    record = Batch(partition, np.array([last.offset]), np.array([last.event_us // 1000]), [value])
    absorb(state, stream.spec, stream.decoder.decode(record).pairs)
    image, _ = capture(state, stream.spec, stream.stream_hash, None)
    store.save(replace(snapshot, images=(image,), taken_us=snapshot.taken_us + 1))
    store.close()

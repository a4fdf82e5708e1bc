"""A real daemon goes on from its snapshots: after SIGTERM without reading anything twice, after kill -9 exactly."""

import time

import pytest

from tests.e2e.conftest import value, values
from tests.e2e.test_exactness import (
    PARTITIONS,
    assert_windows_equal_the_recomputation,
    caught_up,
    consumed,
    produce,
    settings,
)
from tests.e2e.traffic import Traffic

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
def topic(kafka_broker):
    """A topic of its own for each test."""
    name = f"kept-{time.time_ns()}"
    kafka_broker.create_topic(name, PARTITIONS)
    return name


def kept(broker, topic, kind, folder):
    """A configuration with snapshots every second."""
    snapshot = {"kind": kind, "interval": "1s"} | ({"path": str(folder / "states")} if kind == "file" else {})
    return settings(broker, topic, snapshot=snapshot)


def started(daemon):
    """(restored_from, offset, counted_from, end) of each partition that started, in the order of the log."""
    found = []
    for line in daemon.log.read_text().splitlines():
        if "partition started" in line:
            fields = dict(part.split("=", 1) for part in line.split() if "=" in part)
            found.append((fields["restored_from"], *(int(fields[key]) for key in ("offset", "counted_from", "end"))))
    return found


def saved_since(moment):
    """Whether every partition has a snapshot that holds all that had been read at a moment."""

    def saved(samples):
        times = values(samples, "klaxon_snapshot_timestamp_seconds")
        return caught_up(samples) and len(times) == PARTITIONS and all(taken > moment for taken in times.values())

    return saved


@pytest.mark.parametrize("kind", ["file", "changelog"])
def test_a_restart_goes_on_from_the_snapshot_and_every_window_equals_the_recomputation(
    kafka_broker, klaxond, topic, tmp_path, kind
):
    traffic = Traffic(seed=11, partitions=PARTITIONS)
    produce(kafka_broker, topic, traffic.records(3000, time.time() - 200, time.time() - 5))
    daemon = klaxond(kept(kafka_broker, topic, kind, tmp_path))
    daemon.wait_until(lambda samples: consumed(samples) == 3000 and saved_since(0)(samples), "snapshots")

    status, seconds = daemon.stop()
    assert (status, seconds < 10) == (0, True)
    daemon.start()
    samples = daemon.wait_until(caught_up, "windows after the stop")
    after_stop = started(daemon)[PARTITIONS:]
    assert [restored for restored, *_ in after_stop] == [kind] * PARTITIONS
    assert all(offset == end for _, offset, _, end in after_stop), "a stopped process leaves nothing to read again"
    assert value(samples, "klaxon_restores_total", source=kind) == PARTITIONS
    assert value(samples, "klaxon_restores_total", source="replay") == 0
    assert_windows_equal_the_recomputation(samples, traffic.messages)

    produce(kafka_broker, topic, traffic.records(600, time.time() - 4, time.time()))
    daemon.wait_until(saved_since(time.time() + 1), "newer snapshots")
    produce(kafka_broker, topic, traffic.records(300, time.time() - 1, time.time()))
    daemon.kill()
    daemon.start()
    samples = daemon.wait_until(caught_up, "windows after the kill")
    after_kill = started(daemon)[2 * PARTITIONS :]
    assert [restored for restored, *_ in after_kill] == [kind] * PARTITIONS
    assert all(offset <= counted_from for _, offset, counted_from, _ in after_kill)
    assert 0 < sum(end - offset for _, offset, _, end in after_kill) <= 900
    assert_windows_equal_the_recomputation(samples, traffic.messages)
    assert value(samples, "klaxon_snapshot_failures_total") == 0


def test_what_cannot_be_used_is_said_once_a_partition_and_the_log_is_read_again(kafka_broker, klaxond, topic, tmp_path):
    traffic = Traffic(seed=12, partitions=PARTITIONS)
    produce(kafka_broker, topic, traffic.records(600, time.time() - 50, time.time() - 5))
    wanted = kept(kafka_broker, topic, "file", tmp_path)
    daemon = klaxond(wanted)
    daemon.wait_until(lambda samples: consumed(samples) == 600 and saved_since(0)(samples), "snapshots")
    daemon.stop()
    other = klaxond(wanted | {"burn_in": 10}, name="other")
    samples = other.wait_until(caught_up, "windows under other settings")
    assert other.log.read_text().count("it was made with other settings of the streams") == PARTITIONS
    assert value(samples, "klaxon_restores_total", source="replay") == PARTITIONS
    assert_windows_equal_the_recomputation(samples, traffic.messages)
    other.stop()
    manifests = [file for file in (tmp_path / "states").rglob("*") if file.is_file() and "/m/" in str(file)]
    assert manifests
    for file in manifests:
        file.write_bytes(b"\x7f" * 8 + file.read_bytes()[8:])
    other.start()
    other.wait_until(caught_up, "windows without a snapshot that can be read")
    assert [restored for restored, *_ in started(other)[PARTITIONS:]] == ["replay"] * PARTITIONS


def test_a_stop_ends_within_ten_seconds_also_when_the_brokers_are_gone(kafka_broker, klaxond, topic, tmp_path):
    traffic = Traffic(seed=13, partitions=PARTITIONS)
    produce(kafka_broker, topic, traffic.records(600, time.time() - 50, time.time() - 5))
    daemon = klaxond(kept(kafka_broker, topic, "changelog", tmp_path))
    daemon.wait_until(lambda samples: consumed(samples) == 600 and saved_since(0)(samples), "snapshots")
    produce(kafka_broker, topic, traffic.records(100, time.time() - 1, time.time()))
    kafka_broker.kill()
    try:
        time.sleep(2)
        status, seconds = daemon.stop()
    finally:
        kafka_broker.restart()
    assert (status, seconds < 10) == (0, True), seconds

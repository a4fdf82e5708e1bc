"""The changelog while brokers are silent, killed or not there, bytes change on the way, and compaction runs."""

import random
import threading
import time

import pytest

from daemon.kafka_security import Sasl, Security
from daemon.snapshots.medium import Entry, MediumError
from tests.daemon.changelog_world import ONE, named, written
from tests.kafka_server import PASSWORD, USER
from tests.ports import free_ports


def test_without_a_broker_the_medium_is_made_at_once_and_each_use_says_what_to_check(changelog):
    began = time.monotonic()
    ours = changelog(f"127.0.0.1:{free_ports(1)[0]}", "t")
    for use in (lambda: ours.manifests([ONE]), lambda: ours.put(ONE, "c/1", b"x"), ours.flush):
        with pytest.raises(MediumError, match=r"refuses connections: is the broker running"):
            use()
    assert time.monotonic() - began < 3


@pytest.mark.kafka
@pytest.mark.parametrize(("password", "right"), [(PASSWORD, True), ("wrong-password", False)])
def test_snapshots_are_written_and_read_with_the_daemon_s_own_credentials(
    kafka_broker, changelog, impatient, password, right
):
    sasl = Sasl(mechanism="SCRAM-SHA-512", username=USER, password=password)
    security = Security(protocol="SASL_SSL", ca_file=str(kafka_broker.certificates.ca_file), sasl=sasl)
    ours = changelog(kafka_broker.address("sasl"), named(), security)
    if right:
        assert ours.fetch(ONE, written(ours, ONE, {"c/1": b"one"})) == {"c/1": b"one"}
        return
    with pytest.raises(MediumError, match=r"check kafka\.sasl") as told:
        ours.put(ONE, "c/1", b"one")
    assert password not in str(told.value)


@pytest.mark.kafka
@pytest.mark.parametrize("tls", [False, True], ids=["plaintext", "tls"])
def test_brokers_that_fall_silent_are_an_error_in_time_and_are_used_again_after(
    kafka_broker, changelog, impatient, tls
):
    security = Security(protocol="SSL", ca_file=str(kafka_broker.certificates.ca_file)) if tls else Security()
    with kafka_broker.proxy(tls=tls) as proxy:
        ours = changelog(proxy.address, named(), security)
        places = written(ours, ONE, {"c/1": b"one"})
        ours.put_manifest(ONE, "m/1", b"manifest")
        threads = threading.active_count()
        proxy.mode = "hole"
        for ask in (
            lambda: written(ours, ONE, {"c/2": b"two"}),
            lambda: ours.manifests([ONE]),
            lambda: ours.fetch(ONE, places),
        ):
            began = time.monotonic()
            with pytest.raises(MediumError, match=r"answer"):
                ask()
            assert time.monotonic() - began < 8
        proxy.mode = "pass"
        proxy.cut()
        deadline = time.monotonic() + 10
        while True:
            try:
                assert ours.manifests([ONE]) == {ONE: [Entry("m/1", b"manifest")]}
                assert ours.fetch(ONE, places) == {"c/1": b"one"}
                places = written(ours, ONE, {"c/3": b"three"})
            except MediumError:
                assert time.monotonic() < deadline
            else:
                break
        assert ours.fetch(ONE, places) == {"c/3": b"three"}
        assert threading.active_count() <= threads + 1, threading.enumerate()  # a consumer more


@pytest.mark.kafka
def test_it_closes_in_time_while_chunks_are_under_way_to_brokers_that_are_silent(kafka_broker, changelog):
    with kafka_broker.proxy() as proxy:
        ours = changelog(proxy.address, named())
        ours.fetch(ONE, written(ours, ONE, {"c/1": b"one"}))
        proxy.mode = "hole"
        ours.put(ONE, "c/2", b"two")
        time.sleep(0.2)
        began = time.monotonic()
        ours.close()
        assert time.monotonic() - began < 4


@pytest.mark.kafka
def test_a_broker_killed_between_put_and_flush_is_waited_for_or_told(kafka_broker, changelog):
    ours = changelog(kafka_broker.bootstrap_servers, named())
    before = written(ours, ONE, {"c/1": b"one"})
    try:
        kafka_broker.kill()
        ours.put(ONE, "c/2", b"two")
    finally:
        kafka_broker.restart()
    try:
        after = ours.flush()
    except MediumError:
        after = written(ours, ONE, {"c/2": b"two"})
    assert ours.fetch(ONE, dict(before) | dict(after)) == {"c/1": b"one", "c/2": b"two"}


@pytest.mark.kafka
@pytest.mark.parametrize("times", [1, None], ids=["once", "for ever"])
def test_bytes_that_are_changed_on_the_way_are_read_again_or_left_out(kafka_broker, changelog, times):
    topic = named()
    values = {f"c/{number}": b"%06d" % number * 3000 for number in range(20)}
    places = {}
    for name, value in values.items():  # each in a batch of its own
        places |= written(changelog(kafka_broker.bootstrap_servers, topic), ONE, {name: value})
    with kafka_broker.proxy() as proxy:
        ours = changelog(proxy.address, topic)
        proxy.replace = (b"000007000007", b"000007900007", times)
        found = ours.fetch(ONE, places)
    assert proxy.replaced
    assert found == {name: value for name, value in values.items() if times == 1 or name != "c/7"}


@pytest.mark.kafka
def test_compaction_under_a_reader_leaves_out_what_it_removed_and_changes_nothing(kafka_broker, changelog):
    topic, draw = named(), random.Random(3)
    kafka_broker.create_topic(
        topic,
        2,
        {
            "cleanup.policy": "compact",
            "segment.ms": "200",
            "segment.bytes": str(1 << 20),
            "min.cleanable.dirty.ratio": "0.01",
            "max.compaction.lag.ms": "1",
            "delete.retention.ms": "100",
        },
    )
    writer, reader = (changelog(kafka_broker.bootstrap_servers, topic) for _ in range(2))
    truth, latest, missing = {}, {}, 0
    deadline = time.monotonic() + 12
    while time.monotonic() < deadline and missing < 20:
        values = {f"c/{draw.randrange(30)}": draw.randbytes(60_000) for _ in range(10)}
        places = written(writer, ONE, values)
        for name, value in values.items():
            truth[name, places[name]] = value
            latest[name] = places[name]
        writer.put_manifest(ONE, f"m/{draw.randrange(2)}", str(len(truth)).encode())
        old = dict(draw.choice(list(truth)) for _ in range(10))
        found = reader.fetch(ONE, old)
        missing += len(old) - len(found)
        assert all(value == truth[name, old[name]] for name, value in found.items())
        assert reader.fetch(ONE, latest) == {name: truth[name, place] for name, place in latest.items()}
        newest = max(int(entry.value) for entry in reader.manifests([ONE])[ONE])
        assert newest == len(truth)
    assert missing, "nothing was compacted: the test shows nothing"

"""Each guard against a defect of the client, with the defect itself as its negative control.

The controls run the bare client, or ours with the guard taken off, and expect it to fail: if one of them passes after
an update of the client, the guard may go.
"""

import importlib.metadata
import logging
import os
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import kafka.codec
import kafka.record.util
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaConnectionError, KafkaError
from kafka.net.transport import KafkaSSLTransport

from daemon import kafka_guards, kafka_logs, kafka_source, kafka_tls_guards
from daemon.errors import OperatingError
from daemon.kafka_options import KafkaOptions, member_arguments
from daemon.kafka_requirements import require_client
from daemon.kafka_security import Sasl, Security, ssl_context
from daemon.source import Gap, Partition
from tests.kafka_server import PASSWORD, USER
from tests.source_worlds import KafkaWorld, resumed, until

MARKER, FLIPPED = b"marker-marker", b"marker-mbrker"


@pytest.fixture
def world(kafka_broker):
    """The real broker."""
    return KafkaWorld(kafka_broker)


def bare_client(script, *arguments, timeout_s):
    """Run the unguarded client in a process of its own; return what it printed, and whether it ended by itself."""
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as expired:
        return (expired.stdout or b"").decode(), False
    return done.stdout, True


# Poison

POISON_POLLS = """
    import sys
    from kafka import KafkaConsumer, TopicPartition
    servers, topic = sys.argv[1:]
    consumer = KafkaConsumer(bootstrap_servers=servers, auto_offset_reset="none", enable_auto_commit=False)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek(partition, 0)
    good = 0
    for _ in range(30):
        try:
            good += sum(len(rows) for rows in consumer.poll(timeout_ms=200).values())
            print("good", good, flush=True)
        except Exception as error:
            print(type(error).__name__, flush=True)
    consumer.close()
    print("end", flush=True)
"""


def batches_of(world, topic, *batches):
    """Append batches to partition 0, each in one request."""
    return [world.append(Partition(topic, 0), list(batch)) for batch in batches]


@pytest.mark.kafka
def test_a_flipped_bit_on_the_way_costs_nothing(world):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    batches_of(world, topic, [b"a"] * 3, [MARKER] * 3, [b"c"] * 3)
    with world.broker.proxy() as proxy:
        proxy.replace = (MARKER, FLIPPED, 2)
        member = resumed(world, topic, bootstrap_servers=(proxy.address,))
        until(lambda: len(member.values(partition)) == 9, member)
        assert proxy.replaced > 0
        assert member.values(partition) == [b"a"] * 3 + [MARKER] * 3 + [b"c"] * 3
        assert member.gaps == []
        world.close(member)


@pytest.mark.kafka
def test_a_batch_that_stays_corrupt_is_skipped_whole_and_only_it_while_other_partitions_go_on(world):
    topic = world.create_topic(2)
    partition, other = Partition(topic, 0), Partition(topic, 1)
    firsts = batches_of(world, topic, [b"a"] * 4, [MARKER] * 5, [b"c"] * 6)
    world.append(other, [b"other"] * 3)
    with world.broker.proxy() as proxy:
        proxy.replace = (MARKER, FLIPPED, None)
        member = resumed(world, topic, bootstrap_servers=(proxy.address,))
        until(lambda: len(member.values(partition)) == 10, member)
        assert member.gaps == [Gap(partition, firsts[1], firsts[2], "corrupt")]
        assert member.offsets(partition) == [*range(4), *range(9, 15)]
        assert member.values(other) == [b"other"] * 3
        world.append(partition, [b"d"])
        until(lambda: member.values(partition)[-1] == b"d", member)
        world.close(member)


@pytest.mark.kafka
def test_the_bare_client_spins_for_ever_on_such_a_batch(world):
    topic = world.create_topic()
    batches_of(world, topic, [b"a"] * 4, [MARKER] * 5, [b"c"] * 6)
    with world.broker.proxy() as proxy:
        proxy.replace = (MARKER, FLIPPED, None)
        printed, ended = bare_client(POISON_POLLS, proxy.address, topic, timeout_s=4)
    assert "CorruptRecordError" in printed
    assert not ended


@pytest.mark.kafka
def test_a_bit_that_flipped_on_the_brokers_disk_costs_exactly_its_batch(world):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    firsts = batches_of(world, topic, [b"a"] * 4, [MARKER] * 5, [b"c"] * 6)
    server = world.broker.server
    try:
        world.broker.stop()
        segment = server.data_folder / f"{topic}-0" / f"{0:020}.log"
        data = bytearray(segment.read_bytes())
        data[data.index(MARKER) + 1] ^= 1
        segment.write_bytes(data)
    finally:
        world.broker.restart()
    member = resumed(world, topic)
    until(lambda: len(member.values(partition)) == 10, member)
    assert member.gaps == [Gap(partition, firsts[1], firsts[2], "corrupt")]
    world.close(member)


@pytest.mark.kafka
def test_a_record_that_the_client_cannot_parse_costs_the_rest_of_its_batch(world):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    world.append_unparsable(partition)
    world.append(partition, [b"next"])
    member = resumed(world, topic)
    until(lambda: member.values(partition)[-1:] == [b"next"], member)
    assert member.values(partition) == [b"0", b"1", b"next"]
    assert member.gaps == [Gap(partition, 2, 5, "corrupt")]
    world.close(member)


# Decompression

BOMB_BYTES = 256 << 20
BOMB_PEAK = """
    import re, resource, sys
    from pathlib import Path
    from daemon import kafka_guards
    from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
    guarded, size = sys.argv[1] == "guarded", int(sys.argv[2])
    def peak_kib():  # ru_maxrss starts at the peak of whoever started this process
        status = Path("/proc/self/status")
        if status.exists():
            return int(re.search(r"VmHWM:\\s+([0-9]+)", status.read_text())[1])
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    builder = DefaultRecordBatchBuilder(2, 4, False, -1, -1, -1, 1 << 20)
    before = peak_kib()
    import zstandard
    pieces = zstandard.ZstdCompressor().compressobj()
    body = b"".join(pieces.compress(bytes(1 << 20)) for _ in range(size >> 20)) + pieces.flush()
    builder.append(0, timestamp=1, key=None, value=b"x", headers=[])
    batch = bytearray(builder.build())[:61] + body
    batch[21:23] = (4).to_bytes(2)  # zstd
    if guarded:
        kafka_guards.install()
    try:
        next(iter(DefaultRecordBatch(batch)))
    except Exception as error:
        print(type(error).__name__)
    print((peak_kib() - before) >> 10)
"""


def peak_mib(mode):
    """Peak memory of reading one bomb, and what it ended with."""
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(BOMB_PEAK), mode, str(BOMB_BYTES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=environment)
    *names, peak = done.stdout.split()
    return int(peak), names


def test_a_bomb_is_refused_before_it_unfolds():
    peak, names = peak_mib("guarded")
    assert names == ["OversizedBatchError"]
    assert peak < 150


def test_the_bare_client_unfolds_it():
    assert peak_mib("bare")[0] > BOMB_BYTES >> 20


@pytest.mark.kafka
@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_a_bomb_that_the_broker_took_is_skipped_and_batches_below_the_limit_are_read(world, codec):
    topic = world.create_topic(1)
    partition = Partition(topic, 0)
    producer = KafkaProducer(
        bootstrap_servers=world.broker.bootstrap_servers, compression_type=codec, max_request_size=200 << 20
    )
    # Snappy compresses 1:21 at best, and brokers take batches of 1 MiB: it cannot carry a bomb in one batch.
    sizes = (1 << 20,) if codec == "snappy" else (8 << 20, 48 << 20)
    for size in sizes:
        producer.send(topic, value=bytes(size), partition=0).get(timeout=30)
    producer.close()
    world.append(partition, [b"next"])
    member = resumed(world, topic)
    until(lambda: member.values(partition)[-1:] == [b"next"], member)
    assert [len(value) for value in member.values(partition)] == [sizes[0], 4]
    assert member.gaps == ([] if codec == "snappy" else [Gap(partition, 1, 2, "corrupt")])
    world.close(member)


# TLS handshake


@pytest.mark.kafka
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "bare"])
def test_a_firewall_that_swallows_tls_handshakes_is_survived(world, monkeypatch, guarded):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    kafka_guards.install()
    monkeypatch.setattr(kafka_tls_guards, "HANDSHAKE_SECONDS", 1.0)
    if not guarded:
        monkeypatch.setattr(KafkaSSLTransport, "handshake", KafkaSSLTransport.handshake.__wrapped__)
        monkeypatch.setattr(kafka_guards, "install", lambda: None)
    security = Security(protocol="SSL", ca_file=str(world.broker.certificates.ca_file))
    with world.broker.proxy(tls=True) as proxy:
        member = resumed(world, topic, bootstrap_servers=(proxy.address,), security=security)
        world.append(partition, [b"before"])
        until(lambda: member.values(partition) == [b"before"], member)
        proxy.mode = "hole"
        proxy.cut()
        swallowed = time.monotonic() + 2
        while time.monotonic() < swallowed:
            member.poll()
        proxy.mode = "pass"
        world.append(partition, [b"after"])
        healed = time.monotonic()
        while member.values(partition) != [b"before", b"after"] and time.monotonic() < healed + (12 if guarded else 4):
            member.poll()
            if member.source.position(partition) == 0:  # assigned anew, and held
                member.source.resume_at(partition, 1)
        assert (member.values(partition) == [b"before", b"after"]) is guarded
        world.close(member)


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "bare"])
def test_a_connection_that_is_reset_before_its_handshake_is_an_error_of_the_client_not_of_the_system(guarded):
    kafka_guards.install()
    begin = KafkaSSLTransport.__init__ if guarded else KafkaSSLTransport.__init__.__wrapped__
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        peer, _ = server.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        peer.close()
        time.sleep(0.1)
        with pytest.raises(KafkaConnectionError if guarded else ConnectionError) as told:
            begin(
                object.__new__(KafkaSSLTransport), None, client, host="127.0.0.1", ssl_context=ssl_context(Security())
            )
        assert isinstance(told.value, KafkaError) is guarded


# Static membership


def test_options_cannot_make_a_static_member():
    told = {"bootstrap_servers": ("127.0.0.1:9092",), "group_id": "group", "topics": ("topic",)}
    assert "group_instance_id" not in member_arguments(KafkaOptions(**told), {})
    with pytest.raises(TypeError):
        KafkaOptions(**told, group_instance_id="pod-1")


# Logs


@pytest.fixture
def debug_records():
    """Everything that the client logs, with every level open."""
    records = []

    class Keeper(logging.Handler):
        def emit(self, record):
            records.append((record.levelno, record.getMessage()))

    keeper, logger = Keeper(logging.DEBUG), logging.getLogger("kafka")
    level = logger.level
    logger.addHandler(keeper)
    yield records
    logger.removeHandler(keeper)
    logger.setLevel(level)


def open_all_levels():
    for name in ["kafka", *(name for name in logging.root.manager.loggerDict if name.startswith("kafka."))]:
        logging.getLogger(name).setLevel(logging.DEBUG if name == "kafka" else logging.NOTSET)


@pytest.mark.kafka
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "bare"])
def test_no_level_makes_the_client_log_the_password(world, debug_records, monkeypatch, guarded):
    if not guarded:
        monkeypatch.setattr(kafka_source, "protect_logs", lambda _: None)
        monkeypatch.setattr(kafka_logs._LOG_GUARD, "filter", lambda _: True)
    security = Security(
        protocol="SASL_SSL",
        ca_file=str(world.broker.certificates.ca_file),
        sasl=Sasl(mechanism="PLAIN", username=USER, password=PASSWORD),
    )
    topic = world.create_topic()
    member = world.member(topic, bootstrap_servers=(world.broker.address("sasl"),), security=security)
    open_all_levels()
    until(lambda: member.owned, member)
    world.close(member)
    assert debug_records
    assert any(PASSWORD in text for _, text in debug_records) is not guarded
    assert all(level >= logging.INFO for level, _ in debug_records) is guarded


def test_known_secrets_are_blacked_out_at_any_level(debug_records):
    kafka_logs.protect_logs(("hunter2-hunter2", "abc"))
    logging.getLogger("kafka").warning("login of %s with %s", "abc", "hunter2-hunter2")
    assert debug_records == [(logging.WARNING, "login of abc with <secret>")]


# Rebalances that are lost


def stuck_member(world, *, guarded):
    """Add partitions while replies are slow and polls are short; tell whether the member ever learns of them."""
    topic = world.create_topic(1)
    with world.broker.proxy() as proxy:
        member = resumed(world, topic, bootstrap_servers=(proxy.address,))
        if not guarded:
            coordinator = member.source._consumer._coordinator
            del coordinator.__dict__["need_rejoin"], coordinator.__dict__["join_group_async"]
        proxy.delay_s = 0.05
        world.add_partitions(topic, 3)
        deadline = time.monotonic() + 15
        # However busy the machine is: the guarded member learns of them, the bare one falls silent first.
        while len(member.owned) < 3 and (member.source.heartbeat_age_s() or 0) <= 5 and time.monotonic() < deadline:
            member.poll(0.001)
        proxy.delay_s = 0.0
        owned, age = len(member.owned), member.source.heartbeat_age_s()
        world.close(member)
    return owned, age


@pytest.mark.kafka
def test_a_rebalance_is_not_lost_when_polls_end_between_its_steps(world):
    owned, _ = stuck_member(world, guarded=True)
    assert owned == 3


@pytest.mark.kafka
def test_the_bare_client_loses_it_and_its_heartbeats_age(world):
    owned, age = stuck_member(world, guarded=False)
    assert owned == 1
    assert age > 5


@pytest.mark.kafka
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "bare"])
def test_one_change_of_membership_takes_two_rounds_and_not_many(world, guarded):
    topic = world.create_topic(4)
    members = [world.member(topic)]
    until(lambda: members[0].owned, *members)
    members.append(world.member(topic))
    if not guarded:
        for member in members:
            del member.source._consumer._coordinator.__dict__["join_group_async"]
    # Answers of the group come while nobody polls, as in a loop that does more than polling.
    settled = time.monotonic() + 2.5
    while time.monotonic() < settled:
        for member in members:
            member.poll(0.001)
        time.sleep(0.05)
    generation = members[0].source._consumer.group_metadata().generation_id
    world.close(*members)
    # 1: the first member; 2: it gives partitions up; 3: the second one gets them.
    assert (generation == 3) is guarded


# What must be installed


def test_another_version_of_the_client_is_refused(monkeypatch):
    require_client()
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "3.0.13")
    with pytest.raises(OperatingError, match=r"3\.0\.13 is installed.*3\.0\.12.*requirements"):
        require_client()


def test_a_missing_codec_or_a_slow_checksum_is_refused(monkeypatch):
    monkeypatch.setattr(kafka.codec, "zstd", None)
    monkeypatch.setattr(kafka.record.util, "crc32c_c", None)
    with pytest.raises(OperatingError, match="lacks zstd, crc32c"):
        require_client()


def test_the_bare_consumer_has_the_defaults_that_ours_must_not_have():
    ours = member_arguments(
        KafkaOptions(bootstrap_servers=("127.0.0.1:1",), group_id="g", topics=("t",)), {"security_protocol": "SSL"}
    )
    assert KafkaConsumer.DEFAULT_CONFIG["auto_offset_reset"] != "none"
    assert ours["auto_offset_reset"] == "none"
    assert ours["enable_auto_commit"] is ours["allow_auto_create_topics"] is False
    assert set(ours) <= set(KafkaConsumer.DEFAULT_CONFIG)


@pytest.mark.kafka
def test_a_partition_s_largest_timestamp_is_not_that_of_its_last_record(world):
    topic = world.create_topic()
    partition = Partition(topic, 0)
    world.append(partition, [b"a", b"b"], [9000, 1000])
    member = resumed(world, topic)
    assert kafka_guards.largest_timestamp_ms(member.source._consumer, TopicPartition(topic, 0), 3000) == 9000
    world.close(member)

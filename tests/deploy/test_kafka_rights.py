"""The rights of the chart's KafkaUser are enough for all that klaxond does, on a broker that refuses the rest."""

import json
import time

import pytest
import yaml

from tests.deploy.charts import config_text, rendered, values_of
from tests.e2e.conftest import Klaxond, value, values
from tests.kafka_broker import skip_unless_ci
from tests.kafka_server import PASSWORD, USER, KafkaMissingError, KafkaServer

pytestmark = pytest.mark.kafka
STREAMS = ("pairs", "Other_Pairs")
LETTERS, CHANGELOG = "klaxon-dead-letters", "klaxon-changelog"


class GuardedServer(KafkaServer):
    """A broker that refuses whatever nobody allowed; who comes without a name may do all."""

    def _server_properties(self):
        authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
        return f"{super()._server_properties()}authorizer.class.name={authorizer}\nsuper.users=User:ANONYMOUS\n"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """Such a broker, with the topics that have to be there."""
    try:
        server = GuardedServer(tmp_path_factory.mktemp("guarded"))
    except KafkaMissingError as missing:
        skip_unless_ci(str(missing))
    server.start()
    from kafka import KafkaAdminClient

    admin = KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{server.ports['plain']}")
    wanted = {topic: {"num_partitions": 2, "replication_factor": 1} for topic in (*STREAMS, LETTERS)}
    admin.create_topics(wanted, wait_for_metadata=True)
    try:
        yield server, admin
    finally:
        admin.close()
        server.kill()


def acls_of(user):
    """The ACLs of a KafkaUser as Kafka has them, without those that the user of the chart adds."""
    from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

    names = {"Describe": "DESCRIBE", "DescribeConfigs": "DESCRIBE_CONFIGS", "Read": "READ", "Write": "WRITE"}
    names["Create"] = "CREATE"
    return [
        ACL(
            f"User:{USER}",
            "*",
            ACLOperation[names[operation]],
            ACLPermissionType.ALLOW,
            ResourcePattern(ResourceType[each["resource"]["type"].upper()], each["resource"]["name"]),
        )
        for each in user["spec"]["authorization"]["acls"]
        if each["resource"]["type"] != "cluster"
        for operation in each["operations"]
    ]


def configuration(server):
    """The chart's configuration, for this broker and a user with a password."""
    objects = rendered(values_of("strimzi"))
    config = yaml.safe_load(config_text(objects))
    config["kafka"] |= {
        "bootstrap_servers": [f"127.0.0.1:{server.ports['sasl']}"],
        "security_protocol": "SASL_SSL",
        "ssl": {"ca_file": str(server.certificates.ca_file)},
        "sasl": {"mechanism": "SCRAM-SHA-512", "username": USER, "password": PASSWORD},
    }
    config |= {"windows": ["5s", "1m"], "publish_interval": "1s", "commit_interval": "1s"}
    config["snapshot"]["interval"] = "1s"
    return config, acls_of(objects["KafkaUser", "klaxon"])


def test_the_rights_of_the_charts_user_are_enough_and_none_at_all_are_not(guarded, tmp_path):
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition

    server, admin = guarded
    config, acls = configuration(server)
    plain = f"127.0.0.1:{server.ports['plain']}"
    producer = KafkaProducer(bootstrap_servers=plain)
    for topic in STREAMS:
        for number in range(20):
            event = {"model": "m", "ts": time.time(), "logp": -0.1 * number, "logq": -0.1 * number}
            producer.send(topic, json.dumps(event).encode(), partition=number % 2)
        producer.send(topic, b"no JSON", partition=0)
    producer.flush()
    daemon = Klaxond(tmp_path, "klaxond", config)
    try:
        deadline = time.monotonic() + 30
        while "uthoriz" not in daemon.log.read_text() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert "uthoriz" in daemon.log.read_text()  # the negative control
        assert sum(values(daemon.samples(), "klaxon_records_consumed_total").values()) == 0
        admin.create_acls(acls)
        daemon.wait_until(
            lambda samples: sum(values(samples, "klaxon_dead_letters_total").values()) == len(STREAMS), "letters", 60
        )
        daemon.wait_until(lambda samples: values(samples, "klaxon_snapshot_timestamp_seconds"), "snapshots", 60)
        assert value(daemon.samples(), "klaxon_partition_owned", stream="pairs", partition="0") == 1
        assert daemon.stop()[0] == 0
    finally:
        if daemon.process.poll() is None:
            daemon.kill()
    consumer = KafkaConsumer(bootstrap_servers=plain, group_id=config["kafka"]["group_id"])
    partitions = [TopicPartition(topic, each) for topic in STREAMS for each in (0, 1)]
    assert [consumer.committed(each) for each in partitions] == [11, 10, 11, 10]
    kept = [TopicPartition(CHANGELOG, each) for each in consumer.partitions_for_topic(CHANGELOG)]
    assert sum(consumer.end_offsets(kept).values()) > 0
    consumer.close()

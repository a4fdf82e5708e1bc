"""The chart's monitors, rules and dashboards, and what it makes for Strimzi and KEDA."""

import json

import pytest
import yaml

from daemon import kafka_changelog_topic
from tests.deploy.charts import config_text, refusal, rendered, values_of, with_least
from tests.deploy.dashboards import FOLDER

OPERATOR = "monitoring.coreos.com/v1/"


def rules_of(objects):
    """Groups of the PrometheusRule."""
    return objects["PrometheusRule", "klaxon"]["spec"]


def printed_rules(klaxond, folder, objects, *flags):
    """What `klaxond rules` prints for the rendered configuration."""
    path = folder / "klaxon.yaml"
    path.write_text(config_text(objects))
    status, out, err = klaxond("rules", "--config.file", path, "--output", "json", *flags)
    assert status == 0, err
    return json.loads(out)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"windows": ["90s"], "publish_interval": "1500ms"},
        {"windows": ["1m", "1h30m", "1d"], "min_messages": 1_000_000},
        {"windows": ["2h", "1w"], "publish_interval": "2m", "snapshot": {"interval": "2m"}},
    ],
)
def test_rules_are_those_that_klaxond_prints_for_the_same_configuration(config, klaxond, tmp_path):
    rule = {"enabled": True, "for": "1h30m", "runbookUrl": "https://r/", "grafanaUrl": "https://g/"}
    objects = rendered(with_least(config=config, prometheusRule=rule))
    flags = ("--for", "1h30m", "--runbook-url", "https://r/", "--grafana-url", "https://g")
    assert rules_of(objects) == printed_rules(klaxond, tmp_path, objects, *flags)


def test_rules_of_the_defaults_are_the_shipped_file():
    shipped = yaml.safe_load((FOLDER.parent / "prometheus" / "klaxon.rules.yaml").read_text())
    assert rules_of(rendered(with_least(prometheusRule={"enabled": True}))) == shipped


def test_an_alert_can_be_left_out_and_all_can_have_labels(klaxond, tmp_path):
    rule = {
        "enabled": True,
        "disabled": {"KlaxonLag": True, "KlaxonGap": False},
        "ruleLabels": {"team": "a", "window": "b"},
    }
    objects = rendered(with_least(prometheusRule=rule))
    before = {each["alert"]: each for each in alerts(printed_rules(klaxond, tmp_path, objects))}
    after = {each["alert"]: each for each in alerts(rules_of(objects))}
    assert set(before) - set(after) == {"KlaxonLag"}
    # What the rule says of itself outranks what is said of all.
    assert after["KlaxonDrift"]["labels"] == {"window": "1h", "team": "a"}
    assert all(each["labels"]["team"] == "a" for each in after.values())


def alerts(groups):
    """The alerts among the rules."""
    return [rule for group in groups["groups"] for rule in group["rules"] if "alert" in rule]


@pytest.mark.parametrize("feature", ["minimal", "operators"])
def test_dashboards_are_the_files_for_the_sidecar_and_small_enough(feature):
    objects = rendered(values_of(feature))
    maps = [each for each in objects.values() if "grafana_dashboard" in each["metadata"].get("labels", {})]
    assert {name for each in maps for name in each["data"]} == {path.name for path in FOLDER.glob("*.json")}
    for each in maps:
        ((name, text),) = each["data"].items()
        assert json.loads(text) == json.loads((FOLDER / name).read_text())
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        # `kubectl apply` keeps a copy in an annotation, which has 256 KiB.
        assert len(json.dumps(each)) < 200_000


def test_objects_of_the_operator_are_made_where_the_cluster_knows_them():
    def kinds(*arguments, **values):
        found = rendered(with_least(**values), *arguments)
        return {kind for kind, _ in found} & {"ServiceMonitor", "PodMonitor", "PrometheusRule"}

    known = ("--api-versions", f"{OPERATOR}ServiceMonitor", "--api-versions", f"{OPERATOR}PrometheusRule")
    off = {"enabled": False}
    assert kinds() == set()
    assert kinds(*known) == {"ServiceMonitor", "PrometheusRule"}
    assert kinds(*known, serviceMonitor=off, prometheusRule=off) == set()
    assert kinds(*known, podMonitor={"enabled": True}) == {"PodMonitor", "PrometheusRule"}
    assert kinds(serviceMonitor={"enabled": True}) == {"ServiceMonitor"}


def test_pods_are_never_scraped_twice():
    both = with_least(serviceMonitor={"enabled": True}, podMonitor={"enabled": True})
    assert "scraped twice" in refusal(both)


def test_monitors_select_the_service_and_the_pods_and_carry_the_labels_that_prometheus_asks_for():
    for kind, key, target in (
        ("ServiceMonitor", "serviceMonitor", "Service"),
        ("PodMonitor", "podMonitor", "Deployment"),
    ):
        values = {
            "enabled": True, "namespace": "monitoring", "additionalLabels": {"team": "a"}, "interval": "15s",
            "scrapeTimeout": "5s", "tlsConfig": {"serverName": "k"},
            "basicAuth": {"username": {"name": "s", "key": "u"}},
        }  # fmt: skip
        objects = rendered(with_least(**{key: values}))
        monitor = objects[kind, "klaxon"]
        labels = objects[target, "klaxon"]["metadata"]["labels"]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["models"]}
        assert monitor["metadata"]["namespace"] == "monitoring"
        assert {"team": "a", "release": "kube-prometheus-stack"}.items() <= monitor["metadata"]["labels"].items()
        (endpoint,) = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
        for word in ("interval", "scrapeTimeout", "tlsConfig", "basicAuth"):
            assert endpoint[word] == values[word]


def test_replicas_follow_the_lag_of_every_topic_and_the_deployment_says_no_number():
    objects = rendered(values_of("keda"))
    assert "replicas" not in objects["Deployment", "klaxon"]["spec"]
    scaled = objects["ScaledObject", "klaxon"]["spec"]
    assert scaled["scaleTargetRef"] == {"name": "klaxon"}
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (1, 6)
    group = yaml.safe_load(config_text(objects))["kafka"]["group_id"]
    for trigger, topic in zip(scaled["triggers"], ["pairs", "more-pairs"], strict=True):
        assert trigger["type"] == "kafka"
        assert trigger["authenticationRef"] == {"name": "kafka-credentials"}
        assert trigger["metadata"] == {
            "bootstrapServers": "broker-1:9092,broker-2:9092", "consumerGroup": group, "topic": topic,
            "lagThreshold": "100000", "tls": "enable",
        }  # fmt: skip
    assert "at '/keda/minReplicaCount'" in refusal(with_least(keda={"minReplicaCount": 0}))


def test_the_user_of_strimzi_may_do_what_klaxond_does_and_nothing_else():
    objects = rendered(values_of("strimzi"))
    user = objects["KafkaUser", "klaxon"]
    assert user["metadata"]["namespace"] == "kafka"
    assert user["metadata"]["labels"]["strimzi.io/cluster"] == "my-cluster"
    rights = {
        (each["resource"]["type"], each["resource"].get("name")): set(each["operations"])
        for each in user["spec"]["authorization"]["acls"]
    }
    read = {"Describe", "DescribeConfigs", "Read"}
    expected = {
        ("topic", "pairs"): read,
        ("topic", "Other_Pairs"): read,
        ("group", "klaxon"): {"Describe", "Read"},
        ("topic", "klaxon-dead-letters"): {"Describe", "DescribeConfigs", "Write"},
        ("topic", "klaxon-changelog"): {"Create", "Write", *read},
        ("cluster", None): {"DescribeConfigs"},
    }
    assert rights == expected
    changelog = objects["KafkaTopic", "klaxon-changelog"]["spec"]
    assert (changelog["topicName"], changelog["config"]["cleanup.policy"]) == ("klaxon-changelog", "compact")
    assert objects["KafkaTopic", "klaxon-dead-letters"]["spec"]["topicName"] == "klaxon-dead-letters"


def test_the_topic_of_the_changelog_is_the_one_that_klaxond_takes():
    values = values_of("strimzi")
    values["config"]["snapshot"] = {"topic": "Own.Topic_1"}
    objects = rendered(values)
    assert objects["KafkaTopic", "own.topic-1"]["spec"]["topicName"] == "Own.Topic_1"
    user = objects["KafkaUser", "klaxon"]["spec"]["authorization"]["acls"]
    assert "Own.Topic_1" in {each["resource"].get("name") for each in user}


def test_strimzi_needs_the_name_of_its_cluster_and_the_topics_a_reason():
    assert "strimzi.cluster" in refusal(with_least(strimzi={"user": {"enabled": True}}))
    letters = {"cluster": "c", "deadLetters": {"enabled": True}}
    assert "config.dead_letter.topic" in refusal(with_least(strimzi=letters))
    changelog = {"cluster": "c", "changelog": {"enabled": True}}
    none = {"snapshot": {"kind": "none"}}
    assert "config.snapshot.kind" in refusal(with_least(strimzi=changelog, config=none))


def test_the_changelog_of_strimzi_is_made_as_klaxond_makes_it():
    topic = rendered(values_of("strimzi"))["KafkaTopic", "klaxon-changelog"]["spec"]
    made = {**kafka_changelog_topic._SETTINGS, "min.insync.replicas": "2"}
    assert {key: str(value) for key, value in topic["config"].items()} == made
    assert topic["partitions"] == kafka_changelog_topic.PARTITIONS

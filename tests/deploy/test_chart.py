"""The chart: what it makes is valid, what klaxond reads of it is what was written, and wrong values have a path."""

import re

import pytest
import yaml

from config.yaml_file import read_yaml
from deploy.helm.source.__main__ import chart_files
from deploy.helm.source.documents import entries
from tests.deploy.charts import (
    CHART,
    FEATURES,
    NAMESPACE,
    RELEASE,
    config_text,
    container_of,
    helm,
    merged,
    pod_of,
    refusal,
    rendered,
    values_of,
    with_least,
)
from tests.kubernetes_tools import validate

DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())


@pytest.fixture(scope="module")
def all_rendered():
    """Objects of each feature."""
    return {feature: rendered(values_of(feature)) for feature in FEATURES}


def test_every_generated_file_is_what_the_program_writes():
    for path, text in chart_files().items():
        assert path.read_text() == text, f"{path.name} is stale: make golden"


@pytest.mark.parametrize("feature", FEATURES)
def test_lint_finds_nothing_in_any_feature(feature):
    status, out, err = helm("lint", "--strict", str(CHART), values=values_of(feature))
    assert status == 0, out + err
    assert "[WARNING]" not in out


@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_every_object_of_every_feature_is_valid(all_rendered, version):
    objects = [each for feature in all_rendered.values() for each in feature.values()]
    kinds = {each["kind"] for each in objects}
    assert {"Deployment", "ServiceMonitor", "PodMonitor", "PrometheusRule", "ScaledObject", "KafkaUser"} <= kinds
    assert validate(objects, version) == []


def test_the_validator_sees_a_misspelt_key_in_each_kind(all_rendered):
    seen = {}
    for feature in all_rendered.values():
        for (kind, _), each in feature.items():
            if "spec" in each:
                seen[kind] = {**each, "spec": {**each["spec"], "misspelt": 1}}
    found = validate(list(seen.values()))
    assert sorted(line.split("/")[0] for line in found) == sorted(seen)


@pytest.mark.parametrize("feature", FEATURES)
def test_klaxond_takes_the_configuration_of_every_feature(all_rendered, feature, klaxond, tmp_path, secret_files):
    text = config_text(all_rendered[feature]).replace("/etc/klaxon/secrets", str(secret_files))
    path = tmp_path / "klaxon.yaml"
    path.write_text(text)
    arguments = []
    if feature == "sasl":
        settings = tmp_path / "settings"
        settings.mkdir()
        (settings / "kafka.sasl.password").write_text("secret")
        arguments += ["--config.secrets-dir", settings]
    web = all_rendered[feature].get(("Secret", f"{RELEASE}-web"))
    if web is not None:
        (tmp_path / "web.yml").write_text(
            web["stringData"]["web.yml"].replace("/etc/klaxon/secrets", str(secret_files))
        )
        arguments += ["--web.config.file", tmp_path / "web.yml"]
    status, out, err = klaxond("check", "--config.file", path, *arguments)
    assert status == 0, err
    assert ("https" in out) == (web is not None)


@pytest.fixture(scope="module")
def secret_files(tmp_path_factory):
    """What secretFolders of ci/ mount: a certificate that signs itself, under all names that are asked for."""
    import trustme

    folder = tmp_path_factory.mktemp("secrets")
    authority = trustme.CA()
    certificate = authority.issue_cert("klaxon.test")
    for mount, certificate_name, key_name in (("tls", "tls.crt", "tls.key"), ("user", "user.crt", "user.key")):
        (folder / mount).mkdir()
        certificate.cert_chain_pems[0].write_to_path(folder / mount / certificate_name)
        certificate.private_key_pem.write_to_path(folder / mount / key_name)
    (folder / "ca").mkdir()
    for mount in ("ca", "tls"):
        authority.cert_pem.write_to_path(folder / mount / "ca.crt")
    return folder


@pytest.mark.parametrize("feature", FEATURES)
def test_the_configuration_is_passed_on_unchanged(all_rendered, feature, tmp_path):
    path = tmp_path / "klaxon.yaml"
    path.write_text(config_text(all_rendered[feature]))
    expected = merged(DEFAULTS["config"], values_of(feature)["config"])
    name = values_of(feature).get("fullnameOverride", RELEASE)
    expected["kafka"].setdefault("group_id", f"{NAMESPACE}-{name}")
    assert repr_of(read_yaml(path)) == repr_of(expected)


def repr_of(node):
    """Plain values told apart by type, but 3.0 from 3 not, which is all the same to a setting; 1e-07 stays a number."""
    if isinstance(node, dict):
        return {key: repr_of(value) for key, value in sorted(node.items())}
    if isinstance(node, list):
        return [repr_of(each) for each in node]
    if isinstance(node, str) and re.fullmatch(r"[0-9]e-[0-9]+", node):
        return float(node)  # YAML 1.1 takes it for a text; a number's setting reads it as a number
    return node if isinstance(node, str | bool) else float(node)


@pytest.mark.parametrize(
    ("values", "path", "what"),
    [
        ({"replicas": 3}, "at ''", "'replicas' not allowed"),
        ({"replicaCount": "3"}, "at '/replicaCount'", "want integer"),
        ({"image": {"digest": "abc"}}, "at '/image/digest'", "does not match pattern"),
        ({"config": {"stream": []}}, "at '/config'", "'stream' not allowed"),
        ({"config": {"windows": ["5 minutes"]}}, "at '/config/windows/0'", "does not match pattern"),
        ({"config": {"windows": [""]}}, "at '/config/windows/0'", "minLength"),
        ({"config": {"streams": []}}, "at '/config/streams'", "minItems"),
        ({"config": {"streams": [{"topic": "a b"}]}}, "at '/config/streams/0/topic'", "does not match pattern"),
        ({"config": {"streams": [{"format": "json"}]}}, "at '/config/streams/0'", "missing property 'topic'"),
        ({"config": {"kafka": {"sasl": {"mechanism": "GSSAPI"}}}}, "at '/config/kafka/sasl/mechanism'", "must be one"),
        ({"config": {"kafka": {"bootstrap_servers": None}}}, "bootstrap_servers'", "got null"),
        ({"config": {"log": {"level": "loud"}}}, "at '/config/log/level'", "must be one of"),
        ({"web": {"file": {"basic_auth_user": {}}}}, "at '/web/file'", "not allowed"),
        ({"serviceMonitor": {"enabled": "yes"}}, "at '/serviceMonitor/enabled'", "auto"),
        ({"secretFolders": {"a": 1}}, "at '/secretFolders/a'", "want string"),
    ],
)
def test_a_wrong_value_is_refused_with_its_path(values, path, what):
    said = refusal(with_least(**values))
    assert path in said
    assert what in said


@pytest.mark.parametrize(
    ("section", "key"),
    [("sasl", "password"), ("ssl", "key_password"), ("oauth", "client_secret")],
)
def test_a_secret_in_the_values_is_refused_since_it_would_end_in_a_configmap(section, key):
    below = {"sasl": {"oauth": {key: "hush"}}} if section == "oauth" else {section: {key: "hush"}}
    said = refusal(with_least(config={"kafka": below}))
    assert f"'{key}' not allowed" in said
    assert "hush" not in said


def test_values_of_other_charts_pass():
    assert rendered(with_least(**{"global": {"imageRegistry": "example.com"}}))


@pytest.mark.parametrize("address", ["127.0.0.1:9752", "localhost:9752", "[::1]:9752"])
def test_an_address_that_nobody_reaches_is_refused(address):
    assert "nobody outside the pod reaches" in refusal(with_least(config={"web": {"listen_address": address}}))


def test_a_changed_configuration_makes_other_pods_and_nothing_else_does():
    plain = rendered(with_least())
    changed = rendered(with_least(config={"min_messages": 31}))
    assert pod_of(changed) != pod_of(plain)
    assert pod_of(rendered(with_least(dashboards={"enabled": False}))) == pod_of(plain)
    # A web file is read again by the daemon itself.
    users = [{"basic_auth_users": {name: "$2y$04$" + 53 * "a"}} for name in ("ann", "bob")]
    assert len({str(pod_of(rendered(with_least(web={"file": each})))) for each in users}) == 1


def test_the_group_is_of_namespace_and_release_unless_it_is_written():
    assert "group_id: models-klaxon\n" in config_text(rendered(with_least()))
    assert "group_id: mine\n" in config_text(rendered(with_least(config={"kafka": {"group_id": "mine"}})))


def test_every_value_is_read_by_a_template():
    templates = "".join(path.read_text() for path in (CHART / "templates").rglob("*.*"))
    unread = [
        entry.path for entry in entries() if not entry.is_section and not re.search(rf"\.{entry.path[-1]}\b", templates)
    ]
    # KafkaTopics share one template.
    assert [path for path in unread if path[0] != "strimzi"] == []
    assert {path[-1] for path in unread} <= {"partitions", "replicas", "config"}


def test_a_value_without_an_own_meaning_is_told_in_the_readme_of_the_chart():
    readme = (CHART / "README.md").read_text()
    for entry in entries():
        assert entry.description, entry.path
        assert entry.is_section or f"| `{'.'.join(entry.path)}` |" in readme


def test_the_chart_and_the_program_have_one_version():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    import tomllib

    project = tomllib.loads((CHART.parents[2] / "pyproject.toml").read_text())
    assert chart["appVersion"] == chart["version"] == project["project"]["version"]
    assert f"### {chart['version']}" in (CHART / "UPGRADING.md").read_text()


def test_the_image_is_named_by_registry_tag_and_digest():
    digest = f"sha256:{64 * 'a'}"
    for image, name in (
        ({}, "klaxond:0.1.0"),
        ({"registry": "r:5000", "tag": "x"}, "r:5000/klaxond:x"),
        ({"tag": "x", "digest": digest}, f"klaxond@{digest}"),
    ):
        assert container_of(rendered(with_least(image=image)))["image"] == name


@pytest.mark.parametrize(
    ("values", "said", "silent"),
    [
        ({}, ["No drift of pairs raises an alarm", "no ServiceMonitor", "port-forward"], ["Several replicas"]),
        (
            {
                "config": {
                    "streams": [{"topic": "pairs", "thresholds": [{"nats": 1}]}],
                    "export": {"moments": False},
                },
                "replicaCount": 2,
                "serviceMonitor": {"enabled": True},
                "prometheusRule": {"enabled": True},
            },
            ["Several replicas", "release=kube-prometheus-stack"],
            ["raises an alarm", "There are no alerts"],
        ),
    ],
)
def test_the_notes_say_what_to_do_next(values, said, silent):
    status, out, err = helm(
        "install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--dry-run=client", values=with_least(**values)
    )
    assert status == 0, err
    _, _, notes = out.partition("NOTES:")
    for words in said:
        assert words in notes
    for words in silent:
        assert words not in notes

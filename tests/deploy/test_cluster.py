"""The chart in a real cluster whose namespace enforces `restricted`: what only a kubelet and an API server can show."""

import base64
import json
import os
import time

import pytest
import yaml

from tests.deploy.clusters import asked, kubectl, samples, until
from tests.kubernetes_tools import program

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.alone]


def test_a_restricted_namespace_lets_the_pod_in_and_it_reads_all_partitions(release):
    (pod,) = release.ready(1).values()
    assert release.spread(1)
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    shown = kubectl(
        "exec", "-n", release.namespace, pod["metadata"]["name"], "--", "python3", "-c",
        "import os; print(os.getuid(), os.access('/etc', os.W_OK), os.access('/tmp', os.W_OK), "
        "open('/etc/klaxon/settings/kafka.client_id').read())",
    )  # fmt: skip
    assert shown.split() == ["65532", "False", "True", "from-a-secret"]


def test_the_api_server_takes_every_object_of_every_feature(namespace):
    from tests.deploy.__main__ import api_server

    assert "sets of values" in api_server()


def test_helm_test_asks_the_brokers(release):
    import subprocess

    command = [program("helm"), "test", "klaxon", "-n", release.namespace, "--filter", "name=klaxon-test-brokers"]
    done = subprocess.run([*command, "--logs"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_three_replicas_share_the_partitions_and_one_takes_them_back(release):
    release.upgrade(replicaCount=3)
    release.ready(3)
    assert release.spread(3)
    release.upgrade(replicaCount=1)
    release.ready(1)
    assert release.spread(1)


def test_a_pod_that_is_killed_is_replaced_and_its_partitions_are_read_again(release):
    release.upgrade(replicaCount=3)
    victim = next(iter(release.ready(3)))
    assert release.spread(3)
    kubectl("delete", "pod", victim, "-n", release.namespace, "--grace-period=0", "--force")
    assert victim not in release.ready(3)
    assert release.spread(3)


def test_a_pod_that_is_asked_to_go_goes_within_its_grace_period(release):
    victim = next(iter(release.ready(3)))
    began = time.monotonic()
    kubectl("delete", "pod", victim, "-n", release.namespace)
    assert time.monotonic() - began < 20
    release.ready(3)


def test_an_eviction_waits_for_the_budget(release):
    pods = list(release.ready(3))
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"namespace": release.namespace}}
    answers = []
    for name in pods[:2]:
        text = json.dumps({**body, "metadata": {**body["metadata"], "name": name}})
        path = f"/api/v1/namespaces/{release.namespace}/pods/{name}/eviction"
        answers.append(kubectl("create", "--raw", path, "-f", "-", text=text, fails=True))
    assert "Success" in answers[0]
    assert "disruption budget" in answers[1]
    release.ready(3)


def scraping(release, folder):
    """Configure Prometheus as the operator would by the ServiceMonitor and the PrometheusRule of the cluster."""
    monitor = asked("get", "servicemonitor", "klaxon", "-n", release.namespace)["spec"]
    service = asked("get", "service", "klaxon", "-n", release.namespace)
    wanted = monitor["selector"]["matchLabels"]
    assert wanted.items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["endpoints"]
    keep = [
        {"source_labels": [f"__meta_kubernetes_pod_label_{key.translate(str.maketrans('./-', '___'))}"],
         "regex": value, "action": "keep"}
        for key, value in service["spec"]["selector"].items()
    ]  # fmt: skip
    names = [
        {"source_labels": [f"__meta_kubernetes_{source}"], "target_label": target}
        for source, target in (("namespace", "namespace"), ("pod_name", "pod"))
    ]
    port = {"source_labels": ["__meta_kubernetes_pod_container_port_name"], "regex": endpoint["port"], "action": "keep"}
    discovery = {"role": "pod", "kubeconfig_file": os.environ["KUBECONFIG"]}
    discovery["namespaces"] = {"names": monitor["namespaceSelector"]["matchNames"]}
    rules = asked("get", "prometheusrule", "klaxon", "-n", release.namespace)["spec"]
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    return {
        "global": {"scrape_interval": endpoint["interval"], "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yaml")],
        "scrape_configs": [
            {"job_name": "klaxon", "metrics_path": endpoint["path"], "scheme": endpoint["scheme"],
             "kubernetes_sd_configs": [discovery], "relabel_configs": [*keep, port, *names]}
        ],
    }  # fmt: skip


def test_an_operators_prometheus_finds_the_pods_and_the_drift_fires_and_resolves(
    release, broker, prometheus_of, tmp_path
):
    release.upgrade(replicaCount=3)
    release.ready(3)
    query = prometheus_of(scraping(release, tmp_path)).query
    until(lambda: len(query("up == 1")) == 3, "three pods that are scraped", 60)
    value = 'series:klaxon_kl_nats:fleet{estimator="adaptive",window="30s",version="2",direction="reverse"}'
    until(lambda: query(value), "value of the fleet", 90)
    firing = 'ALERTS{alertstate="firing"}'
    drift = 'ALERTS{alertname="KlaxonDrift",alertstate="firing"}'
    assert query(drift) == []
    broker.writers[1].change("shifted", int(time.time() * 1e6))
    (found,) = until(lambda: query(drift), "alarm", 120)
    assert [found.labels[name] for name in ("stream", "version", "severity")] == ["tokens", "2", "warning"]
    assert {each.labels["alertname"] for each in query(firing)} == {"KlaxonDrift"}
    broker.writers[1].change("calm", int(time.time() * 1e6))
    until(lambda: not query(drift), "end of the alarm", 120)


def test_probes_work_over_tls_and_where_clients_need_a_certificate(release):
    import trustme

    authority = trustme.CA()
    certificate = authority.issue_cert("klaxon.test")
    data = {
        "tls.crt": certificate.cert_chain_pems[0].bytes(),
        "tls.key": certificate.private_key_pem.bytes(),
        "ca.crt": authority.cert_pem.bytes(),
    }
    encoded = {key: base64.b64encode(each).decode() for key, each in data.items()}
    secret = {"metadata": {"name": "tls", "namespace": release.namespace}, "data": encoded}
    kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "Secret", **secret}))
    files = {
        name: f"/etc/klaxon/secrets/tls/{key}" for name, key in (("cert_file", "tls.crt"), ("key_file", "tls.key"))
    }
    release.upgrade(replicaCount=1, secretFolders={"tls": "tls"}, web={"file": {"tls_server_config": files}})
    (pod,) = release.ready(1).values()
    assert samples(pod, "klaxon_build_info") == {}  # nothing without TLS
    mutual = {"client_ca_file": "/etc/klaxon/secrets/tls/ca.crt", "client_auth_type": "RequireAndVerifyClientCert"}
    release.upgrade(web={"file": {"tls_server_config": {**files, **mutual}}})
    (pod,) = release.ready(1).values()
    assert "tcpSocket" in pod["spec"]["containers"][0]["livenessProbe"]
    time.sleep(25)  # several rounds of each probe
    (later,) = release.ready(1).values()
    assert later["metadata"]["uid"] == pod["metadata"]["uid"]
    assert later["status"]["containerStatuses"][0]["restartCount"] == 0
    del release.values["web"]
    release.upgrade(replicaCount=3)


def test_a_changed_configuration_rolls_the_pods_and_a_broken_one_leaves_them(release):
    release.upgrade(replicaCount=3)
    before = set(release.ready(3))
    release.upgrade(config={"min_messages": 31})
    after = set(release.ready(3))
    assert not before & after
    assert release.spread(3)
    # A topic that the schema allows and klaxond does not.
    works = release.values
    release.upgrade(wait=False, config={"dead_letter": {"topic": "tokens"}})
    until(lambda: len(release.pods(ready=False)) > 3, "new pod")
    time.sleep(5)
    assert set(release.pods()) == after
    release.values = works
    release.upgrade()
    assert set(release.ready(3)) == after

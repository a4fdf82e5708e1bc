"""The chart's pods: restricted, probed as the web side is, with secrets as files, placed and guarded."""

import pytest

from tests.deploy.charts import container_of, pod_of, rendered, values_of, with_least

TLS = {
    "tls_server_config": {"cert_file": "/etc/klaxon/secrets/tls/tls.crt", "key_file": "/etc/klaxon/secrets/tls/tls.key"}
}
MUTUAL = {
    "tls_server_config": {
        **TLS["tls_server_config"],
        "client_ca_file": "/etc/klaxon/secrets/tls/ca.crt",
        "client_auth_type": "RequireAndVerifyClientCert",
    }
}
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def pods(objects):
    """Specifications of all pods: of the Deployment, and of `helm test`."""
    return [pod_of(objects)["spec"], *(each["spec"] for (kind, _), each in objects.items() if kind == "Pod")]


@pytest.mark.parametrize("feature", ["minimal", "cluster", "mtls"])
def test_every_pod_is_as_the_standard_restricted_asks(feature):
    for pod in pods(rendered(values_of(feature))):
        of_pod = pod["securityContext"]
        assert of_pod["runAsNonRoot"] is True
        assert of_pod["runAsUser"] > 0
        assert of_pod["seccompProfile"]["type"] == "RuntimeDefault"
        assert pod["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert all(set(volume) - {"name"} <= {"configMap", "secret", "emptyDir"} for volume in pod.get("volumes", []))
        for container in pod["containers"]:
            if container["name"] != "beside":  # the user's own
                assert container["securityContext"]["allowPrivilegeEscalation"] is False
                assert container["securityContext"]["readOnlyRootFilesystem"] is True
                assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
                assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize(
    ("web", "handler"),
    [
        ({}, {"path": "/readyz", "port": "http", "scheme": "HTTP"}),
        ({"file": TLS}, {"path": "/readyz", "port": "http", "scheme": "HTTPS"}),
        ({"file": MUTUAL}, None),
        ({"existingSecret": "web", "scheme": "https"}, {"path": "/readyz", "port": "http", "scheme": "HTTPS"}),
        ({"existingSecret": "web", "scheme": "https", "clientCertificates": True}, None),
    ],
)
def test_probes_ask_as_the_web_side_answers(web, handler):
    objects = rendered(with_least(web=web, serviceMonitor={"enabled": True}))
    container = container_of(objects)
    assert container["readinessProbe"].get("httpGet") == handler
    for probe in PROBES:
        assert ("tcpSocket" in container[probe]) == (handler is None)
    scheme = "http" if not web else "https"
    assert objects["ServiceMonitor", "klaxon"]["spec"]["endpoints"][0]["scheme"] == scheme
    assert ("--web.config.file=/etc/klaxon/web/web.yml" in container["args"]) == bool(web)
    # No client certificate, no question: the same holds for `helm test`.
    assert (("Pod", "klaxon-test-web") in objects) == (handler is not None)


def test_liveness_never_depends_on_readiness():
    container = container_of(rendered(with_least()))
    assert [container[probe]["httpGet"]["path"] for probe in PROBES] == ["/livez", "/livez", "/readyz"]


def test_the_port_is_that_of_the_configuration():
    container = container_of(rendered(with_least(config={"web": {"listen_address": "[::]:8080"}})))
    assert container["ports"] == [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]


def test_secrets_are_whole_folders_that_only_the_group_reads():
    objects = rendered(
        with_least(settingsSecret="mine", secretFolders={"ca": "kafka-ca", "user": "me"}, web={"file": TLS})
    )
    pod, container = pod_of(objects)["spec"], container_of(objects)
    volumes = {each["name"]: each["secret"] for each in pod["volumes"] if "secret" in each}
    mounts = {each["mountPath"]: each for each in container["volumeMounts"]}
    assert {
        path: volumes[mount["name"]]["secretName"] for path, mount in mounts.items() if mount["name"] in volumes
    } == {
        "/etc/klaxon/settings": "mine",
        "/etc/klaxon/secrets/ca": "kafka-ca",
        "/etc/klaxon/secrets/user": "me",
        "/etc/klaxon/web": "klaxon-web",
    }
    assert {each["defaultMode"] for each in volumes.values()} == {0o440}
    assert not any("subPath" in each for each in mounts.values())
    assert all(each["readOnly"] for path, each in mounts.items() if path.startswith("/etc"))
    assert {"name": "KLAXON_SECRETS_DIR", "value": "/etc/klaxon/settings"} in container["env"]
    assert "klaxon.yaml" not in objects["Secret", "klaxon-web"]["stringData"]


def test_there_is_time_to_stop_and_a_new_pod_comes_before_the_old_one_goes():
    objects = rendered(with_least())
    assert pod_of(objects)["spec"]["terminationGracePeriodSeconds"] == 30
    strategy = objects["Deployment", "klaxon"]["spec"]["strategy"]["rollingUpdate"]
    assert strategy == {"maxSurge": 1, "maxUnavailable": 0}


def test_kubernetes_describes_no_services_in_the_environment():
    # KLAXON_... of a Service would look like settings.
    for pod in pods(rendered(with_least())):
        assert pod["enableServiceLinks"] is False


def test_a_probe_that_is_null_is_not_there():
    assert "startupProbe" not in container_of(rendered(with_least(startupProbe=None)))


def test_replicas_are_spread_by_their_own_labels():
    own = pod_of(rendered(with_least()))
    (constraint,) = own["spec"]["topologySpreadConstraints"]
    assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"
    assert constraint["labelSelector"]["matchLabels"].items() <= own["metadata"]["labels"].items()
    zone = {"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    other = {**zone, "labelSelector": {"matchLabels": {"a": "b"}}}
    found = pod_of(rendered(with_least(topologySpread={"constraints": [zone, other]})))
    assert found["spec"]["topologySpreadConstraints"] == [{**zone, "labelSelector": constraint["labelSelector"]}, other]


def test_the_service_the_budget_and_the_policy_select_the_pods_and_no_test():
    objects = rendered(with_least(networkPolicy={"enabled": True}))
    labels = pod_of(objects)["metadata"]["labels"]
    tests = [each["metadata"]["labels"] for (kind, _), each in objects.items() if kind == "Pod"]
    assert len(tests) == 2
    for selector in (
        objects["Service", "klaxon"]["spec"]["selector"],
        objects["PodDisruptionBudget", "klaxon"]["spec"]["selector"]["matchLabels"],
        objects["NetworkPolicy", "klaxon"]["spec"]["podSelector"]["matchLabels"],
        objects["Deployment", "klaxon"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
        assert not any(selector.items() <= each.items() for each in tests)


def test_a_budget_never_holds_a_node_that_drains_one_replica():
    spec = rendered(with_least())["PodDisruptionBudget", "klaxon"]["spec"]
    assert (spec["maxUnavailable"], spec["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    spec = rendered(with_least(podDisruptionBudget={"minAvailable": "50%"}))["PodDisruptionBudget", "klaxon"]["spec"]
    assert spec["minAvailable"] == "50%"
    assert "maxUnavailable" not in spec


def test_the_policy_lets_prometheus_in_and_names_and_brokers_out():
    objects = rendered(values_of("network"))
    spec = objects["NetworkPolicy", "klaxon"]["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    (incoming,) = spec["ingress"]
    assert incoming["ports"] == [{"port": "http", "protocol": "TCP"}]
    prometheus, testing = (each["podSelector"]["matchLabels"] for each in incoming["from"])
    assert prometheus == {"app.kubernetes.io/name": "prometheus"}
    assert testing.items() <= objects["Pod", "klaxon-test-web"]["metadata"]["labels"].items()
    kafka, names, own = spec["egress"]
    assert [each["port"] for each in kafka["ports"]] == [9092, 9093, 19092]
    assert kafka["to"] == [{"ipBlock": {"cidr": "10.0.0.0/8"}}]
    assert {each["protocol"] for each in names["ports"]} == {"UDP", "TCP"}
    assert own["ports"] == [{"port": 443, "protocol": "TCP"}]

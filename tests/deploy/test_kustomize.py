"""The plain manifests: rendered from the chart, and an overlay of them says what an overlay must be able to say."""

import os
import subprocess

import pytest
import yaml

from deploy.helm.source.manifests import BASE, manifests
from tests.deploy.charts import CHART
from tests.kubernetes_tools import program, validate

DEPLOY = CHART.parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build an overlay with both components and a configuration of its own: objects by kind."""

    def build(configuration):
        folder = tmp_path_factory.mktemp("overlay")
        (folder / "klaxon.yaml").write_text(configuration)
        overlay = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": "models",
            "resources": [relative(folder, BASE)],
            "components": [
                relative(folder, DEPLOY / "kustomize" / "components" / "prometheus-operator"),
                relative(folder, DEPLOY / "grafana"),
            ],
            "configMapGenerator": [{"name": "klaxon-config", "behavior": "replace", "files": ["klaxon.yaml"]}],
            "images": [{"name": "klaxond", "newName": "registry.example.com/klaxond", "newTag": "1"}],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
        command = [program("kubectl"), "kustomize", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return list(yaml.safe_load_all(done.stdout))

    return build


def relative(folder, target):
    """A path from one folder to another, as Kustomize takes it."""
    return os.path.relpath(target, folder)


def test_the_manifests_are_rendered_from_the_chart():
    for path, text in manifests(CHART, program("helm")).items():
        assert path.read_text() == text, f"{path} is stale: make golden"


def test_nothing_else_lies_among_them():
    written = set(manifests(CHART, program("helm")))
    lying = {path for path in (DEPLOY / "kustomize").rglob("*") if path.is_file() and path.name != "README.md"}
    assert lying <= written


def test_an_overlay_is_valid_and_has_its_namespace_image_and_configuration(built):
    objects = built("kafka: {}\n")
    assert validate(objects) == []
    assert {each["metadata"]["namespace"] for each in objects} == {"models"}
    kinds = [each["kind"] for each in objects]
    assert {"Deployment", "Service", "ServiceMonitor", "PrometheusRule"} <= set(kinds)
    assert kinds.count("ConfigMap") == 4
    deployment = next(each for each in objects if each["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "registry.example.com/klaxond:1"
    config = next(each for each in objects if "klaxon.yaml" in each.get("data", {}))
    assert config["data"]["klaxon.yaml"] == "kafka: {}\n"
    assert pod["volumes"][0]["configMap"]["name"] == config["metadata"]["name"]
    boards = [each for each in objects if "grafana_dashboard" in each["metadata"].get("labels", {})]
    assert sorted(each["metadata"]["name"] for each in boards) == ["klaxon-daemon", "klaxon-overview", "klaxon-series"]


def test_another_configuration_is_another_pod(built):
    names = set()
    for configuration in ("kafka: {}\n", "log: {}\n"):
        deployment = next(each for each in built(configuration) if each["kind"] == "Deployment")
        names.add(deployment["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"])
    assert len(names) == 2

"""Plain manifests for Kustomize, rendered from the chart."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

_DEPLOY: Final = Path(__file__).parents[2]
BASE: Final = _DEPLOY / "kustomize" / "base"
_OPERATOR: Final = _DEPLOY / "kustomize" / "components" / "prometheus-operator"
#: Beside the dashboards, since Kustomize reads no file above its own folder.
_GRAFANA: Final = _DEPLOY / "grafana"
_HEADER: Final = "# Rendered from deploy/helm/klaxon by make golden; do not edit, write a patch in your overlay.\n"
_GROUP: Final = "klaxond"
#: What the base says that everybody has to replace.
_VALUES: Final[dict[str, Any]] = {
    "config": {
        "kafka": {"bootstrap_servers": ["my-cluster-kafka-bootstrap.kafka:9092"], "group_id": _GROUP},
        "streams": [{"topic": "pairs", "series_labels": ["model", "version"]}],
    },
    "serviceMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
    "tests": {"enabled": False},
}
#: What Helm says of itself, and what Kustomize needs not: it names the configuration by its content.
_HELMS: Final = ("helm.sh/chart", "app.kubernetes.io/managed-by", "checksum/config")
_OPERATORS: Final = ("ServiceMonitor", "PrometheusRule")


class HelmMissingError(Exception):
    """There is no helm; the message says where it was looked for."""


def helm_program() -> str:
    """Return the program: $KLAXON_TEST_HELM, or the one in PATH."""
    program = os.environ.get("KLAXON_TEST_HELM") or shutil.which("helm")
    if program is None:
        raise HelmMissingError("there is no helm: neither $KLAXON_TEST_HELM nor one in PATH")
    return program


def manifests(chart: Path, helm: str | None = None) -> dict[Path, str]:
    """Return each file of the base and its components with its text."""
    command = [helm or helm_program(), "template", "klaxon", str(chart), "--values", "-"]
    done = subprocess.run(  # noqa: S603 - the program is the developer's own
        command, input=json.dumps(_VALUES), capture_output=True, text=True, check=True, timeout=60
    )
    objects = [_plain(each) for each in yaml.safe_load_all(done.stdout) if each]
    return {path: _HEADER + text for path, text in _files(objects)}


def _files(objects: list[dict[str, Any]]) -> Iterator[tuple[Path, str]]:
    """Lay out the objects: one file each, the configuration and the dashboards as files of generators."""
    names: list[str] = []
    operators: list[str] = []
    dashboards: list[str] = []
    for each in objects:
        name = f"{each['kind'].lower()}.yaml"
        if each["kind"] == "ConfigMap":
            ((file, text),) = each["data"].items()
            if file.endswith(".json"):
                dashboards.append(file)
            else:
                yield BASE / file, text
            continue
        folder, listed = (_OPERATOR, operators) if each["kind"] in _OPERATORS else (BASE, names)
        listed.append(name)
        yield folder / name, _yaml(each)
    generated = {"configMapGenerator": [{"name": "klaxon-config", "files": ["klaxon.yaml"]}]}
    yield BASE / "kustomization.yaml", _kustomization("Kustomization", resources=sorted(names), **generated)
    yield _OPERATOR / "kustomization.yaml", _kustomization("Component", resources=sorted(operators))
    maps = [{"name": name.removesuffix(".json"), "files": [name]} for name in sorted(dashboards)]
    options = {"disableNameSuffixHash": True, "labels": {"grafana_dashboard": "1"}}
    yield (
        _GRAFANA / "kustomization.yaml",
        _kustomization("Component", configMapGenerator=maps, generatorOptions=options),
    )


def _kustomization(kind: str, **fields: object) -> str:
    version = "v1beta1" if kind == "Kustomization" else "v1alpha1"
    return _yaml({"apiVersion": f"kustomize.config.k8s.io/{version}", "kind": kind, **fields})


def _plain(node: Any) -> Any:  # noqa: ANN401 (YAML)
    """Leave out what only Helm needs, and the namespace, which the overlay gives."""
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    is_object = "kind" in node and "metadata" in node
    plain = {key: _plain(value) for key, value in node.items() if key not in _HELMS}
    if is_object:
        plain["metadata"].pop("namespace", None)
    if plain.get("kind") == "ServiceMonitor":
        plain["spec"].pop("namespaceSelector")
    return plain


def _yaml(value: object) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, width=120)
    return text

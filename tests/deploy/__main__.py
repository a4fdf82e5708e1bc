"""`make deploy-check`: every tool that judges what is deployed, one line each; what cannot run here says why.

Exit status 1 where something failed. What is skipped fails with CI=true where the tool ought to be there (see
tests/kubernetes_tools.py).
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import yaml

from tests.deploy.charts import CHART, FEATURES, config_text, helm, rendered, values_of
from tests.deploy.image_builds import ImageMissingError, built_and_run
from tests.kubernetes_tools import program, validate

DEPLOY = CHART.parents[1]
ROOT = DEPLOY.parent
VERSIONS = ("1.29", "1.31", "1.33", "1.35", "1.37")


class SkippedError(Exception):
    """Something is not here; the message says what."""


class FailedError(Exception):
    """What the tool said."""


def run(*command, text=None, within=120):
    """Run a tool; what it prints."""
    if shutil.which(command[0]) is None:
        raise SkippedError(f"there is no {command[0]} in PATH")
    done = subprocess.run(
        list(map(str, command)), input=text, capture_output=True, text=True, timeout=within, check=False, cwd=ROOT
    )
    if done.returncode != 0:
        raise FailedError((done.stdout + done.stderr).strip()[-1500:])
    return done.stdout


def tests(*names):
    """Run files of tests in the place of a tool that is a library; what they come to."""
    paths = [f"tests/deploy/{name}.py" for name in names]
    quiet = ("-q", "-rs", "-p", "no:cacheprovider", "-W", "ignore")
    return outcome(run(sys.executable, "-m", "pytest", *quiet, *paths, within=600))


def outcome(said):
    """Tell what pytest's lines come to: its last one, and why tests were skipped. Raises where no test ran."""
    *lines, last = said.strip().splitlines()
    reasons = {found[1] for line in lines if (found := re.match(r"SKIPPED \[\d+\] \S+: (.*)", line))}
    words = "; ".join([last.strip("= "), *sorted(reasons)])
    if " passed" not in last:
        raise SkippedError(words)
    return words


def lint():
    for feature in FEATURES:
        status, out, err = helm("lint", "--strict", str(CHART), values=values_of(feature))
        if status != 0:
            raise FailedError(f"{feature}: {out}{err}")
    return f"{len(FEATURES)} sets of values"


def schemas():
    objects = [each for feature in FEATURES for each in rendered(values_of(feature)).values()]
    for version in VERSIONS:
        if found := validate(objects, version):
            raise FailedError("\n".join(found))
    return f"{len(objects)} objects by the schemas of Kubernetes {', '.join(VERSIONS)}, of operators and of Strimzi"


def api_server():
    if not os.environ.get("KUBECONFIG"):
        raise SkippedError("KUBECONFIG names no cluster")
    kubectl = program("kubectl")
    for feature in FEATURES:
        known = [each for each in rendered(values_of(feature)).values() if "strimzi" not in each["apiVersion"]]
        for each in known:
            each["metadata"].pop("namespace", None)
            # A dry run makes no account that the pods of `helm test` could have.
            if each["kind"] == "Pod":
                del each["spec"]["serviceAccountName"]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": known})
        run(kubectl, "apply", "--dry-run=server", "--validate=strict", "-f", "-", text=text)
    return f"{len(FEATURES)} sets of values, but Strimzi's kinds"


def kustomize():
    out = run(program("kubectl"), "kustomize", DEPLOY / "kustomize" / "base")
    return f"{len(list(yaml.safe_load_all(out)))} objects of the base"


def package():
    with tempfile.TemporaryDirectory() as folder:
        run(program("helm"), "package", CHART, "--destination", folder)
        (archive,) = Path(folder).iterdir()
        return f"{archive.name}, {archive.stat().st_size // 1024} KiB"


def rule_files():
    files = [DEPLOY / "prometheus" / "klaxon.rules.yaml", DEPLOY / "compose" / "klaxon.rules.yaml"]
    groups = rendered(values_of("operators"))["PrometheusRule", "klaxon"]["spec"]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as chart:
        yaml.safe_dump(groups, chart)
        chart.flush()
        run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *files, chart.name)
    return f"{len(files) + 1} files"


def alertmanager():
    files = [DEPLOY / "alertmanager" / "alertmanager.yaml", DEPLOY / "compose" / "alertmanager.yaml"]
    run("amtool", "check-config", *files)
    return f"{len(files)} files"


def klaxond():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "klaxon.yaml"
        path.write_text(config_text(rendered(values_of("minimal"))))
        run(Path(sys.executable).with_name("klaxond"), "check", "--config.file", path)
        run(Path(sys.executable).with_name("klaxond"), "check", "--config.file", DEPLOY / "compose" / "klaxon.yaml")
    return "configurations of the chart and of compose"


def compose():
    try:
        run("docker", "compose", "version")
    except FailedError as failed:
        raise SkippedError("docker has no compose here") from failed
    run("docker", "compose", "--file", DEPLOY / "compose" / "compose.yaml", "config", "--quiet")
    return "compose.yaml"


def dockerfile():
    run("hadolint", DEPLOY / "image" / "Dockerfile")
    return "Dockerfile"


def image():
    try:
        return built_and_run(ROOT)
    except ImageMissingError as missing:
        raise SkippedError(str(missing)) from missing


CHECKS = {
    "helm lint": lint,
    "helm template": schemas,
    "helm package": package,
    "API server": api_server,
    "kubectl kustomize": kustomize,
    "klaxond check": klaxond,
    "promtool check rules": rule_files,
    "promtool test rules": lambda: tests(
        "test_alerts", "test_alerts_through_rollouts", "test_alert_texts", "test_rule_file"
    ),
    "amtool check-config": alertmanager,
    "dashboards": lambda: tests("test_dashboards"),
    "chart, tests": lambda: tests("test_chart", "test_chart_pods", "test_chart_monitoring", "test_kustomize"),
    "docker compose config": compose,
    "hadolint": dockerfile,
    "image": image,
}


def main():
    """Run all of them."""
    failed = False
    for name, check in CHECKS.items():
        began = time.monotonic()
        try:
            word, said = "ok", check()
        except (SkippedError, pytest.skip.Exception) as why:
            word, said = "skipped", str(why)
        except (FailedError, AssertionError, pytest.fail.Exception, subprocess.TimeoutExpired) as why:
            word, said, failed = "FAILED", str(why), True
        print(f"{word:8}{name:24}{time.monotonic() - began:5.1f} s  {said}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()

"""The chart as tests see it: rendered by helm into objects, or refused."""

import json
import subprocess
from functools import cache
from pathlib import Path

import yaml

from tests.kubernetes_tools import program

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "klaxon"
FEATURES = sorted(path.stem.removesuffix("-values") for path in (CHART / "ci").glob("*-values.yaml"))
#: Libyaml's, since dashboards are long.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
RELEASE, NAMESPACE = "klaxon", "models"
#: The least that has to be written.
LEAST = {
    "config": {"kafka": {"bootstrap_servers": ["broker-1:9092"]}, "streams": [{"topic": "pairs"}]},
}


def merged(below, above):
    """Mappings merged key by key, as Helm does."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    both = {key: merged(below[key], above[key]) if key in below else above[key] for key in above}
    return {**below, **both}


def values_of(feature):
    """The values of one file in ci/."""
    return yaml.safe_load((CHART / "ci" / f"{feature}-values.yaml").read_text())


def with_least(**values):
    """The least that has to be written, and these values."""
    return merged(LEAST, values)


def helm(*arguments, values):
    """Run helm on the chart: (exit status, standard output, standard error)."""
    command = [program("helm"), *arguments, "--values", "-"]
    # JSON: YAML has texts that one reader takes for numbers and another one does not.
    done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def rendered(values, *arguments):
    """Objects that the chart makes of values, by (kind, name)."""
    out = _template(json.dumps(values), arguments)
    objects = [each for each in yaml.load_all(out, _LOADER) if each]
    named = {(each["kind"], each["metadata"]["name"]): each for each in objects}
    assert len(named) == len(objects)
    return named


@cache
def _template(values, arguments):
    status, out, err = helm(
        "template", RELEASE, str(CHART), "--namespace", NAMESPACE, *arguments, values=json.loads(values)
    )
    assert status == 0, err
    return out


def refusal(values):
    """What helm says where it refuses the values."""
    status, _, err = helm("template", RELEASE, str(CHART), "--namespace", NAMESPACE, values=values)
    assert status != 0
    return err


def pod_of(objects):
    """The pod of the only Deployment."""
    (deployment,) = (each for (kind, _), each in objects.items() if kind == "Deployment")
    return deployment["spec"]["template"]


def container_of(objects):
    """The container of klaxond."""
    return next(each for each in pod_of(objects)["spec"]["containers"] if each["name"] == "klaxond")


def config_text(objects):
    """The configuration that klaxond will read."""
    (text,) = (each["data"]["klaxon.yaml"] for each in objects.values() if "klaxon.yaml" in each.get("data", {}))
    return text

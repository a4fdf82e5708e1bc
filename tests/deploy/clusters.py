"""A real Kubernetes cluster for tests: kubectl, pods as values, and a broker that pods reach.

Any disposable cluster with a node will do. The environment names it: KUBECONFIG; KLAXON_TEST_IMAGE, the image of
klaxond as the nodes know it; KLAXON_TEST_GATEWAY, the address at which pods reach this machine. This machine reaches
the pods by their addresses. `make cluster-test` brings such a cluster up where there is a kit (see
tests/deploy/with_cluster).
"""

import http.client
import json
import os
import subprocess
import time
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.kafka_server import KafkaServer
from tests.kubernetes_tools import program

#: Of the topic that is read; one, two and three replicas can share them evenly.
PARTITIONS = 12
VARIABLES = ("KUBECONFIG", "KLAXON_TEST_IMAGE", "KLAXON_TEST_GATEWAY")


def missing():
    """Why there is no cluster here; None where there is one."""
    absent = [name for name in VARIABLES if not os.environ.get(name)]
    if not absent:
        return None
    return f"`make cluster-test` brings a cluster up; {', '.join(VARIABLES)} name one: {', '.join(absent)} is not set"


def kubectl(*arguments, text=None, within=120, fails=False):
    """Run kubectl: its output; where it may fail, also what it says of that."""
    command = [program("kubectl"), *map(str, arguments)]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=within, check=False)
    if done.returncode != 0 and not fails:
        pytest.fail(f"kubectl {' '.join(command[1:])}: {done.stderr}")
    return done.stdout + (done.stderr if fails else "")


def asked(*arguments):
    """Run kubectl and read its JSON."""
    return json.loads(kubectl(*arguments, "-o", "json"))


def until(condition, what, within=90):
    """Wait until the condition gives something true, and return that."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.5)
    pytest.fail(f"no {what} within {within} s")


class ReachableServer(KafkaServer):
    """A broker that listens everywhere and says that it is at the gateway."""

    def _hosts(self, name):
        return ("0.0.0.0", os.environ["KLAXON_TEST_GATEWAY"]) if name == "plain" else super()._hosts(name)


class Release:
    """The chart in a namespace, and its pods."""

    def __init__(self, namespace, values, chart):
        self.namespace, self.values, self.chart = namespace, values, chart

    def upgrade(self, *, wait=True, **values):
        """Install it, or install it anew with further values."""
        from tests.deploy.charts import merged

        self.values = merged(self.values, values)
        command = [program("helm"), "upgrade", "--install", "klaxon", str(self.chart), "-n", self.namespace]
        command += ["--values", "-", *(["--wait", "--timeout", "120s"] if wait else [])]
        done = subprocess.run(
            command, input=json.dumps(self.values), capture_output=True, text=True, timeout=180, check=False
        )
        assert done.returncode == 0, done.stderr + self.events()
        return done.stdout

    def pods(self, *, ready=True):
        """Pods by name, those that are not about to go; only the ready ones."""
        found = asked("get", "pods", "-n", self.namespace, "-l", "app.kubernetes.io/name=klaxon")["items"]
        return {
            pod["metadata"]["name"]: pod
            for pod in found
            if "deletionTimestamp" not in pod["metadata"] and (not ready or is_ready(pod))
        }

    def ready(self, count, within=90):
        """Wait for so many ready pods and no other ones."""

        def settled():
            pods = self.pods(ready=False)
            return pods if len(pods) == count and all(map(is_ready, pods.values())) else None

        return until(settled, f"{count} ready pods; {self.events()}", within)

    def owned(self):
        """How many partitions each ready pod owns."""
        return {name: int(sum(samples(pod, "klaxon_partition_owned").values())) for name, pod in self.pods().items()}

    def spread(self, count):
        """Wait until each of so many pods owns its share of the partitions, and nobody owns one twice."""
        share = PARTITIONS // count
        return until(lambda: sorted(self.owned().values()) == [share] * count, f"{share} partitions each", 60)

    def events(self):
        """The last events and lines of logs, for a failed test's message."""
        place = ("-n", self.namespace)
        happened = kubectl("get", "events", *place, "--sort-by=.lastTimestamp", fails=True)[-3000:]
        chosen = (*place, "-l", "app.kubernetes.io/name=klaxon", "-c", "klaxond", "--tail=5", "--prefix")
        said = [kubectl("logs", *chosen, *which, fails=True)[-3000:] for which in ([], ["--previous"])]
        return "\n".join([happened, *said])


def inside(pod, program):
    """Run Python in the container of klaxond, as its user; what it prints, or what kubectl says."""
    place = ("-n", pod["metadata"]["namespace"], pod["metadata"]["name"], "-c", "klaxond")
    return kubectl("exec", *place, "--", "python3", "-c", program, fails=True)


def is_ready(pod):
    """Whether Kubernetes takes it for ready."""
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def exposed(pod):
    """The text of its metrics, asked at the pod's own address; empty where it does not answer."""
    try:
        with urllib.request.urlopen(f"http://{pod['status']['podIP']}:9752/metrics", timeout=5) as answer:
            return answer.read().decode()
    except (OSError, http.client.HTTPException):  # it may end in the middle of an answer
        return ""


def samples(pod, name):
    """Samples of one metric by their labels; empty where it does not answer."""
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(exposed(pod))
        for sample in family.samples
        if sample.name == name
    }

"""Memory limits in a real cluster: the default is never near, and one that is passed does no harm to the numbers."""

import re
import time
from dataclasses import replace

import pytest

from tests.deploy.cluster_scrapes import judged, logged, watched
from tests.deploy.clusters import inside, samples, until

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.alone]
#: Seconds by label, as the release has them.
WINDOWS = {"10s": 10, "30s": 30}
#: The group waits for a member that died for its session, 10 s, and then for the others to join.
STALE_SECONDS = 20
#: For the writers' silence, which is longer; a whole window that lacks a record then has lost it.
SILENT_SECONDS = 4
#: Fills the container's memory by many processes, each much smaller than klaxond, since the kernel takes the largest.
FILL = """
import os, time
while True:
    full, told = os.pipe()
    if os.fork() == 0:
        held = b"x" * (32 << 20)
        os.write(told, b".")
        time.sleep(60)
        os._exit(0)
    os.read(full, 1)
"""


def whole(pod):
    """Whether each of its windows is complete."""
    found = samples(pod, "klaxon_window_complete")
    return bool(found) and set(found.values()) == {1.0}


def all_whole(release):
    """Whether three ready pods share the partitions, and each of their windows is complete."""
    pods = release.pods()
    return len(pods) == 3 and sorted(release.owned().values()) == [4, 4, 4] and all(map(whole, pods.values()))


def container(pod):
    """What Kubernetes says of the container of klaxond."""
    return next(iter(pod["status"].get("containerStatuses", [])), {})


def last_end(pod):
    """How its container ended the last time; empty where it has not."""
    status = container(pod)
    return status.get("lastState", {}).get("terminated") or status.get("state", {}).get("terminated") or {}


def test_what_the_chart_requests_is_more_than_twelve_partitions_take(release):
    release.upgrade(replicaCount=1)
    (pod,) = release.ready(1).values()
    assert release.spread(1)
    until(lambda: whole(pod), "whole windows", 60)
    resources = pod["spec"]["containers"][0]["resources"]
    assert (resources["requests"]["memory"], resources["limits"]["memory"]) == ("256Mi", "1Gi")
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", inside(pod, "print(open('/proc/1/status').read())"))
    assert 50 < int(peak) / 1024 < 200


def test_a_pod_that_is_out_of_memory_starts_again_and_no_whole_window_lacks_a_record_or_has_one_twice(release, broker):
    release.upgrade(replicaCount=3)
    before = release.ready(3)
    until(lambda: all_whole(release), "whole windows", 90)
    victim = next(iter(before))
    with watched(release) as seen:
        inside(before[victim], FILL)
        after = until(lambda: _started_again(release, victim), "new start of the container", 60)
        assert (last_end(after)["reason"], last_end(after)["exitCode"]) == ("OOMKilled", 137)
        assert after["metadata"]["uid"] == before[victim]["metadata"]["uid"]
        until(lambda: container(release.pods().get(victim, after))["ready"] and all_whole(release), "whole windows", 90)
        # While nobody writes, windows are those of the log, and not only within the seconds that reading takes.
        for each in broker.writers:
            each.change("silent", 0)
        time.sleep(5)
        quiet = time.time()
        time.sleep(4)
    for each in broker.writers:
        each.change("calm", 0)
    truths = logged(broker.address, seen[0].published - 2 * max(WINDOWS.values()))
    found = judged(seen, truths, WINDOWS, stale_seconds=STALE_SECONDS)
    assert found.violations == []
    assert found.compared > 100
    last = [scrape for scrape in seen if scrape.published > quiet]
    exact = judged(last, truths, WINDOWS, stale_seconds=SILENT_SECONDS)
    assert exact.exact == exact.compared == sum(len(scrape.windows) for scrape in last)
    assert {scrape.replica for scrape in last} == set(before)
    # The judge is awake: with one message more or less in each window there is nothing but violations.
    for error in (1, -1):
        wrong = judged(
            [_with_messages(scrape, error) for scrape in last], truths, WINDOWS, stale_seconds=SILENT_SECONDS
        )
        assert len(wrong.violations) == wrong.compared


def _with_messages(scrape, error):
    windows = {key: {**cell, "messages": cell["messages"] + error} for key, cell in scrape.windows.items()}
    return replace(scrape, windows=windows)


def _started_again(release, name):
    pod = release.pods(ready=False)[name]
    return pod if container(pod)["restartCount"] == 1 else None


def test_a_limit_that_the_start_does_not_fit_in_stops_the_rollout_and_the_old_pods_go_on(release):
    before = set(release.ready(3))
    fits = release.values
    least = {"memory": "32Mi"}
    release.upgrade(wait=False, resources={"requests": least, "limits": least})

    def killed():
        new = [pod for name, pod in release.pods(ready=False).items() if name not in before]
        return [pod for pod in new if last_end(pod).get("reason") == "OOMKilled"]

    assert len(until(killed, "start that is killed", 60)) == 1
    assert set(release.pods()) == before
    assert release.spread(3)
    release.values = fits
    release.upgrade()
    assert set(release.ready(3)) == before

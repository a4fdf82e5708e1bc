"""What pods exposed over a while, judged by the log: no whole window may lack a record or hold one twice."""

import json
import threading
import time
from contextlib import contextmanager

import numpy as np

from tests.deploy.clusters import exposed
from tests.faults.checks import check_windows
from tests.faults.raw_log import read_log
from tests.faults.scrapes import parse
from tests.faults.truth import Geometry, Message, PartitionTruth


@contextmanager
def watched(release):
    """Scrape the pods twice a second while the block runs: a list of one scrape for each publish."""
    seen, over = {}, threading.Event()

    def watch():
        while not over.wait(0.5):
            # Asked for by their addresses, and at once: a pod that is about to go answers too.
            for name, pod in release.pods(ready=False).items():
                text = exposed(pod) if pod["status"].get("podIP") else ""
                scrape = parse(text, at=time.time(), replica=name, incarnation=0, stream="tokens")
                if scrape is not None:
                    seen[name, scrape.published] = scrape

    found = []
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join(30)
        found += sorted(seen.values(), key=lambda scrape: scrape.published)


def logged(bootstrap_servers, from_seconds):
    """What the log holds since a time, by partition."""
    return {
        number: PartitionTruth(number, messages=list(_messages(number, records, from_seconds * 1e6)))
        for number, records in read_log(bootstrap_servers, "tokens").items()
    }


def judged(scrapes, truths, lengths, *, stale_seconds):
    """Compare the whole windows of all publishes with the log, which has to reach back a window before the first.

    `lengths` are seconds by label. A living replica that waits for the group may be `stale_seconds` behind the log.
    """
    geometry = Geometry({label: int(seconds * 1e6) for label, seconds in lengths.items()})
    return check_windows(scrapes, truths, geometry, limit_s=lambda _at: stale_seconds)


def _messages(partition, records, from_us):
    """Read the demo's records since a time, and sum their pairs: fixed KL(q||p) and KL(p||q), q the sampler."""
    for offset, append_ms, value in records:
        if append_ms * 1000 < from_us:
            continue
        record = json.loads(value)
        u = np.array(record["logp"]) - np.array(record["logq"])
        sums = {
            "W": float(len(u)),
            "SF": float((np.expm1(u) - u).sum()),
            "OF": float((u * np.exp(u) - np.expm1(u)).sum()),
        }
        series = record["model"], record["version"]
        yield Message(partition, offset, series, record["ts"], append_ms * 1000, len(u), 0, 0, sums, sums)

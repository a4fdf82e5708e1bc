"""What a fault may touch: brokers, proxies, daemons, load; and how the daemons are configured."""

import random
import time
from dataclasses import dataclass
from pathlib import Path

from tests.faults.cluster import Cluster
from tests.faults.fleet import STREAM, Fleet
from tests.faults.load import Load
from tests.faults.truth import Geometry

WINDOWS_US = {"1m": 60_000_000, "10m": 600_000_000, "3h": 10_800_000_000}
GEOMETRY = Geometry(WINDOWS_US)
SESSION_TIMEOUT_S = 6.0
PUBLISH_S = COMMIT_S = 1.0
SNAPSHOT_S = 2.0


@dataclass
class World:
    """One run's parts.

    `spared`: index of a daemon that no fault ends, so that its memory can be watched; -1: none.
    """

    cluster: Cluster
    fleet: Fleet
    load: Load
    dice: random.Random
    topic: str
    kind: str
    folder: Path
    changelog: str
    healed: float = 0.0
    spared: int = -1

    def heal(self):
        """Note that the fault is over from now on; not needed where it is when the fault's function returns."""
        self.healed = time.time()

    @property
    def replicas(self):
        """The daemons."""
        return self.fleet.replicas

    @property
    def mortal(self):
        """The daemons that faults may end."""
        return [replica for replica in self.replicas if replica.index != self.spared]

    def any_replica(self):
        """One of the daemons that may end, by the dice."""
        return self.dice.choice(self.mortal)


def settings(cluster, topic, kind, folder, *, tls, group):
    """One daemon's configuration: quick timers, three windows, through the proxies."""
    kafka = {
        "bootstrap_servers": cluster.proxied(tls=tls),
        "group_id": group,
        "session_timeout": f"{SESSION_TIMEOUT_S:.0f}s",
    }
    if tls:
        kafka |= {"security_protocol": "SSL", "ssl": {"ca_file": str(cluster.ca_file)}}
    snapshot = {"kind": kind}
    if kind != "none":
        snapshot["interval"] = f"{SNAPSHOT_S:.0f}s"
    if kind == "file":
        snapshot["path"] = str(folder)
    return {
        "kafka": kafka,
        "streams": [
            {"topic": topic, "name": STREAM, "format": "msgpack-f32", "series_labels": ["model", "version"]},
        ],
        "windows": list(WINDOWS_US),
        "publish_interval": f"{PUBLISH_S:.0f}s",
        "commit_interval": f"{COMMIT_S:.0f}s",
        "snapshot": snapshot,
        "min_messages": 1,
    }

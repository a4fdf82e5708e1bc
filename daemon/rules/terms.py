"""What rules depend on, and the terms that several of them share."""

from dataclasses import dataclass
from typing import Final

#: A stream of one deployment: what the replicas of a consumer group have in common.
STREAM: Final = "namespace, job, stream"
#: The fleet's coverage: there only where every partition of the stream's topic is owned exactly once.
COVERED: Final = "stream:klaxon_partition_owned:exactly_once"
#: How many replicas hold messages of a window of a series.
PARTS: Final = "series:klaxon_window_messages:parts"
#: Moments of the fleet, only where several replicas hold parts.
MOMENTS: Final = "series:klaxon_window_moment:merged"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the rules are made for; durations as Prometheus writes them.

    Attributes
    ----------
    short, long : labels of the first and the second window
    short_seconds : length of the short window
    hold : how long a drift must hold before it alarms
    patience : the same for what a deploy or a restart does for a while, and how long an alarm outlives its cause
    rate : range of rates
    min_messages : fewer in the whole fleet's window, and its estimates are withheld
    stale_seconds : older than this, the newest publish of a replica is not now
    snapshot_seconds : older than this, a partition's newest snapshot is overdue
    replicas : target labels by which replicas differ
    runbooks : what stands before a runbook's file name in `runbook_url`
    grafana : address of Grafana, without a slash at its end, for `dashboard_url`; none without it
    """

    short: str = "5m"
    long: str = "1h"
    short_seconds: float = 300.0
    hold: str = "5m"
    patience: str = "15m"
    rate: str = "5m"
    min_messages: int = 30
    stale_seconds: float = 150.0
    snapshot_seconds: float = 300.0
    replicas: tuple[str, ...] = ("instance", "pod")
    runbooks: str = "deploy/runbooks/"
    grafana: str = ""

    def over_replicas(self, function: str, selector: str, *also: str) -> str:
        """Aggregate over the replicas, and over further labels."""
        return f"{function} without ({', '.join((*self.replicas, *also))}) ({selector})"

    @property
    def infinite(self) -> str:
        """Series whose long window holds a pair that the other distribution rules out, in any replica."""
        selector = f'klaxon_infinite{{window="{self.long}"}}'
        return f"{self.over_replicas('max', selector)} == 1"

    @property
    def broken(self) -> str:
        """Series whose long window fails the self-check."""
        return f'series:klaxon_comparable:merged{{window="{self.long}"}} == 0'


def moment(name: str) -> str:
    """Select one of the fleet's moments, by its name in DESIGN.md section 7."""
    return f'sum without (moment) ({MOMENTS}{{moment="{name}"}})'


def per_direction(operator: str) -> str:
    """Combine a column per direction with one that has none."""
    return f"{operator} ignoring (direction) group_left ()"

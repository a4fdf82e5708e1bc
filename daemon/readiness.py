"""Whether the daemon's numbers can be used, and why not, in words."""

from collections.abc import Collection
from typing import Final

from daemon.health import Readiness
from daemon.number_words import counted
from daemon.ownership import OwnedPartition
from daemon.source import SourceHealth
from daemon.starting import Starting

OUTAGE_SECONDS: Final = 60.0  # a broker outage beyond this makes the daemon unready


def readiness(
    source: SourceHealth,
    owned: Collection[OwnedPartition],
    starting: Starting,
    now: float,
    progress: str = "",
    *,
    session_alive: bool = True,
) -> Readiness:
    """Judge at monotonic `now`: the group has answered, the brokers do, and every partition has been restored.

    `progress` says how far the log has been read again, `session_alive` whether the group has answered of late.
    """
    reasons = []
    outage = None if source.unreachable_since is None else now - source.unreachable_since
    if outage is not None and (outage > OUTAGE_SECONDS or not source.joined):
        reasons.append(f"no broker has answered for {outage:.0f} s: {source.reason}")
    if not source.joined:
        reasons.append("the consumer group has not answered yet")
    elif source.reachable and owned and not session_alive:  # other brokers answer, so no outage is told
        reasons.append(
            "the coordinator of the consumer group has not answered for kafka.session_timeout, so nothing is read, or "
            "shown as ours, until it does"
        )
    behind = sum(not partition.restored for partition in owned) + len(starting)
    if behind:
        told = f"{counted(behind, 'partition is', 'partitions are')} still being restored from the log"
        reasons.append(f"{told}: {progress}" if progress else told)
    reasons += starting.reasons()
    return Readiness(ready=not reasons, reasons=tuple(reasons))

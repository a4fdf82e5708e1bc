"""The verdict over a run: the log judged by the second program, and everything that was seen compared with it."""

from dataclasses import dataclass, field

from tests.faults.checks import STALE_LIMIT_S, check_conservation, check_windows
from tests.faults.hygiene import check_counters, check_endings, check_logs, check_memory, slopes
from tests.faults.raw_log import read_log
from tests.faults.truth import judge

#: While brokers or the network fail, a daemon may not know the log's end for so long before its windows say so.
BLIND_S = 65.0
BLINDING = ("broker", "leader", "connections", "black hole", "tarpit", "byte")


@dataclass
class Outcome:
    """What was compared, by name, and what was wrong, in the order of time."""

    records: int = 0
    pairs: int = 0
    rejected: dict = field(default_factory=dict)
    verdicts: dict = field(default_factory=dict)
    counters: tuple = ()
    slopes: list = field(default_factory=list)
    final_windows: int = 0
    cells: int = 0

    @property
    def violations(self):
        """All (seconds, kind, words)."""
        return sorted(found for verdict in self.verdicts.values() for found in verdict.violations)


def judge_run(world, result, geometry):
    """Read the log back and check everything."""
    log = read_log(world.cluster.bootstrap_servers, world.topic)
    truths = {partition: judge(partition, records, geometry) for partition, records in log.items()}
    outcome = Outcome(
        records=sum(len(records) for records in log.values()),
        pairs=sum(one.pairs for truth in truths.values() for one in truth.messages),
        slopes=slopes(world.replicas),
    )
    for truth in truths.values():
        for reason in truth.rejected.values():
            outcome.rejected[reason] = outcome.rejected.get(reason, 0) + 1
    outcome.verdicts["windows"] = check_windows(
        world.fleet.scrapes, truths, geometry, limit_s=lambda at: _stale_limit(at, result.steps)
    )
    final = [scrape for scrape in world.fleet.latest.values() if scrape.published >= result.final]
    outcome.final_windows = check_windows(final, truths, geometry).exact
    if len(final) != len(world.replicas) or not outcome.final_windows:
        outcome.verdicts["windows"].add(result.final, "other", "there was no exact comparison at the end")
    outcome.verdicts["conservation"] = check_conservation(world.fleet.scrapes)
    outcome.verdicts["counters"], outcome.counters = check_counters(world.fleet, truths)
    outcome.verdicts["endings"] = check_endings(world.replicas)
    outcome.verdicts["logs"] = check_logs(world.replicas)
    outcome.verdicts["memory"] = check_memory(world.replicas)
    return outcome


def _stale_limit(at, steps):
    """How many seconds behind the log a complete window may be before what it lacks counts as lost."""
    for step in steps:
        if any(word in step.name for word in BLINDING) and step.started - 1 <= at <= step.healed + 10:
            return BLIND_S
    return STALE_LIMIT_S

"""The verdict over a run: the log judged by the second program, and everything that was seen compared with it."""

import re
import subprocess
import sys
from dataclasses import dataclass, field

from tests.faults.cells import differences, fold
from tests.faults.checks import Verdict, check_conservation, check_owners, check_windows
from tests.faults.fleet import ROOT
from tests.faults.hygiene import check_counters, check_endings, check_logs, check_memory, slopes
from tests.faults.raw_log import read_log
from tests.faults.states import last_snapshots
from tests.faults.truth import judge
from tests.faults.world import SESSION_TIMEOUT_S

BROKERS_SILENT = 3  # exit status of `klaxond verify`
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
    shared_s: float = 0.0
    restores: dict = field(default_factory=dict)
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
        world.fleet.scrapes, truths, geometry, limit_s=lambda at: _stale_limit(at, result)
    )
    final = [scrape for scrape in world.fleet.latest.values() if scrape.published >= result.final]
    outcome.final_windows = check_windows(final, truths, geometry).exact
    if len(final) != len(world.replicas) or not outcome.final_windows:
        outcome.verdicts["windows"].add(result.final, "other", "there was no exact comparison at the end")
    outcome.verdicts["owners"], outcome.shared_s = check_owners(world.fleet.scrapes, SESSION_TIMEOUT_S)
    outcome.restores = _restores(world.fleet.scrapes)
    outcome.verdicts["conservation"] = check_conservation(world.fleet.scrapes)
    outcome.verdicts["counters"], outcome.counters = check_counters(world.fleet, truths)
    if world.kind != "none":
        outcome.verdicts["snapshots"] = _check_snapshots(world, log, truths, geometry)
        outcome.cells = outcome.verdicts["snapshots"].compared
        outcome.verdicts["verify"] = _verify(world.replicas[0].config)
    outcome.verdicts["endings"] = check_endings(world.replicas)
    outcome.verdicts["logs"] = check_logs(world.replicas)
    outcome.verdicts["memory"] = check_memory(world.replicas)
    return outcome


def _restores(scrapes):
    """Partitions restored, by source, over all processes."""
    last = {(scrape.replica, scrape.incarnation): scrape.restores for scrape in scrapes}
    sources = sorted({source for found in last.values() for source in found})
    return {source: int(sum(found.get(source, 0) for found in last.values())) for source in sources}


def _check_snapshots(world, log, truths, geometry):
    """Compare the panes of the last snapshot of every partition with those folded from the log below its offset."""
    verdict = Verdict()
    found = last_snapshots(world.replicas[0].config, world.topic, sorted(log))
    for partition, records in log.items():
        if partition not in found:
            verdict.add(0.0, "other", f"partition {partition}: there is no snapshot at the end")
            continue
        next_offset, complete_from_us, cells = found[partition]
        below = [record for record in records if record[0] < next_offset]
        whole = len(below) == len(records)
        truth = truths[partition] if whole else judge(partition, below, geometry)
        expected = fold(truth, geometry, next_offset, complete_from_us)
        verdict.compared += len(expected)
        for words in differences(cells, expected, f"partition {partition} at offset {next_offset}"):
            verdict.add(0.0, "double" if _more(words) else "lost", words)
        if not whole:
            verdict.add(0.0, "other", f"partition {partition}: SIGTERM left {len(records) - len(below)} records out")
    return verdict


def _verify(config):
    """Ask `klaxond verify` too: a third opinion, and the one that operators have."""
    verdict = Verdict(compared=1)
    command = [sys.executable, "-m", "daemon", "verify", "--config.file", str(config)]
    for _ in range(3):
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=300)
        if done.returncode != BROKERS_SILENT:  # a busy machine's broker
            break
    if done.returncode != 0:
        verdict.add(
            0.0, "other", f"klaxond verify ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-2000:]}"
        )
    return verdict


def _more(words):
    """Whether a difference in words is of a state that holds more than the log."""
    numbers = re.findall(r"the state has (\d+), the log (\d+)", words)
    return bool(numbers) and int(numbers[0][0]) > int(numbers[0][1])


def _stale_limit(at, result):
    """How many seconds behind the log a complete window may be before what it lacks counts as lost."""
    for step in result.steps:
        if any(word in step.name for word in BLINDING) and step.started - 1 <= at <= step.healed + 10:
            return BLIND_S
    return result.options.stale_limit_s

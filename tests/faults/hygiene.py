"""What else must hold after any fault: exit statuses, no traceback, bounded stops, counters, memory that stays."""

import datetime as dt
import signal
import statistics
from collections import defaultdict
from itertools import pairwise

from tests.faults.checks import Verdict
from tests.faults.world import COMMIT_S, PUBLISH_S

START_LIMIT_S = 3.0
STOP_LIMIT_S = 10.0
RSS_LIMIT = 700 << 20
GROWTH_LIMIT = 48 << 20  # over half of a process' life, if that was long
LONG_LIFE_S = 1500
#: What a process read last before its end, and was not published or not committed, came as fast as others saw it then.
NEAR_S = (8.0, 3.0)
SCRAPE_S = 1.0


def check_endings(replicas):
    """SIGTERM gives 0 within 10 s; nothing ends by itself but where a failpoint kills."""
    verdict = Verdict()
    for replica in replicas:
        for one in replica.incarnations:
            verdict.compared += 1
            where = f"{replica.name} process {one.number}"
            killed = one.status == -signal.SIGKILL and (one.ending == "kill" or bool(one.failpoints))
            # Python itself ends a process that has not come to its first line yet.
            young = one.ended is not None and one.ended - one.started < START_LIMIT_S
            killed |= one.status == -signal.SIGTERM and one.ending == "term" and young
            if one.ending == "term" and one.stop_seconds is not None and one.stop_seconds > STOP_LIMIT_S:
                verdict.add(one.ended, "other", f"{where}: SIGTERM took {one.stop_seconds:.1f} s")
            if one.status is not None and not killed and not (one.ending == "term" and one.status == 0):
                verdict.add(one.ended, "other", f"{where}: ended with {one.status} after `{one.ending or 'nothing'}`")
    return verdict


def check_logs(replicas):
    """No traceback in any log, but where the Kafka client's own logger tells of a connection that was reset."""
    verdict = Verdict()
    for replica in replicas:
        for line in replica.log.read_text(errors="replace").splitlines():
            verdict.compared += 1
            if "Traceback" in line and " logger=kafka." not in line:
                verdict.add(0.0, "other", f"{replica.name}: {line[:2500]}")
    return verdict


def check_counters(fleet, truths):
    """The increases of `messages_total` over all processes against the log, within DESIGN.md section 5's bound.

    Returns the verdict and (sum of increases, truth, bound). The bound of a process that ended, or lost its partitions
    uncommitted, is what can be read in an interval at the fastest increase that any process had near that moment.
    """
    verdict, lives = Verdict(), defaultdict(list)
    for scrape in fleet.scrapes:
        lives[scrape.replica, scrape.incarnation].append(scrape)
    rates = sorted(found for life in lives.values() for found in _rates(life))
    for key, life in lives.items():
        if any(late < early for early, late in pairwise(map(_messages, life))):
            verdict.add(life[-1].published, "other", f"replica{key[0]} process {key[1]}: messages_total fell")
    increases = sum(_messages(life[-1]) for life in lives.values())
    truth = sum(len(one.messages) for one in truths.values())
    bound = 0.0
    for replica in fleet.replicas:
        bound += sum(COMMIT_S * _fastest(rates, at) for at in _uncommitted(replica.log))
        for one in replica.incarnations:
            if one.status is not None:
                interval = PUBLISH_S + SCRAPE_S + (COMMIT_S if one.status == -signal.SIGKILL else 0.0)
                bound += interval * _fastest(rates, one.ended)
    verdict.compared += len(lives)
    if abs(increases - truth) > bound:
        verdict.add(0.0, "other", f"counters rose by {increases:.0f}, the log has {truth}; the bound is {bound:.0f}")
    return verdict, (increases, truth, bound)


def _rates(life):
    """(seconds, messages a second) between the publishes of one process, the first from its start on."""
    yield life[0].published, _messages(life[0]) / PUBLISH_S
    for early, late in pairwise(life):
        rise = _messages(late) - _messages(early)
        yield late.published, rise / max(PUBLISH_S, late.published - early.published)


def _fastest(rates, at):
    near = [rate for seconds, rate in rates if at - NEAR_S[0] <= seconds <= at + NEAR_S[1]]
    return max(near, default=max((rate for _, rate in rates), default=0.0))


def _uncommitted(log):
    """Seconds of the wall clock at which a daemon says that partitions went without a commit."""
    for line in log.read_text(errors="replace").splitlines():
        if "were not committed on revocation" in line or "change=lost" in line:
            stamp = line.partition("ts=")[2].partition(" ")[0]
            yield dt.datetime.fromisoformat(stamp).timestamp()


def _messages(scrape):
    return scrape.counters["klaxon_messages_total"]


def check_memory(replicas):
    """No process above its memory; memory, threads and descriptors of long-lived ones do not grow."""
    verdict = Verdict()
    for replica in replicas:
        for one in replica.incarnations:
            if not one.samples:
                continue
            verdict.compared += 1
            most = max(sample[1] for sample in one.samples)
            where = f"{replica.name} process {one.number}"
            if most > RSS_LIMIT:
                verdict.add(0.0, "other", f"{where}: {most >> 20} MiB of memory")
            lived_s = one.samples[-1][0] - one.samples[0][0]
            if lived_s > 240:
                memory = [("memory", 1, GROWTH_LIMIT)] if lived_s > LONG_LIFE_S else []
                for name, column, limit in (("threads", 2, 4), ("descriptors", 3, 16), *memory):
                    early, late = _ends(one.samples, column)
                    if late - early > limit:
                        verdict.add(0.0, "other", f"{where}: {name} grew from {early:.0f} to {late:.0f}")
    return verdict


def _ends(samples, column):
    values = [sample[column] for sample in samples]
    quarter = max(1, len(values) // 4)
    return statistics.median(values[quarter : 2 * quarter]), statistics.median(values[-quarter:])


def slopes(replicas):
    """Growth of processes that lived ten minutes, by least squares.

    Yields (where, minutes, MiB at the median of each quarter, growth per hour of MiB, threads, descriptors).
    """
    rows = []
    for replica in replicas:
        for one in replica.incarnations:
            # The first two minutes fill caches.
            samples = [sample for sample in one.samples if sample[0] > one.samples[0][0] + 120]
            if samples and samples[-1][0] - samples[0][0] > 480:
                hours = [sample[0] / 3600 for sample in samples]
                growth = [
                    statistics.linear_regression(hours, [row[column] for row in samples]).slope for column in (1, 2, 3)
                ]
                minutes = (samples[-1][0] - samples[0][0]) / 60
                quarter = len(samples) // 4
                quarters = [
                    statistics.median(row[1] for row in samples[first : first + quarter]) / 2**20
                    for first in range(0, 4 * quarter, quarter)
                ]
                where = f"{replica.name} process {one.number}"
                rows.append((where, minutes, quarters, growth[0] / 2**20, *growth[1:]))
    return rows

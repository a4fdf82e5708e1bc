"""Every publish against the log: no window that says it is complete may hold a record too few or too many."""

import math
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

#: A record that was appended so long before a publish is expected in it: fetch, decode, absorb, on a busy machine.
SLACK_S = 3.0
#: While a group waits for a member that died its living members do not fetch: a session, and the joining after it.
STALE_LIMIT_S = 10.0
#: A daemon publishes every second; what it said last holds for two.
OWNED_S = 2.0
KL_RELATIVE = 1e-9


@dataclass
class Columns:
    """Accepted messages of one series as columns, in the order of their appending within each partition."""

    partition: np.ndarray
    event_us: np.ndarray
    append_us: np.ndarray
    pairs: np.ndarray
    zero: np.ndarray
    w: np.ndarray
    sf: np.ndarray
    of: np.ndarray


@dataclass
class Verdict:
    """What a check came to: how much it compared, and what it found wrong, each as (seconds, kind, words)."""

    compared: int = 0
    exact: int = 0
    stale: int = 0
    stalest_s: float = 0.0
    violations: list = field(default_factory=list)

    def add(self, at, kind, words):
        """Note a violation; kind is "lost", "double" or "other"."""
        self.violations.append((at, kind, words))


def columns_of(truths):
    """Gather the messages of all partitions by series."""
    rows = defaultdict(list)
    for truth in truths.values():
        for one in truth.messages:
            sums = one.sums
            rows[one.series].append(
                (
                    one.partition,
                    one.event_us,
                    one.append_us,
                    one.pairs,
                    one.zero_other,
                    sums["W"],
                    sums["SF"],
                    sums["OF"],
                )
            )
    return {
        series: Columns(*(np.array(column) for column in zip(*found, strict=True))) for series, found in rows.items()
    }


def check_windows(scrapes, truths, geometry, *, limit_s=lambda _at: STALE_LIMIT_S):
    """Compare each complete window of each publish with the log as it was then.

    The log is stamped with append times by the broker on this machine. A window over [end - length, end) of the
    partitions that the replica owns must hold no message appended after the publish, and every one appended SLACK_S
    before it. Where the two bounds agree (in the load's rests) the count is compared exactly, and so are the pairs and
    both fixed divergences. What is missing is stale where the counts are those of up to `limit_s(publish time)`
    seconds before, else lost; a limit below SLACK_S is SLACK_S.
    """
    verdict, columns = Verdict(), columns_of(truths)
    for scrape in scrapes:
        _check_scrape(verdict, scrape, columns, geometry, limit_s(scrape.published))
    return verdict


def _check_scrape(verdict, scrape, columns, geometry, limit_s):
    owned = np.array(sorted(scrape.owned), np.int64)
    for label in {label for (label, _), cell in scrape.windows.items() if cell.get("complete") == 1}:
        for series, found in columns.items():
            cell = scrape.windows.get((label, series), {"messages": 0.0, "pairs": 0.0, "complete": 1})
            if cell["complete"] == 1:
                end_us = round(scrape.ends[label] * 1e6)
                inside = _inside(found, owned, end_us, geometry.lengths_us[label])
                where = f"replica{scrape.replica} at {scrape.published:.2f}, window {label} of {'/'.join(series)}"
                _check_cell(verdict, scrape, cell, found, inside, where, limit_s)
        for known, series in scrape.windows.keys() - {(label, series) for series in columns}:
            if known == label:
                verdict.add(scrape.published, "double", f"{series}: the log holds no such series")


def _check_cell(verdict, scrape, cell, found, inside, where, limit_s):
    verdict.compared += 1
    most = inside & (found.append_us <= scrape.published * 1e6 + 20_000)
    least = _appended(found, inside, scrape, SLACK_S)
    told = {name: round(cell[name]) for name in ("messages", "pairs")}
    for name, truth in _counts(found, most).items():
        if told[name] > truth:
            verdict.add(scrape.published, "double", f"{where}: {told[name]} {name}, the log has {truth}")
    if any(told[name] < truth for name, truth in _counts(found, least).items()):
        _note_missing(verdict, scrape, told, found, inside, where, limit_s)
    elif np.array_equal(most, least):
        verdict.exact += 1
        _check_values(verdict, scrape, where, cell, found, most)


def _note_missing(verdict, scrape, told, found, inside, where, limit_s):
    """Tell a window that is some seconds behind from one that has lost records."""
    behind_s, truth = SLACK_S, _counts(found, _appended(found, inside, scrape, SLACK_S))
    while behind_s < limit_s:
        behind_s = min(behind_s + 0.5, limit_s)
        truth = _counts(found, _appended(found, inside, scrape, behind_s))
        if all(told[name] >= truth[name] for name in truth):
            verdict.stale += 1
            verdict.stalest_s = max(verdict.stalest_s, behind_s)
            return
    verdict.add(scrape.published, "lost", f"{where}: {told}, the log had {truth} {behind_s:.1f} s before")


def _appended(found, inside, scrape, before_s):
    return inside & (found.append_us <= (scrape.published - before_s) * 1e6)


def _counts(found, selected):
    return {"messages": int(selected.sum()), "pairs": int(found.pairs[selected].sum())}


def _inside(found, owned, end_us, length_us):
    in_time = (found.event_us >= end_us - length_us) & (found.event_us < end_us)
    return in_time & np.isin(found.partition, owned)


def _check_values(verdict, scrape, where, cell, found, inside):
    weight = found.w[inside].sum()
    for direction, terms in (("reverse", found.sf), ("forward", found.of)):
        if direction not in cell or not weight:
            continue
        infinite = direction == "reverse" and found.zero[inside].sum() > 0
        truth = math.inf if infinite else terms[inside].sum() / weight
        if not math.isclose(cell[direction], truth, rel_tol=KL_RELATIVE, abs_tol=1e-15):
            verdict.add(
                scrape.published, "other", f"{where}: {direction} is {cell[direction]!r}, the log says {truth!r}"
            )


def check_owners(scrapes, session_s):
    """Return the verdict, and the longest time in which two daemons told that they own one partition.

    A daemon that the group has left behind learns it late; longer than a session it may not believe so. A publish
    holds until the next one of its daemon, or for OWNED_S.
    """
    verdict, longest_s = Verdict(), 0.0
    said, began = defaultdict(dict), {}
    for scrape in sorted(scrapes, key=lambda one: one.published):
        for partition in said.keys() | scrape.owned:
            owners = said[partition]
            owners.pop(scrape.replica, None)
            if partition in scrape.owned:
                owners[scrape.replica] = scrape.published
            for other in [one for one, at in owners.items() if scrape.published - at > OWNED_S]:
                del owners[other]
            verdict.compared += 1
            if len(owners) < 2:
                began.pop(partition, None)
                continue
            both_s = scrape.published - began.setdefault(partition, scrape.published)
            longest_s = max(longest_s, both_s)
            if both_s > session_s:
                words = (
                    f"partition {partition} is owned by {sorted(owners)} for {both_s:.1f} s at {scrape.published:.2f}"
                )
                verdict.add(scrape.published, "other", words)
    return verdict, longest_s


def check_conservation(scrapes):
    """In every publish: records consumed = accepted + rejected + ignored (one record is one message here)."""
    verdict = Verdict()
    for scrape in scrapes:
        counters = scrape.counters
        parts = ("messages", "records_rejected", "records_ignored")
        total = sum(counters[f"klaxon_{part}_total"] for part in parts)
        consumed = counters["klaxon_records_consumed_total"]
        verdict.compared += 1
        if total != consumed:
            verdict.add(
                scrape.published, "other",
                f"replica{scrape.replica} at {scrape.published:.2f}: consumed {consumed:.0f}, told of {total:.0f}",
            )  # fmt: skip
    return verdict

"""A run in words: a table per fault class, what was compared, and every violation with the seed that finds it again."""

import statistics
from collections import Counter

_SOURCES = {"replay": "the log", "file": "a file", "changelog": "the changelog"}


def table(result):
    """Return the Markdown of a run."""
    happened = [step for step in result.steps if step.happened]
    violations = result.outcome.violations
    lines = [_headline(result, happened), "", *_rows(result, happened, violations), "", *_summary(result, violations)]
    if result.told:
        lines += ["", "| what changes the truth | came to | right after |", "|---|---|---|"]
        lines += [f"| {told.name} | {told.words} | {told.seconds:.1f} s |" for told in result.told]
        lines.append("")
    if not violations and not result.failures and len(happened) > 3:  # fewer bound nothing
        share = f"{3 / len(happened):.1%}"
        lines.append(
            f"0 of {len(happened)}: with 95 % confidence fewer than {share} of such faults lose or double anything."
        )
    lines += [f"Skipped: {reason}." for reason in result.skipped]
    lines += [_slope(*row) for row in result.outcome.slopes]
    return "\n".join(lines) + "\n"


def _headline(result, happened):
    outcome, options = result.outcome, result.options
    failpoints = sum(step.name.startswith("failpoint") for step in happened)
    parts = [
        f"{len(happened) - failpoints} faults and {failpoints} failpoint hits",
        f"{outcome.pairs:,} accepted pairs in {outcome.records:,} records",
        f"{options.partitions} partitions",
        f"{options.replicas} replicas",
        f"{options.nodes} broker{'s' if options.nodes > 1 else ''}",
        f"snapshots: {options.kind}",
        f"seed {options.seed}",
        f"{result.seconds / 60:.0f} minutes",
    ]
    return ", ".join(parts) + "."


def _rows(result, happened, violations):
    yield "| fault | times | recovery, median | worst | lost | double |"
    yield "|---|---|---|---|---|---|"
    by_step = _attributed(result.steps, violations)
    for name in sorted({step.name for step in happened}):
        steps = [step for step in happened if step.name == name]
        times = [step.recovery_s for step in steps if step.recovery_s is not None]
        kinds = Counter(kind for step in steps for kind in by_step.get(id(step), ()))
        median, worst = (f"{statistics.median(times):.1f} s", f"{max(times):.1f} s") if times else ("-", "-")
        never = f", {len(steps) - len(times)} not before the next" if len(times) < len(steps) else ""
        yield f"| {name} | {len(steps)} | {median} | {worst}{never} | {kinds['lost']} | {kinds['double']} |"


def _summary(result, violations):
    outcome = result.outcome
    yield (
        "Recovery is from the end of the fault (of a kill: from the kill; of a broker: from its new start) until every "
        "partition is owned once, all daemons are ready and the longest windows complete, and stay so for 2 s.\n"
    )
    windows, kinds = outcome.verdicts["windows"], Counter(kind for _, kind, _ in violations)
    publishes = outcome.verdicts["conservation"].compared
    yield (
        f"Lost: {kinds['lost']}, double: {kinds['double']}, other violations: {kinds['other'] + len(result.failures)}. "
        f"{windows.compared:,} complete windows of {publishes:,} publishes were compared with the log, "
        f"{windows.exact:,} of them exactly, {outcome.final_windows} at the end."
    )
    if windows.stale:
        yield (
            f"{windows.stale:,} complete windows were behind the log, by {windows.stalest_s:.1f} s at most: the client "
            "does not fetch while the group waits for a dead member, or had not noticed yet that a broker was gone."
        )
    if outcome.cells:
        yield (
            f"{outcome.cells:,} panes of the last snapshots were compared with the log: counts and audit to the bit, "
            "sums within 1e-12; `klaxond verify` says the same."
        )
    restored = " and ".join(
        f"{count:,} from {_SOURCES.get(source, source)}" for source, count in outcome.restores.items()
    )
    yield f"Two daemons said that they own one partition for {outcome.shared_s:.1f} s at most, where a session is 6 s."
    yield f"Partitions were restored {restored}."
    increases, truth, bound = outcome.counters
    yield (
        f"Counters rose by {increases:,.0f} messages, the log has {truth:,}: off by {increases - truth:+,.0f}, "
        f"where {bound:,.0f} are allowed."
    )


def _slope(where, minutes, quarters, mib, threads, files):
    memory = ", ".join(f"{median:.0f}" for median in quarters)
    growth = f"memory {mib:+.1f} MiB, threads {threads:+.2f}, descriptors {files:+.2f} an hour"
    return f"{where}, {minutes:.0f} minutes: {memory} MiB by quarters; {growth}."


def details(result, most=40):
    """Tell each violation, at most so many."""
    lines = [f"seed {result.options.seed}, logs in {result.folder}", *result.failures]
    found = result.outcome.violations if result.outcome else []
    for at, kind, words in found[:most]:
        step = _step_at(result.steps, at)
        lines.append(f"{kind}: {words}" + (f" [during or after: {step.name}, {step.words}]" if step else ""))
    if len(found) > most:
        lines.append(f"and {len(found) - most} more")
    return "\n".join(lines)


def _step_at(steps, at):
    before = [step for step in steps if step.started <= at]
    return before[-1] if before else None


def _attributed(steps, violations):
    kinds = {}
    for at, kind, _ in violations:
        step = _step_at(steps, at)
        if step is not None:
            kinds.setdefault(id(step), []).append(kind)
    return kinds

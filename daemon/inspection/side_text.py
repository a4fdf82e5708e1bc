"""Which side is the sampler, in sentences: what fits, what does not, and what to do where neither or both may."""

import math
from collections.abc import Iterator

from daemon.inspection.finding import Finding, SamplerEvidence, SideEvidence
from daemon.number_words import count, figure, zscore


def sampler_sentences(finding: Finding) -> Iterator[str]:
    """Yield the sentences; the ratio mean of a sampler is 1, of a truncated one below, of no sampler above."""
    evidence = finding.sampler
    if evidence is None:
        return
    if evidence.identical:
        yield "Both sides are equal in every pair: the divergence is 0, and which side was drawn from cannot be told."
        return
    q, p = _told("q", evidence, evidence.q), _told("p", evidence, evidence.p)
    chosen, other = (q, p) if evidence.sampled_from == "q" else (p, q)
    yield f"{chosen}; {other}."
    if evidence.evident is not None:
        refused = "p" if evidence.evident == "q" else "q"
        yield (
            f"The log-likelihood of the outcomes is {count(abs(evidence.log_odds))} nats higher under "
            f"{evidence.evident} than under {refused}."
        )
    if evidence.evident is None:
        yield from _undecided(evidence)
    elif evidence.contradicts_names:
        yield (
            f"The names say {evidence.named}: the data are believed. If the columns are swapped at the producer, "
            "repair it there."
        )
    if evidence.chosen.fit == "below":
        yield from _below(finding, evidence)


def _told(name: str, evidence: SamplerEvidence, side: SideEvidence) -> str:
    formula = "E[p/q]" if name == "q" else "E[q/p]"
    error = f" ± {side.error:.2g}" if math.isfinite(side.error) else ""
    mean = f"{side.ratio_mean:#.4g}" if side.ratio_mean < 1000 else figure(side.ratio_mean)
    numbers = f"{formula} = {mean}{error}, z = {zscore(side.zscore)}"
    if side.fit == "fits":
        return f"{name} fits ({numbers})"
    if evidence.evident == name and side.fit == "unclear":
        return (
            f"{name} is the sampler; whether it fits cannot be told, since a few messages hold most of it ({numbers})"
        )
    if evidence.evident == name:  # below 1
        return f"{name} is the sampler, but a truncated one ({numbers})"
    if evidence.evident is not None or side.fit == "above":
        return f"{name} does not fit ({numbers}; a sampler has 1)"
    return f"{name} may be it ({numbers})"


def _undecided(evidence: SamplerEvidence) -> Iterator[str]:
    if evidence.neither_fits:
        yield (
            "Neither fits, so no divergence can be estimated from these pairs. Either the outcomes were drawn from "
            "neither side (two models' scores of one fixed class), or prompts and padding are not masked, or the "
            "numbers are of other logarithms or of another temperature than the outcomes were drawn with."
        )
        return
    needed = f"; about {count(evidence.pairs_needed)} pairs are needed" if evidence.pairs_needed else ""
    by = "by its name" if evidence.decided_by == "name" else "for want of evidence"
    yield f"The data cannot tell yet{needed}. {evidence.sampled_from} is taken for the sampler {by}."


def _below(finding: Finding, evidence: SamplerEvidence) -> Iterator[str]:
    other = "p" if evidence.sampled_from == "q" else "q"
    gap = figure(100 * evidence.support_gap)
    yield (
        f"It can never draw outcomes that carry {gap} % of {other}'s mass (top-p, top-k, greedy, or a temperature): "
        f"such pairs are not comparable, and KL({other}||{evidence.sampled_from}) is infinite in truth."
    )
    if also := [f"base {base}" for base in finding.log_base.also_fitting if base != "e"]:
        yield f"Logarithms of {' or '.join(also)} would explain it as well."
    else:
        yield "A log that was not drawn from either side can look the same."

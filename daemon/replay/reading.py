"""How an input was understood, in one sentence."""

from math import isfinite

from daemon.inspection import Finding
from daemon.verdicts import figure


def found_sentence(finding: Finding) -> str:
    """Say what an inspection found: the shape, how much of the input it fits, and which side is the sampler."""
    shape = f"preset {finding.preset}" if finding.preset is not None else f"p = {finding.p_path}, q = {finding.q_path}"
    parts = [_share(finding), *_base(finding), *_sampler(finding), *_mask(finding)]
    return f"Read as {shape} (found by inspection: {'; '.join(parts)})."


def _share(finding: Finding) -> str:
    readable = finding.records - finding.unreadable
    if finding.decoded == readable:
        return "the one record decodes" if readable == 1 else f"all {readable:,} records decode"
    return f"{finding.decoded:,} of {readable:,} records decode"


def _base(finding: Finding) -> list[str]:
    return [] if finding.log_base.base == "e" else [f"logarithms of base {finding.log_base.base}"]


def _sampler(finding: Finding) -> list[str]:
    evidence = finding.sampler
    if evidence is None:
        return []
    sampler, other = evidence.sampled_from, "p" if evidence.sampled_from == "q" else "q"
    scores = [f"z = {figure(evidence.chosen.zscore)}"] if isfinite(evidence.chosen.zscore) else []
    if isfinite(evidence.other.zscore):
        scores.append(f"{other} would have z = {figure(evidence.other.zscore)}")
    told = f": {', '.join(scores)}" if scores else ""
    if evidence.decided_by == "evidence":
        against = f", though the names say {evidence.named}" if evidence.contradicts_names else ""
        return [f"{sampler} is the sampler{told}{against}"]
    by = "by its name" if evidence.decided_by == "name" else "for want of evidence"
    return [f"{sampler} is taken for the sampler {by}, the data cannot tell yet"]


def _mask(finding: Finding) -> list[str]:
    if finding.mask.path is None or not finding.mask.masked > 0:
        return []
    return [f"{finding.mask.path} masks {100 * finding.mask.masked:.3g} % of the pairs"]

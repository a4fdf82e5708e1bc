"""How an input was understood, in a sentence, and in another what of it is not told apart."""

from collections.abc import Mapping
from math import isfinite
from typing import Final

from daemon.inspection import Finding
from daemon.inspection.finding import Fit, SideEvidence
from daemon.inspection.label_text import merged_sentence
from daemon.number_words import percent, zscore

_FITS: Final[Mapping[Fit, str]] = {
    "fits": "fits 1",
    "below": "is below 1",
    "above": "is above 1",
    "unclear": "cannot tell",
}


def found_sentence(finding: Finding) -> str:
    """Say what an inspection found: shape, how much of the input it fits, sampler, labels that are none."""
    shape = f"preset {finding.preset}" if finding.preset is not None else f"p = {finding.p_path}, q = {finding.q_path}"
    parts = [_share(finding), *_base(finding), *_sampler(finding), *_mask(finding)]
    read = f"Read as {shape} (found by inspection: {'; '.join(parts)})."
    return " ".join(filter(None, [read, merged_sentence(finding.labels)]))


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
    if evidence.decided_by != "evidence":
        by = "by its name" if evidence.decided_by == "name" else "for want of evidence"
        return [f"{sampler} is taken for the sampler {by}, the data cannot tell yet"]
    against = f", though the names say {evidence.named}" if evidence.contradicts_names else ""
    told = [_fit(f"the mean of {other}/{sampler}", evidence.chosen)]
    told += [_fit(f"that of {sampler}/{other}", evidence.other)] if isfinite(evidence.other.zscore) else []
    return [f"{sampler} is the sampler{against}: {', '.join(told)}"]


def _fit(mean: str, side: SideEvidence) -> str:
    if not isfinite(side.zscore):  # nothing varies
        return f"{mean} is {side.ratio_mean:.4g} in every message"
    return f"{mean} {_FITS[side.fit]} (z = {zscore(side.zscore)})"


def _mask(finding: Finding) -> list[str]:
    if finding.mask.path is None or not finding.mask.masked > 0:
        return []
    return [f"{percent(finding.mask.masked)} of the pairs are masked by {finding.mask.path}"]

"""The inspection itself: sample, shape, statistics, in that order."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from daemon.codec.format import Encoding
from daemon.inspection.candidates import Shape, couples, is_plausible, preset_shape
from daemon.inspection.columns import UNREADABLE, ratios_of, read, usable_pairs
from daemon.inspection.finding import Finding, LogBaseEvidence, SamplerEvidence
from daemon.inspection.labels import label_candidates
from daemon.inspection.leaves import POSITIVE, SENTINEL, Leaf, leaves_of
from daemon.inspection.log_base import NATS_PER_UNIT, log_base_evidence
from daemon.inspection.masks import with_mask, with_placeholders
from daemon.inspection.misfit import fields_in_words, misfit, without_names
from daemon.inspection.precision import coarser, precision_of
from daemon.inspection.quality import side_quality
from daemon.inspection.ratios import Ratios
from daemon.inspection.sample import Sample, sample_of
from daemon.inspection.sampler import sampler_evidence
from daemon.inspection.settings import stream_settings
from daemon.inspection.times import time_evidence, with_time, zoneless
from daemon.presets import PRESETS
from daemon.source import Batch
from estimators.pairs import Pairs
from estimators.selfcheck import resolution_of

#: Enough to tell the sampler of two models 0.003 nats apart, and read in a second or two.
RECORDS_MAX: Final = 20_000
_PRECISION: Final = "float32"
_DIGITS_OF: Final = 20_000


def inspect_batches(batches: Iterable[Batch], *, max_records: int = RECORDS_MAX) -> Finding:
    """Find out what the first `max_records` records hold; takes no more batches than that needs.

    Records of a CSV must hold every column (`read_batches(source, None)`). Of long records less are looked at: up to
    128 MiB and about 2 million pairs. Never raises on data.
    """
    sample = sample_of(batches, max_records)
    if sample.encoding is None:
        return Finding(records=sample.records, unreadable=sample.records, problem=misfit(sample, {}))
    leaves = leaves_of(sample.documents)
    fields = fields_in_words(leaves)
    shape, alternatives = (None, []) if without_names(leaves) else _shape(sample, sample.encoding, leaves)
    finding = None if shape is None else _statistics(sample, sample.encoding, shape, leaves)
    if finding is None:
        unreadable = round(sample.records * sample.unreadable_share)
        return Finding(
            records=sample.records,
            unreadable=unreadable,
            encoding=sample.encoding,
            fields=fields,
            problem=misfit(sample, leaves),
        )
    return replace(finding, alternatives=tuple(alternatives), fields=fields, bare_nan=sample.bare_nan)


def _shape(
    sample: Sample, encoding: Encoding, leaves: Mapping[str, Leaf]
) -> tuple[Shape | None, list[tuple[str, str]]]:
    """Return a preset, else the best couple of fields with the further ones."""
    readable = len(sample.documents)
    if (preset := preset_shape(sample.probe, encoding, readable, leaves)) is not None:
        return preset, []
    return couples(sample.probe, encoding, readable, leaves) or (None, [])


def _statistics(sample: Sample, encoding: Encoding, shape: Shape, leaves: Mapping[str, Leaf]) -> Finding | None:
    """Return what the records hold by this shape; None where no pair of them can be used."""
    shape, mask = with_mask(sample.probe, with_time(shape, leaves), leaves)
    found = read(sample.batches, shape.fmt)
    if (pairs := found.pairs) is None:
        return None
    ratios = ratios_of(pairs, usable_pairs(pairs, SENTINEL, POSITIVE))
    if ratios is None:
        return None
    sampler, base = _evidence(shape, ratios, _resolution(shape, pairs, leaves, 1.0))
    if shape.preset is None and sampler.sampled_from == "p":  # the sides' names are ours to give: q is the sampler
        shape, ratios = shape.swapped(), replace(ratios, d=-ratios.d)
        pairs = replace(pairs, log_p=pairs.log_q, log_q=pairs.log_p)
        sampler, base = _evidence(shape, ratios, _resolution(shape, pairs, leaves, 1.0))
    if not is_plausible(shape, sampler):
        return None  # the probe alone could not tell
    nats = NATS_PER_UNIT[base.base]
    resolution = _resolution(shape, pairs, leaves, nats)
    labels = label_candidates(sample.batches, shape, leaves, encoding)
    time = time_evidence(shape.fmt.paths.get("time"), found)
    if time.path is None:
        time = replace(time, zoneless=zoneless(leaves))
    return Finding(
        records=found.records,
        unreadable=found.unreadable,
        encoding=encoding,
        stream=stream_settings(shape, sampler, base, labels=labels, resolution=resolution, time=time, fields=leaves),
        preset=shape.preset,
        p_path=shape.p_path,
        q_path=shape.q_path,
        decoded=found.decoded,
        rejected={reason: count for reason, count in found.rejected.items() if reason not in UNREADABLE},
        messages=ratios.messages,
        pairs=ratios.pairs,
        sampler=sampler,
        log_base=base,
        logarithms=shape.logarithms,
        mask=with_placeholders(mask, pairs, ratios, sampler.sampled_from, nats=nats, resolution=resolution),
        quality_q=side_quality(shape.q_path, pairs.log_q, POSITIVE),
        quality_p=side_quality(shape.p_path, pairs.log_p, POSITIVE),
        labels=labels,
        time=time,
        resolution=resolution,
        seconds_per_record=found.seconds / found.records,
    )


def _evidence(shape: Shape, ratios: Ratios, resolution: str) -> tuple[SamplerEvidence, LogBaseEvidence]:
    """Weigh the sides, then the base with the likelier one, then the sides again in that base.

    Which side is likelier does not depend on the base; how well it fits does.
    """
    paths, bias = (shape.q_path, shape.p_path), resolution_of(resolution)
    sampler = sampler_evidence(ratios, 1.0, bias, shape.named, paths)
    base = LogBaseEvidence()
    if shape.logarithms:
        side = sampler.sampled_from if sampler.evident else ("q" if sampler.log_odds >= 0 else "p")
        base = log_base_evidence(ratios, side, bias)
        if base.base != "e":
            sampler = sampler_evidence(ratios, NATS_PER_UNIT[base.base], bias, shape.named, paths)
    if "uniform_over" in shape.fmt.paths:  # whoever chose logged a probability; the other side is not in the log
        sampler = replace(sampler, sampled_from="q", decided_by="evidence" if sampler.evident == "q" else "name")
    return sampler, base


def _resolution(shape: Shape, pairs: Pairs, leaves: Mapping[str, Leaf], nats_per_unit: float) -> str:
    """Coarser one of what the digits of either side show and what the preset says."""
    known = PRESETS[shape.preset].resolution if shape.preset is not None else _PRECISION
    for path, logs in ((shape.q_path, pairs.log_q), (shape.p_path, pairs.log_p)):
        if shape.logarithms:
            values = logs[np.isfinite(logs) & (logs > SENTINEL)][:_DIGITS_OF]
        else:
            values = leaves[path].known if path in leaves else np.zeros(0)
        known = coarser(precision_of(values, logarithms=shape.logarithms, nats_per_unit=nats_per_unit), known)
    return known

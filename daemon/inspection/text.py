"""A finding as titled sentences for people; numbers and names of fields only, never a record's content."""

import math
from collections.abc import Iterator
from typing import Final

from daemon.inspection.cost import Cost
from daemon.inspection.finding import Finding
from daemon.inspection.label_text import labels_sentences
from daemon.inspection.masks import rounds_to_certain
from daemon.inspection.side_text import sampler_sentences
from daemon.number_words import count, figure, percent, zscore

_OUT: Final = {
    "null": "null",
    "nan": "NaN",
    "sentinel": "-9000 or below, which stands for no value",
    "positive": "above 0, which no log-probability is",
}
_LOAD_MIN: Final = 1e-4
_SHOWN: Final = 12


def finding_rows(finding: Finding, cost: Cost | None) -> Iterator[tuple[str, str]]:
    """Yield (title, sentences) in the order in which a reader asks."""
    if not finding.fits:
        yield "No fit", finding.problem
        if finding.fields:
            yield "Fields", _listed(finding)
        return
    yield "Shape", _shape(finding)
    if finding.sampler is not None:
        yield "Sampler", " ".join(sampler_sentences(finding))
    yield "Logarithms", _logarithms(finding)
    yield "Mask", _mask(finding)
    yield "Values", _values(finding)
    yield "Precision", f"{finding.resolution}: the self-check blames nothing that rounding to it explains."
    yield "Time", _time(finding)
    yield "Labels", " ".join(labels_sentences(finding.labels))
    if cost is not None:
        yield "Cost", _cost(finding, cost)


def _shape(finding: Finding) -> str:
    what = f"Preset {finding.preset}" if finding.preset is not None else "No preset; these paths"
    readable = finding.records - finding.unreadable
    decoded = (
        "all of them give pairs"
        if finding.decoded == readable
        else f"{percent(finding.decoded / readable)} of the {count(readable)} readable ones give pairs"
    )
    parts = [f"{what}: q is {finding.q_path}, p is {finding.p_path}; {decoded}."]
    if finding.rejected:
        reasons = ", ".join(f"{count(number)} {reason}" for reason, number in finding.rejected.items())
        parts.append(f"Not usable: {reasons}.")
    if finding.unreadable:
        kind = "JSON" if finding.encoding == "json" else "MessagePack"
        parts.append(f"{count(finding.unreadable)} records are no {kind} at all{_why_unreadable(finding)}.")
    per = finding.pairs / finding.messages
    parts.append(f"{count(finding.messages)} messages, {count(finding.pairs)} pairs, {figure(per)} a message.")
    if finding.alternatives:
        others = "; ".join(f"{q} and {p}" for q, p in finding.alternatives[:3])
        parts.append(f"Could be pairs too: {others}.")
    return " ".join(parts)


def _why_unreadable(finding: Finding) -> str:
    return "; some hold a bare NaN or Infinity: the producer should write null" if finding.bare_nan else ""


def _logarithms(finding: Finding) -> str:
    if not finding.logarithms:
        return "None: the fields hold probabilities."
    base, scores = finding.log_base, finding.log_base.zscores
    names = {"e": "natural", "2": "base 2", "10": "base 10"}
    told = ", ".join(f"{names[key]} z = {zscore(value)}" for key, value in scores.items() if math.isfinite(value))
    also = " and ".join(names[str(each)] for each in base.also_fitting)
    if base.decided_by == "evidence":
        return f"Of {names[str(base.base)]}: only so is the mean ratio 1 ({told})."
    if also:
        more = f"; about {count(base.pairs_needed)} pairs tell" if base.pairs_needed else ""
        return f"Taken as natural; by these pairs {also} would fit as well ({told}{more})."
    return f"Natural; no other base fits better ({told})."


def _mask(finding: Finding) -> str:
    mask = finding.mask
    parts = []
    if mask.path is not None:
        why = ": an array of 0 and 1 that leaves out the placeholders" if mask.decided_by == "evidence" else ""
        parts.append(f"{mask.path}{why}; it leaves out {percent(mask.masked)} of the pairs.")
    if mask.missing:
        parts.append(
            f"{percent(mask.placeholders)} of the pairs are exactly 0.0 on both sides: placeholders, so a mask is "
            f"missing. Without them the divergence is {figure(mask.kl_without)} nats, not {figure(mask.kl_with)}."
        )
    elif mask.placeholders and rounds_to_certain(finding.resolution):
        parts.append(
            f"{percent(mask.placeholders)} of the pairs are 0.0 on both sides. Rounded as these logs are, that may be "
            "outcomes that were nearly certain, or positions that a mask ought to leave out: log more decimals, or "
            "a mask."
        )
    elif mask.placeholders:
        parts.append(f"{percent(mask.placeholders)} of the pairs are 0.0 on both sides, as certain outcomes are.")
    elif mask.path is None:
        parts.append("None, and none is missing: no pair is exactly 0.0 on both sides.")
    if mask.candidates and (mask.missing or mask.path is None):
        parts.append(f"Arrays of 0 and 1 beside them: {', '.join(mask.candidates[:_SHOWN])}.")
    return " ".join(parts)


def _values(finding: Finding) -> str:
    parts = []
    for name, side in (("q", finding.quality_q), ("p", finding.quality_p)):
        bad = [f"{percent(share)} {text}" for kind, text in _OUT.items() if (share := getattr(side, kind))]
        if bad:
            parts.append(f"{name}: {', '.join(bad)}; such pairs are left out and counted.")
        if side.zero:
            meaning = (
                "the divergence is infinite while one is in a window"
                if finding.sampler is not None and name != finding.sampler.sampled_from
                else "yet the outcome was drawn: such pairs are left out and counted"
            )
            parts.append(f"{name}: {percent(side.zero)} have probability 0; {meaning}.")
        if side.floor is not None:
            parts.append(
                f"{name}: {percent(side.floor_share)} are exactly {side.floor:g}, the lowest value: if it stands for "
                f"no value, write sentinel_below: {side.floor:g}."
            )
    if finding.quality_q.zero and finding.quality_p.zero:
        parts.append(
            "No sampler has zeros on both sides, so small probabilities were rounded to 0, and what is left tells "
            "neither the sampler nor the divergence: log more digits, or log-probabilities."
        )
    return " ".join(parts) or "Every value can be used: no null, no sentinel, none above 0."


def _time(finding: Finding) -> str:
    time = finding.time
    pace = f"; {figure(time.messages_per_minute)} messages a minute" if math.isfinite(time.messages_per_minute) else ""
    parts = [f"{time.path or 'No field; the time of the Kafka record is taken'}{pace}."]
    if time.zoneless is not None:
        parts.append(
            f"{time.zoneless} holds times without a zone, which cannot be read: write them with an offset, such as "
            "2024-05-01T12:00:00Z."
        )
    if math.isfinite(time.delay_median_seconds):
        median, late = figure(time.delay_median_seconds), figure(time.delay_p99_seconds)
        parts.append(f"Records arrive {median} s after it, 99 % within {late} s.")
        if time.expected_delay is not None:
            parts.append(f"Windows should wait: expected_delay {time.expected_delay}.")
    return " ".join(parts)


def _load(share: float) -> str:
    return percent(share) if share >= _LOAD_MIN else f"less than {percent(_LOAD_MIN)}"


def _cost(finding: Finding, cost: Cost) -> str:
    series = f"{count(cost.series)} series" if cost.series > 1 else "1 series"
    memory = f"{figure(cost.bytes / 1000)} kB of memory in each partition"
    per_series, besides = count(cost.samples_per_series), count(cost.samples_besides)
    stored = f"{per_series} for each series ({series} at most in this sample), {besides} besides"
    parts = [f"{count(cost.samples)} Prometheus series: {stored}; {memory}."]
    if math.isfinite(cost.seconds_per_record):
        took = f"Decoding a record takes {figure(cost.seconds_per_record * 1e6)} us on this machine"
        per_minute = finding.time.messages_per_minute * finding.decoded / finding.messages
        load = cost.seconds_per_record * per_minute / 60
        parts.append(f"{took}, at this pace {_load(load)} of a core." if math.isfinite(load) else f"{took}.")
    return " ".join(parts)


def _listed(finding: Finding) -> str:
    more = f"; and {count(len(finding.fields) - _SHOWN)} more" if len(finding.fields) > _SHOWN else ""
    return "; ".join(finding.fields[:_SHOWN]) + more + "."

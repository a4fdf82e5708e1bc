"""Sentences about one series: how far apart, how sure, trusted or not and why, and what to read. Pure.

Units: divergences in nats a pair; shares as percent. The formulas are in daemon/replay/meaning.py.
"""

from collections.abc import Iterator
from math import floor, isfinite, isnan, log, log10
from typing import Final

from daemon.number_words import figure, percent, zscore
from daemon.replay.meaning import (
    AGREES,
    drawn_elsewhere,
    identical,
    looks_swapped,
    messages_for_interval,
    messages_for_self_check,
    missed_ratio,
    typical_ratio,
)
from daemon.replay.results import FEW_MESSAGES, Replay, ReplayedSeries, ratio_error
from daemon.verdicts import formula
from estimators.summary import Summary

_PERCENT: Final = 100.0
_DECIMALS_MOST: Final = 12
#: From here on a number needs no decimals.
_LARGE: Final = 100.0
#: A smaller factor is told as a percentage.
_FACTOR: Final = 1.1
#: A share of certain pairs that is worth a sentence.
_CERTAIN_SHARE: Final = 0.01


def distance(replay: Replay, series: ReplayedSeries, *, of: int) -> str:
    """Say how far apart: value, interval, and both in words."""
    side, found = formula(replay.sampler_side), replay.to_read(series)
    named = _labels(replay, series)
    which = f"In {named}, " if named else ""
    which += f"the furthest apart of {of}, " if of > 1 else ""
    if series.summary.infinite:
        return f"{which}{side} is infinite: {_excluded(replay, series.summary)}"
    if isnan(found.value):
        return f"{_capital(name(replay, series))} holds too few messages for an estimate: {series.summary.messages}."
    if drawn_elsewhere(series.summary):
        return f"{which}naive {side} comes to {figure(found.value)} nats a pair, but the self-check failed."
    sure = f", with 95 % confidence between {figure(found.lower)} and {figure(found.upper)}"
    by = " by naive" if series.summary.comparable is False else ""
    return f"{which}{side} is {figure(found.value)} nats a pair{by}{sure if isfinite(found.lower) else ''}."


def in_words(replay: Replay, series: ReplayedSeries) -> Iterator[str]:
    """Say what the divergence means for outcomes."""
    if identical(series.summary):
        yield "Both sides are the same number in every pair: the two models are one, or one number was logged twice."
        return
    ratio = typical_ratio(series.summary, replay.sampled_from)
    if isfinite(ratio):
        by = f"a factor of {ratio:.3g}" if ratio >= _FACTOR else f"{_PERCENT * (ratio - 1):.2g} %"
        yield f"The two probabilities of a typical outcome differ by {by} (root mean square of the log ratio)."
    variation = None if series.outcome is None or _few(series) else series.outcome.total_variation
    # 0 of sides that differ: what p gives less than q was rare, and is not in this sample.
    if (
        variation is not None
        and variation.value > 0
        and isfinite(variation.lower)
        and not drawn_elsewhere(series.summary)
    ):
        reach = f"{percent(variation.lower)} to {percent(variation.upper)}"
        yield (
            f"If {replay.other} drew instead of {replay.sampled_from}, at least {percent(variation.value)} of "
            f"outcomes would differ (total variation distance; {reach})."
        )


def trust(replay: Replay, series: ReplayedSeries) -> Iterator[str]:
    """Say whether the numbers can be trusted and why, and which estimator to read."""
    summary = series.summary
    if isnan(summary.ratio_mean):
        return
    mean = (
        f"the mean of {replay.other}/{replay.sampled_from} is {_with_error(summary.ratio_mean, ratio_error(summary))}, "
        "and should be 1"
    )
    varies = isfinite(summary.ratio_zscore)
    how = f" (z = {zscore(summary.ratio_zscore)})" if varies else ", the same in each message"
    if summary.comparable is False:
        yield f"Self-check FAILED, the pairs are not comparable: {mean}{how}."
        yield from _what_then(replay, series)
    elif summary.infinite:
        yield f"Self-check {'passed' if summary.comparable else 'undecided'}: {mean}."
    elif summary.comparable and identical(summary):
        yield f"Self-check passed, as it does whatever was drawn where both sides are equal: {mean}."
    elif summary.comparable and (abs(summary.ratio_zscore) >= AGREES or not varies):
        yield (
            f"Self-check passed: {mean}{how}, but it is off by no more than a tenth of the divergence, or than the "
            "logged precision explains. Read adaptive."
        )
    elif summary.comparable:
        yield f"Self-check passed, so trust it: {mean}. Read adaptive."
    else:
        yield (
            f"Self-check undecided: {mean}{_doubt(series)}. "
            f"Read adaptive, with that in mind.{_until_decided(replay, series)}"
        )


def how_many_more(replay: Replay, series: ReplayedSeries) -> Iterator[str]:
    """Say how much data is lacking, where the interval is wide."""
    found = replay.to_read(series)
    more = messages_for_interval(series.summary.messages, found.value, found.standard_error)
    if more and not _few(series):
        yield f"The interval is wide: about {_count(more)} more messages for ±10 %."


def certain(replay: Replay, inside: list[ReplayedSeries]) -> Iterator[str]:
    """Tell of placeholders that no mask left out, in the series that has most of them."""
    told = [
        series
        for series in inside
        if (each := series.outcome) is not None and each.placeholders and each.certain_share >= _CERTAIN_SHARE
    ]
    if not told:
        return
    worst = max(told, key=lambda series: series.outcome.certain_share if series.outcome else 0.0)
    assert worst.outcome is not None  # noqa: S101 - chosen by it
    share, value = worst.outcome.certain_share, replay.to_read(worst).value
    # Each of these pairs adds 0 to every divergence, so that taking them away changes the weight total alone.
    effect = (
        f"; without them KL is {figure(value / (1 - share))}, not {figure(value)}" if share < 1 and value > 0 else ""
    )
    where = "" if len(inside) == 1 else f" of {name(replay, worst)}"
    yield (
        f"{percent(share)} of the pairs{where} are exact zeros on both sides, as prompts, tool output and padding "
        f"leave them: a mask is missing{effect}. Name the field of the mask as paths.mask."
    )


def name(replay: Replay, series: ReplayedSeries) -> str:
    """Name a series by its labels."""
    return _labels(replay, series) or "the one series"


def _labels(replay: Replay, series: ReplayedSeries) -> str:
    return ", ".join(f"{label} {value}" for label, value in zip(replay.label_names, series.labels, strict=True))


def _excluded(replay: Replay, summary: Summary) -> str:
    count = summary.zero_other_pairs
    which = "an outcome was" if count == 1 else f"{count:,} outcomes were"
    naive = formula("forward" if replay.sampler_side == "reverse" else "reverse")
    return (
        f"{which} drawn that {replay.other} gives probability 0. Look at those records before any other number; "
        f"{naive} stays finite."
    )


def _what_then(replay: Replay, series: ReplayedSeries) -> Iterator[str]:
    """Say what makes a ratio mean differ from 1, and what to read then.

    E_S[r] is the other's mass on what the sampler can produce, and KL(S||O) = -log E_S[r] + KL to the other model
    restricted to it (within one context), so the first term is the price of the missing outcomes.
    """
    summary, other, sampler = series.summary, replay.other, replay.sampled_from
    side = formula(replay.sampler_side)
    if summary.infinite:
        yield "No other number tells more before that is mended."
    elif looks_swapped(summary, series.outcome) and series.outcome is not None:
        yield (
            f"The sides look swapped: the mean of {sampler}/{other} is "
            f"{_with_error(series.outcome.inverse_mean, series.outcome.inverse_error)}, as it should be if x was drawn "
            f"from {other}. Set sampled_from: {other}."
        )
    elif summary.ratio_mean > 1:
        yield (
            f"No sampler gives more than 1, so x was not drawn from the {sampler} that was logged: temperature or "
            "top-p came after logging, the base of the logarithm is another, or the sides belong to different tokens. "
            f"Then no estimate is of {side}: mend the log first."
        )
    else:
        opposite = formula("forward" if replay.sampler_side == "reverse" else "reverse")
        yield (
            f"The sampler can never produce outcomes that carry {percent(summary.support_gap)} of the other model's "
            f"mass, as with top-p, top-k or greedy sampling, so {opposite} is infinite in truth; they account for "
            f"about {figure(-log(summary.ratio_mean))} of naive {side}. Or the log is at fault: another base of the "
            f"logarithm, or x was not drawn from the {sampler} that was logged, as where it is from before top-p. "
            f"Read sampler-side naive first, that is naive {side}, which is right in the first case; fixed and "
            f"adaptive are off by about {figure(abs(summary.support_gap))}."
        )
        if (ratio := missed_ratio(summary, sampler)) is not None:
            yield (
                f"Or it is chance: that no outcome with {other}/{sampler} of {max(ratio, 1.0):.2g} or more was drawn "
                f"would explain it, and of {summary.messages:,} messages of models so far apart that may be."
            )


def _few(series: ReplayedSeries) -> bool:
    """Whether errors mean little, so that nothing is foretold from them."""
    return series.summary.messages < FEW_MESSAGES


def _doubt(series: ReplayedSeries) -> str:
    distance = series.summary.ratio_zscore
    if isnan(distance) or _few(series):
        return ""
    odd = "which is odd" if abs(distance) >= AGREES else "nothing speaks against it"
    return f" (z = {zscore(distance)}, {odd})"


def _until_decided(replay: Replay, series: ReplayedSeries) -> str:
    summary = series.summary
    fixed = replay.side_of(series).fixed.value
    more = messages_for_self_check(summary.messages, ratio_error(summary), fixed, replay.resolution)
    return f" About {_count(more)} more messages would decide it." if more and not _few(series) else ""


def _count(count: int) -> str:
    """Write a count, two significant digits where it is an estimate of many."""
    return f"{count:,}" if count < _LARGE else f"{float(f'{count:.2g}'):,.0f}"


def _with_error(value: float, error: float) -> str:
    """Write a value with its error: two digits of the error, and as many decimals of the value."""
    if not (isfinite(error) and error > 0):
        return f"{value:.4f}"
    decimals = min(max(1 - floor(log10(error)), 0), _DECIMALS_MOST)
    return f"{value:,.{decimals}f} ± {error:,.{decimals}f}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

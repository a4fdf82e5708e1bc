"""Sentences about one series: how far apart, how sure, trusted or not and why, and what to read. Pure.

Units: divergences in nats a pair; shares as percent. The formulas are in daemon/replay/meaning.py.
"""

from collections.abc import Iterator
from math import floor, isfinite, isnan, log, log10
from typing import Final

from daemon.replay.meaning import (
    AGREES,
    constant_ratio,
    looks_swapped,
    messages_for_interval,
    messages_for_self_check,
    typical_ratio,
)
from daemon.replay.results import Replay, ReplayedSeries, ratio_error
from daemon.verdicts import figure, formula
from estimators.summary import Summary

_PERCENT: Final = 100.0
_DECIMALS_MOST: Final = 12
#: From here on a number needs no decimals.
_LARGE: Final = 100.0
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
    sure = f", with 95 % confidence between {figure(found.lower)} and {figure(found.upper)}"
    by = " by naive" if series.summary.comparable is False else ""
    return f"{which}{side} is {figure(found.value)} nats a pair{by}{sure if isfinite(found.lower) else ''}."


def in_words(replay: Replay, series: ReplayedSeries) -> Iterator[str]:
    """Say what the divergence means for outcomes."""
    ratio = typical_ratio(series.summary, replay.sampled_from)
    if isfinite(ratio):
        yield (
            f"The two probabilities of a typical outcome differ by a factor of {ratio:.3g} "
            "(root mean square of the log ratio)."
        )
    variation = None if series.outcome is None else series.outcome.total_variation
    if variation is not None and isfinite(variation.lower) and not looks_swapped(series.summary, series.outcome):
        reach = f"{_percent(variation.lower)} to {_percent(variation.upper)}"
        yield (
            f"If {replay.other} drew instead of {replay.sampled_from}, at least {_percent(variation.value)} of "
            f"outcomes would differ (total variation distance; {reach})."
        )


def trust(replay: Replay, series: ReplayedSeries) -> Iterator[str]:
    """Say whether the numbers can be trusted and why, and which estimator to read."""
    summary = series.summary
    if isnan(summary.ratio_mean):
        return
    other, sampler, side = replay.other, replay.sampled_from, formula(replay.sampler_side)
    error = ratio_error(summary)
    mean = f"the mean of {other}/{sampler} is {_with_error(summary.ratio_mean, error)}, and should be 1"
    if summary.comparable is not False and summary.infinite:
        yield f"Self-check {'passed' if summary.comparable else 'undecided'}: {mean}."
    elif summary.comparable:
        yield f"Self-check passed, so trust it: {mean}. Read adaptive."
    elif summary.comparable is None and constant_ratio(summary):
        yield (
            f"Self-check undecided by its rule, since nothing varies: every message has the mean {other}/{sampler} of "
            f"{summary.ratio_mean:.4f}, and it should be 1. Take the pairs as not comparable and read naive {side}: "
            f"{figure(replay.side_of(series).naive.value)} nats."
        )
    elif summary.comparable is None:
        against = abs(summary.ratio_zscore) >= AGREES
        doubt = f" (z = {score(summary.ratio_zscore)}{', which is odd' if against else ', nothing speaks against it'})"
        yield (
            f"Self-check undecided: {mean}{'' if isnan(summary.ratio_zscore) else doubt}. "
            f"Read adaptive, with that in mind.{_until_decided(replay, series)}"
        )
    else:
        yield f"Self-check FAILED, the pairs are not comparable: {mean} (z = {score(summary.ratio_zscore)})."
        yield _why_not(replay, series)
        yield (
            f"Read sampler-side naive first, that is naive {side}: every other value is off by about "
            f"{figure(abs(summary.support_gap))}."
        )


def how_many_more(replay: Replay, series: ReplayedSeries) -> Iterator[str]:
    """Say how much data is lacking, where the interval is wide."""
    found = replay.to_read(series)
    more = messages_for_interval(series.summary.messages, found.value, found.standard_error)
    if more:
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
        f"{_percent(share)} of the pairs{where} are exact zeros on both sides, as prompts, tool output and padding "
        f"leave them: a mask is missing{effect}. Name the field of the mask as paths.mask."
    )


def score(zscore: float) -> str:
    """Write a z-score: one decimal is enough to judge by."""
    written = f"{zscore:.1f}" if abs(zscore) < _LARGE else f"{zscore:,.0f}"
    return "0.0" if written == "-0.0" else written


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


def _why_not(replay: Replay, series: ReplayedSeries) -> str:
    """Say what makes a ratio mean differ from 1.

    E_S[r] is the other's mass on what the sampler can produce, and KL(S||O) = -log E_S[r] + KL to the other model
    restricted to it (within one context), so the first term is the price of the missing outcomes.
    """
    summary, other, sampler = series.summary, replay.other, replay.sampled_from
    if looks_swapped(summary, series.outcome) and series.outcome is not None:
        return (
            f"The sides look swapped: the mean of {sampler}/{other} is "
            f"{_with_error(series.outcome.inverse_mean, series.outcome.inverse_error)}, as it should be if x was drawn "
            f"from {other}. Set sampled_from: {other}."
        )
    if summary.ratio_mean > 1:
        return (
            f"No sampler gives more than 1, so x was not drawn from the {sampler} that was logged: temperature or "
            "top-p came after logging, the base of the logarithm is another, or the sides belong to different tokens."
        )
    opposite = formula("forward" if replay.sampler_side == "reverse" else "reverse")
    return (
        f"The sampler can never produce outcomes that carry {_percent(summary.support_gap)} of the other model's mass, "
        f"as with top-p, top-k or greedy sampling, so {opposite} is infinite in truth; they account for about "
        f"{figure(-log(summary.ratio_mean))} of naive {formula(replay.sampler_side)}. "
        f"(Or the log is at fault: another base of the logarithm, or x was not drawn from the {sampler} that was "
        "logged.)"
    )


def _until_decided(replay: Replay, series: ReplayedSeries) -> str:
    summary = series.summary
    fixed = replay.side_of(series).fixed.value
    more = messages_for_self_check(summary.messages, ratio_error(summary), fixed, replay.resolution)
    return f" About {_count(more)} more messages would decide it." if more else ""


def _count(count: int) -> str:
    """Write a count, two significant digits where it is an estimate of many."""
    return f"{count:,}" if count < _LARGE else f"{float(f'{count:.2g}'):,.0f}"


def _percent(share: float) -> str:
    return f"{share * _PERCENT:.3g} %"


def _with_error(value: float, error: float) -> str:
    """Write a value with its error: two digits of the error, and as many decimals of the value."""
    if not (isfinite(error) and error > 0):
        return f"{value:.4f}"
    decimals = min(max(1 - floor(log10(error)), 0), _DECIMALS_MOST)
    return f"{value:,.{decimals}f} ± {error:,.{decimals}f}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

"""A summary as a small table with a verdict in words: what to read, and what not to believe."""

from collections.abc import Iterator
from math import isfinite, isnan
from typing import TYPE_CHECKING, Final

from estimators.estimates import DIRECTIONS, ESTIMATORS, Direction

if TYPE_CHECKING:  # only for its name: a summary prints itself with this module
    from estimators.summary import DirectionSummary, Summary

_TITLE: Final[dict[Direction, str]] = {"reverse": "reverse  KL(q||p)", "forward": "forward  KL(p||q)"}


def summary_text(summary: "Summary") -> str:
    """Return the table, without a trailing newline."""
    return "\n".join(_lines(summary))


def _lines(summary: "Summary") -> Iterator[str]:
    """Yield what was used, the verdict, and a table for each direction."""
    yield (
        f"{summary.messages:,} messages, {summary.pairs:,} pairs, x drawn from {summary.sampled_from}, "
        f"{summary.blocks} blocks"
    )
    if summary.rejected:
        counts = ", ".join(f"{count:,} {reason}" for reason, count in sorted(summary.rejected.items()))
        yield f"rejected pairs: {counts}"
    if summary.rejected.get("positive", 0) > summary.pairs:
        yield "most log-probabilities are positive: were probabilities given instead?"
    if not summary.pairs:
        yield "no pair can be used: there is nothing to estimate"
        return
    yield from _verdict(summary)
    yield ""
    yield f"{'nats':<20}{'value':>12}{'SE':>12}   95 % interval"
    for direction in DIRECTIONS:
        yield _TITLE[direction]
        yield from _table(summary.of(direction))


def _verdict(summary: "Summary") -> Iterator[str]:
    """Say whether the pairs are comparable, and what to read first if they are not."""
    direction = "reverse" if summary.sampled_from == "q" else "forward"
    other = "p" if summary.sampled_from == "q" else "q"
    mean = f"mean of {other}/{summary.sampled_from} {_number(summary.ratio_mean)}"
    if not isnan(summary.ratio_zscore):
        mean += f" (z {summary.ratio_zscore:.1f})"
    if summary.infinite:
        yield (
            f"INFINITE: {summary.zero_other_pairs:,} pairs have {other}(x) = 0 at an x that was drawn, "
            f"so the {direction} KL is infinite"
        )
    if summary.comparable is None:
        yield f"verdict: inconclusive, these messages cannot tell; {mean}, it should be 1"
    elif summary.comparable:
        yield f"verdict: comparable; {mean}, it should be 1"
    else:
        below = summary.ratio_mean < 1
        why = "truncated sampling" if below else f"x was not drawn from this {summary.sampled_from}"
        yield f"verdict: NOT COMPARABLE; {mean}, it should be 1: {why}, or a fault of the log"
        if summary.infinite or not below:
            yield "no value can be read until the log is right"
        else:
            gap = _number(summary.support_gap)
            yield f"read {direction} naive first, right if truncated: every other value is off by about {gap}"


def _table(direction: "DirectionSummary") -> Iterator[str]:
    """Yield one line per estimator, and what adaptive did."""
    for name in reversed(ESTIMATORS):
        estimate = direction.of(name)
        interval = ""
        if isfinite(estimate.lower):
            interval = f"   {_number(estimate.lower)} to {_number(estimate.upper)}"
        yield f"  {name:<18}{_number(estimate.value):>12}{_number(estimate.standard_error):>12}{interval}"
    if isfinite(direction.k2):
        yield f"  {'k2 (biased)':<18}{_number(direction.k2):>12}"
    if not isnan(direction.control_variate_lambda):
        yield f"  {'lambda (next)':<18}{_number(direction.control_variate_lambda):>12}"


def _number(number: float) -> str:
    """Five significant digits; a dash where there is no number."""
    return "-" if isnan(number) else f"{number:.5g}"

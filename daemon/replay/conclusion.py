"""The last lines of a replay: what the numbers say, about the series that is furthest apart in the longest window."""

from collections.abc import Iterator, Sequence
from typing import Final

from daemon.replay import words
from daemon.replay.meaning import drawn_elsewhere
from daemon.replay.results import Replay, ReplayedSeries

_NAMED_MOST: Final = 3  # series that a sentence names


def conclusion(replay: Replay) -> Iterator[str]:
    """Yield one paragraph per question: how far apart, to be trusted or not, against the threshold, others, faults.

    The notes are not among them.
    """
    inside = replay.inside
    if not replay.messages:
        yield "No pair could be used."
        return
    if not inside:
        yield "The last window holds no series."
        return
    first = inside[0]
    yield " ".join([words.distance(replay, first, of=len(inside)), *words.in_words(replay, first)])
    if told := " ".join([*words.trust(replay, first), *words.how_many_more(replay, first)]):
        yield told
    if replay.thresholds:
        yield first.verdict.sentence
    yield from _others(replay, inside[1:])
    yield from words.certain(replay, inside)


def _others(replay: Replay, others: Sequence[ReplayedSeries]) -> Iterator[str]:
    """Name the other series of which a number misleads, or that pass a threshold."""
    infinite = [series for series in others if series.summary.infinite]
    failed = [series for series in others if series.summary.comparable is False]
    broken = [series for series in failed if not drawn_elsewhere(series.summary)]
    elsewhere = [series for series in failed if drawn_elsewhere(series.summary)]
    drifting = [series for series in others if series.verdict.state == "drift"]
    if infinite:
        yield f"Infinite as well: {_named(replay, infinite)}."
    if broken:
        yield (
            f"The pairs of {_named(replay, broken)} are not comparable either way: the self-check failed, "
            "so read naive first there and mend the log."
        )
    if elsewhere:
        yield (
            f"The pairs of {_named(replay, elsewhere)} were not drawn from the {replay.sampled_from} that was logged: "
            "the self-check failed with a mean above 1, so no value of them can be read until the log is right."
        )
    if drifting:
        yield f"Above a threshold as well: {_named(replay, drifting)}."


def _named(replay: Replay, several: Sequence[ReplayedSeries]) -> str:
    names = "; ".join(words.name(replay, series) for series in several[:_NAMED_MOST])
    more = len(several) - _NAMED_MOST
    return f"{names} and {more} more" if more > 0 else names

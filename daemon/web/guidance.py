"""What each verdict is called, what it means, and what to do now: short help, beside the numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from daemon.drift_rule import State


@dataclass(frozen=True, slots=True)
class Guidance:
    """Words for one state; `sign` tells it without colour, `among` is what a count of several is followed by."""

    sign: str
    word: str
    among: str
    meaning: str
    steps: tuple[str, ...]


GUIDANCE: Final[Mapping[State, Guidance]] = {
    "infinite": Guidance(
        "∞",
        "Infinite",
        "infinite",
        "An outcome was drawn that the other model gives probability 0, so the divergence is infinite in truth.",
        (
            "Find the records: klaxon_zero_probability_total tells the series, the log of the other model the outcome.",
            "If its zero stands for a value that was not computed, log null, or set sentinel_below.",
            (
                "If it is real, the other model truncates (top-p, top-k, greedy) or underflows: log its "
                "log-probabilities before truncation, in float32."
            ),
        ),
    ),
    "not_comparable": Guidance(
        "≠",
        "Not comparable",
        "not comparable",
        "The pairs fail the self-check: the mean of other over sampler is not 1. The log is at fault, or the sampler "
        "is truncated; nothing is known about drift.",
        (
            (
                "Ratio mean below 1: the sampler leaves outcomes out. Log its probabilities as it samples, after "
                "temperature, top-p and top-k: then sampler-side naive is right, and the gap stays. Or sample from the "
                "full distribution."
            ),
            (
                "Ratio mean above 1: no value can be read until the log is right. Check that x was drawn from the side "
                "that sampled_from names, that both sides score the same tokens, and that the mask covers what was not "
                "sampled."
            ),
            "See in the chart when it began, and what was released then.",
        ),
    ),
    "drift": Guidance(
        "!",
        "Drift",
        "drift",
        "The two models give different probabilities to the same outcomes: the long window's divergence is surely "
        "above the threshold (by four standard errors of its logarithm), and the short window's is too.",
        (
            "See in the chart when it began, and what was released then: weights, precision, engine, temperature.",
            "One series: look at its traffic and its version. All of them: look at what they share.",
            "If the change is meant to be, set a threshold that allows it.",
        ),
    ),
    "no_data": Guidance(
        "○",
        "Not enough data",
        "with too little data",
        "A window holds no message, or fewer than min_messages, so there is no estimate to judge by.",
        (
            "Compare the time of the last record with now: is the producer alive, is the consumer behind (lag)?",
            "Records read but not usable: the reasons stand beside the stream.",
            "Little traffic by nature: use longer windows, or lower min_messages.",
        ),
    ),
    "incomplete": Guidance(
        "…",
        "Cannot tell yet",
        "not read to the end",
        "Not everything in the windows has been read, so that no alarm means nothing yet.",
        (
            "After a start or a move of partitions: wait until the lag is 0.",
            (
                "If it stays: klaxon_gap_offsets_total tells of offsets that can never be read, "
                "klaxon_series_overflow_total of more series than the cap allows."
            ),
            "Brokers away: the reasons of readiness say so.",
        ),
    ),
    "measuring": Guidance(
        "–",  # noqa: RUF001 - a dash for a sign
        "Measuring, not alerting",
        "only measured",
        "No threshold is configured, so nothing is judged.",
        ("After some calm days, set streams[].thresholds above the largest value that they showed.",),
    ),
    "quiet": Guidance(
        "✓", "Quiet", "quiet", "No threshold is passed, and everything in the windows has been read.", ()
    ),
}

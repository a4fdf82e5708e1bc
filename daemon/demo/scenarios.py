"""The stories that the demo plays, as values: what is changed when, in which words, and what klaxond must say then."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from daemon.demo.writer import CALM_NATS, KEPT_MASS, RAMP_SECONDS, SHIFTED_NATS, Traffic
from daemon.drift_rule import State

ScenarioName = Literal["story", "null", "shift", "ramp", "truncated", "nan-burst", "silence"]

#: The first is the short window of the rule for drift, the second the long one; the third is there to look at.
WINDOWS: Final = ("5s", "15s", "1m")
#: Between calm and shifted: what the mixture in the long window passes some seconds after a shift.
THRESHOLD_NATS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the traffic, and the answer that is due.

    Attributes
    ----------
    name : for programs
    sentence : told when the step is made
    traffic : of the series that the story is about, from now on
    expects : the state that klaxond must tell of that series
    within_seconds : after which the answer counts as missing
    lasts_seconds : so long at least, so that people can read, and windows fill
    rejects : reasons that klaxond must have counted too; each as often as it was sent, once it is sent no more
    since_threshold : the delay counts from when the truth passed the threshold, not from the step
    """

    name: str
    sentence: str
    traffic: Traffic
    expects: State
    within_seconds: float
    lasts_seconds: float
    rejects: tuple[str, ...] = ()
    since_threshold: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """Steps, one after the other: each begins when the one before has lasted, and was answered or given up."""

    name: ScenarioName
    title: str
    steps: tuple[Step, ...]


_CALM: Final = Step(
    "calm",
    f"All is calm: the two models of tokens writer 2 are {CALM_NATS} nats apart, and {THRESHOLD_NATS} is allowed.",
    "calm",
    expects="quiet",
    within_seconds=40.0,
    lasts_seconds=15.0,  # the long window is full, and the self-check has its pairs
)
_TRUNCATED: Final = Step(
    "log breaks",
    f"The log breaks: from now on the sampler is cut to its top {100 * KEPT_MASS:.0f} % (top-p {KEPT_MASS}). No model "
    f"has changed, so it is NOT DRIFT: the pairs are not comparable, and their ratio mean falls to about {KEPT_MASS}.",
    "truncated",
    expects="not_comparable",
    within_seconds=15.0,
    lasts_seconds=9.0,
)
_HEALED: Final = Step(
    "log heals",
    "The log heals: the sampler draws from everything again. The 15s window remembers the break as long as it is wide.",
    "calm",
    expects="quiet",
    within_seconds=35.0,
    lasts_seconds=3.0,
)
_SHIFTED: Final = Step(
    "model drifts",
    f"The model drifts: from {CALM_NATS} to {SHIFTED_NATS} nats, at once. The log is right.",
    "shifted",
    expects="drift",
    within_seconds=25.0,
    lasts_seconds=9.0,
    since_threshold=True,
)
_ROLLED_BACK: Final = Step(
    "model rolled back",
    f"The model is rolled back to {CALM_NATS} nats. The short window has to agree, so the alarm ends soon.",
    "calm",
    expects="quiet",
    within_seconds=25.0,
    lasts_seconds=9.0,
)
_NULL: Final = Step(
    "nothing",
    f"Nothing happens for 45 s: the models stay {CALM_NATS} nats apart. There must be no alarm.",
    "calm",
    expects="quiet",
    within_seconds=40.0,
    lasts_seconds=45.0,
)
_RAMP: Final = Step(
    "model drifts slowly",
    f"The model drifts slowly: from {CALM_NATS} to {SHIFTED_NATS} nats in {RAMP_SECONDS:.0f} s. "
    f"The truth passes {THRESHOLD_NATS} on the way.",
    "ramp",
    expects="drift",
    within_seconds=RAMP_SECONDS + 25.0,
    lasts_seconds=RAMP_SECONDS,
    since_threshold=True,
)
_BAD_VALUES: Final = Step(
    "bad values",
    "A serializer goes wrong: a quarter of the records hold NaN, which is no JSON, and a quarter hold null for some "
    "log-probabilities. Both are counted by reason, and the estimate stays as it is.",
    "bad_values",
    expects="quiet",
    within_seconds=20.0,
    lasts_seconds=15.0,
    rejects=("syntax", "sentinel"),
)
_CLEAN: Final = Step(
    "clean again",
    "The serializer is mended. What was counted stays counted.",
    "calm",
    expects="quiet",
    within_seconds=20.0,
    lasts_seconds=9.0,
    rejects=("syntax", "sentinel"),
)
_SILENT: Final = Step(
    "silence",
    "tokens writer 2 falls silent; writer 1 goes on. No data is no zero: the value has to go, not to fall.",
    "silent",
    expects="no_data",
    within_seconds=25.0,
    lasts_seconds=18.0,
)
_SPEAKS: Final = Step(
    "speaks again",
    "tokens writer 2 speaks again.",
    "calm",
    expects="quiet",
    within_seconds=25.0,
    lasts_seconds=9.0,
)

SCENARIOS: Final[Mapping[ScenarioName, Scenario]] = {
    each.name: each
    for each in (
        Scenario(
            "story",
            "a broken log is no drift, and a drift is found",
            (_CALM, _TRUNCATED, _HEALED, _SHIFTED, _ROLLED_BACK),
        ),
        Scenario("null", "nothing happens, and nothing is raised", (_NULL,)),
        Scenario("shift", "a model drifts at once", (_CALM, _SHIFTED, _ROLLED_BACK)),
        Scenario("ramp", "a model drifts slowly", (_CALM, _RAMP, _ROLLED_BACK)),
        Scenario("truncated", "a sampler is truncated", (_CALM, _TRUNCATED, _HEALED)),
        Scenario("nan-burst", "values that are none arrive", (_CALM, _BAD_VALUES, _CLEAN)),
        Scenario("silence", "a series ends, and comes back", (_CALM, _SILENT, _SPEAKS)),
    )
}

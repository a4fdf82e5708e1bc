"""What is played to the alerts, each on a stream of its own, and what each turn of it has to raise.

The scenarios are the demo's own, step by step. Beside them: a stream of which all versions fall silent, a version that
retires while the next one begins, and two streams above a threshold that is too low: calm traffic, which shows that the
calm ones could alarm, and a broken log, of which a drift must not be told though its value is above the threshold.
"""

from dataclasses import dataclass, field

from daemon.demo.scenarios import SCENARIOS, THRESHOLD_NATS, WINDOWS
from daemon.demo.writer import CALM_NATS, MODEL
from daemon.rules import Terms
from tests.e2e.webhooks import Heard, named

SHORT, LONG = WINDOWS[:2]
#: What the rules of production have, about sixty times as fast. A move of partitions on a busy machine takes 10 s.
PATIENCE_SECONDS = 20.0
TERMS = Terms(
    short=SHORT, long=LONG, short_seconds=5.0, hold="5s", patience=f"{PATIENCE_SECONDS:.0f}s", rate="15s",
    grafana="https://grafana.example",
)  # fmt: skip
#: So long lasts what must not alarm: until the long window has emptied and the most patient alert would fire.
QUIET_SECONDS = 15.0 + PATIENCE_SECONDS + 5.0
TOLD, OTHER = "2", "1"
#: A threshold that calm traffic passes.
LOW_NATS = CALM_NATS / 5
#: Sequences a second. Half the demo's: the broken log needs 25 Var(r) / 0.1^2 = 250 pairs to be found, and nobody waits
#: for the verdict that calm pairs are comparable. A busy machine may take three quarters away from the short window.
RATE = 25.0
#: Of versions whose values nobody judges.
SLOW_RATE = 12.0
NAMESPACE, JOB, ROLLED_JOB = "models", "klaxon", "rolled"


def alarm(name, stream, **labels):
    """One alert, with the labels that all have."""
    return named(alertname=name, namespace=NAMESPACE, stream=stream, **{"job": JOB, "severity": "warning"} | labels)


def of_series(name, stream, **labels):
    """One alert about the told series."""
    return alarm(name, stream, model=MODEL, version=TOLD, window=LONG, **labels)


def drift(stream, **labels):
    """A drift of the told series."""
    return of_series("KlaxonDrift", stream, direction="reverse", **labels)


def raised(traffic, stream):
    """What a change of one version's traffic has to raise; its sibling goes on."""
    return {
        "calm": (),
        "silent": (),
        "shifted": (drift(stream),),
        "ramp": (drift(stream),),
        "truncated": (of_series("KlaxonPairsNotComparable", stream),),
        "bad_values": (alarm("KlaxonPairsRejected", stream), alarm("KlaxonRecordsRejected", stream)),
    }[traffic]


@dataclass(frozen=True, slots=True)
class Turn:
    """What the versions send from now on, for how long at least, and which alerts are firing at its end."""

    traffic: dict[str, str]
    lasts_seconds: float
    firing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Play:
    """One stream with its turns; `ends` says whether its alerts have to be over at the end."""

    stream: str
    turns: tuple[Turn, ...]
    nats: float = THRESHOLD_NATS
    rates: dict[str, float] = field(default_factory=lambda: {TOLD: RATE})
    ends: bool = True

    @property
    def expected(self):
        """What the webhook must have heard of it, no more and no less."""
        acts = tuple(tuple(sorted(turn.firing)) for turn in self.turns if turn.firing)
        return Heard(acts, frozenset() if self.ends else frozenset(acts[-1]))


def _scenario(name):
    turns = tuple(
        Turn({TOLD: step.traffic}, _lasting(step.traffic, step.lasts_seconds), raised(step.traffic, name))
        for step in SCENARIOS[name].steps
    )
    return Play(name, turns, rates={TOLD: RATE} | ({OTHER: SLOW_RATE} if _falls_silent(name) else {}))


def _falls_silent(name):
    return any(step.traffic == "silent" for step in SCENARIOS[name].steps)


def _lasting(traffic, seconds):
    """What raises nothing though something happens has to last until the most patient alert would have fired."""
    return max(seconds, QUIET_SECONDS) if traffic == "silent" else seconds


def _all_silent(stream):
    """The scenario `silence`, played by every version at once."""
    turns = tuple(
        Turn(
            {TOLD: step.traffic, OTHER: step.traffic},
            step.lasts_seconds,
            (alarm("KlaxonNoData", stream),) if step.traffic == "silent" else (),
        )
        for step in SCENARIOS["silence"].steps
    )
    return Play(stream, turns, rates={TOLD: SLOW_RATE, OTHER: SLOW_RATE})


PLAYS = (
    *map(_scenario, SCENARIOS),
    _all_silent("all-silent"),
    Play(
        "retired",
        (
            Turn({OTHER: "calm", TOLD: "silent"}, 15.0),
            Turn({OTHER: "silent", TOLD: "calm"}, QUIET_SECONDS),
        ),
        rates={OTHER: SLOW_RATE, TOLD: SLOW_RATE},
    ),
    Play(
        "low-threshold",
        tuple(
            Turn({TOLD: step.traffic}, step.lasts_seconds, (drift("low-threshold"),))
            for step in SCENARIOS["null"].steps
        ),
        nats=LOW_NATS,
        ends=False,
    ),
    Play(
        "truncated-above-threshold",
        (Turn({TOLD: "truncated"}, QUIET_SECONDS, raised("truncated", "truncated-above-threshold")),),
        nats=LOW_NATS,
        ends=False,
    ),
)
#: Of the fleet whose replicas are replaced before the last turn: that raises nothing, and ends nothing.
ROLLED = (
    Play("rolled", (Turn({TOLD: "calm"}, 15.0), Turn({TOLD: "calm"}, QUIET_SECONDS)), rates={TOLD: SLOW_RATE}),
    Play(
        "rolled-drifting",
        (
            Turn({TOLD: "shifted"}, 0.0, (drift("rolled-drifting", job=ROLLED_JOB),)),
            Turn({TOLD: "calm"}, 0.0),
        ),
    ),
    Play(
        "rolled-silent",
        (
            Turn({TOLD: "silent"}, 0.0, (alarm("KlaxonNoData", "rolled-silent", job=ROLLED_JOB),)),
            Turn({TOLD: "calm"}, 0.0),
        ),
        rates={TOLD: SLOW_RATE},
    ),
)

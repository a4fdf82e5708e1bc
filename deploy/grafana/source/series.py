"""One series in depth: how far, how sure, can it be trusted, what it rests on."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.statetimeline import Panel as States
from grafana_foundation_sdk.builders.timeseries import Panel as Lines

from deploy.grafana.source import variables
from deploy.grafana.source.frame import OTHER_ALERTS, SERIES, SERIES_ALERTS, Alarms, dashboard, section
from deploy.grafana.source.panels import (
    ALARM,
    BROKEN,
    COUNT,
    FINE,
    IDLE,
    LIMIT,
    NATS,
    RECORDS,
    SECONDS,
    SHARE,
    TIMES,
    WAIT,
    Query,
    band,
    dashed,
    lines,
    number,
    states,
)
from deploy.grafana.source.queries import (
    FORMULAS,
    ONE_SERIES,
    ONE_STREAM,
    WINDOW,
    adaptive,
    bound,
    delay,
    merged,
    metric,
    over_targets,
    rate,
    recorded,
    towards,
)

_OF: Final = (ONE_SERIES, WINDOW)
_PAIRS: Final = "suffix: pairs/s"


def series() -> Dashboard:
    """Make the dashboard."""
    made = dashboard(
        SERIES,
        "One series of klaxond: both directions with interval and thresholds, the estimators side by side, the "
        "self-check, and what it all rests on. Needs the rules that `klaxond rules` prints.",
    )
    made.variables(
        [
            variables.datasource(),
            variables.one("namespace", "Namespace", "klaxon_build_info"),
            variables.one("job", "Job", 'klaxon_build_info{namespace="$namespace"}'),
            variables.one("stream", "Stream", 'klaxon_records_consumed_total{namespace="$namespace", job="$job"}'),
            variables.series(),
            variables.window(metric("window_end_timestamp_seconds", ONE_STREAM)),
        ]
    )
    made.annotation(Alarms("Alarms about the series", SERIES_ALERTS, ONE_SERIES, ALARM))
    made.annotation(Alarms("Alarms about its stream", OTHER_ALERTS, ONE_STREAM, WAIT))
    section(made, "Now: $series", _numbers())
    section(made, "How far, how sure", [*_values(), _states(), *_all_windows()])
    section(made, "Estimators", [*_estimators(), *_gain()])
    section(made, "Can the pairs be compared?", _self_check())
    section(made, "What it rests on", _sample())
    return section(made, "The records of its stream", _records())


def _numbers() -> list[Stat]:
    thresholds = over_targets("min", metric("threshold_nats", ONE_SERIES), "severity")
    values = over_targets("max", merged("kl_nats", *_OF, 'estimator="adaptive"'), "estimator", "window")
    newest = f"time() - max({metric('last_event_timestamp_seconds', ONE_SERIES)})"
    return [
        *(
            number(
                text,
                f"The fleet's adaptive estimate of {text} over the window.",
                Query(f"max({adaptive(way, *_OF)})"),
                unit=NATS,
            )
            for way, text in FORMULAS.items()
        ),
        number(
            "Times its threshold",
            "The larger one of both directions, each in multiples of its lowest threshold.",
            Query(f"max({values} / {thresholds})"),
            unit=TIMES,
            tones={None: FINE, 1: ALARM},
            empty="No threshold, or no value",
        ),
        number(
            "Self-check",
            "Whether the mean of other/sampler is 1, as it must be if the pairs can be compared.",
            Query(f"min({merged('comparable', *_OF)})"),
            unit=COUNT,
            words={"0": ("not comparable", BROKEN), "1": ("comparable", FINE)},
            empty="Too few pairs to tell",
        ),
        number(
            "Messages in the window",
            "Messages of all replicas.",
            Query(f"max({merged('window_messages', *_OF)})"),
            unit=COUNT,
        ),
        number(
            "Newest event",
            "Time since the newest event of the series.",
            Query(newest),
            unit=SECONDS,
            empty="Not there now",
        ),
    ]


def _values() -> list[Lines]:
    drawn = []
    for way, text in FORMULAS.items():
        limit = over_targets("max", metric("threshold_nats", ONE_SERIES, towards(way)))
        panel = lines(
            f"{text} over $window",
            "The fleet's adaptive estimate with its 95 % interval, for reading and not for alarming, and the "
            "thresholds of the configuration.",
            [
                Query(bound("lower", way, *_OF), "95 % lower"),
                Query(bound("upper", way, *_OF), "95 % upper"),
                Query(adaptive(way, *_OF), text, "blue"),
                Query(limit, "threshold {{severity}}"),
            ],
            unit=NATS,
            least=0,
        )
        drawn.append(dashed(band(panel, "95 % lower", "95 % upper"), "threshold .*"))
    return drawn


def _states() -> States:
    fine_or = {"1": ("comparable", FINE), "0": ("not comparable", BROKEN)}
    infinite = over_targets("max", metric("infinite", *_OF))
    complete = recorded("stream:klaxon_window_complete:min", ONE_STREAM, WINDOW)
    drifts = recorded("ALERTS", 'alertname="KlaxonDrift"', ONE_SERIES)
    firing = recorded("ALERTS", 'alertname="KlaxonDrift", alertstate="firing"', ONE_SERIES)
    return states(
        "What held when",
        "Self-check: nothing where there are too few pairs to tell. Drift: nothing where the rule does not hold.",
        [
            (
                Query(f"max({drifts}) + (max({firing}) or 0 * max({drifts}))", "drift"),
                {"1": ("waiting", WAIT), "2": ("alarm", ALARM)},
            ),
            (Query(f"min({merged('comparable', *_OF)})", "self-check"), fine_or),
            (Query(f"max({infinite})", "infinity"), {"0": ("finite", FINE), "1": ("infinite", ALARM)}),
            (Query(f"min({complete})", "window"), {"1": ("complete", FINE), "0": ("not complete", WAIT)}),
        ],
    )


def _all_windows() -> list[Lines]:
    return [
        lines(
            f"{text} in every window",
            "A short window follows soon and is less sure. Drift needs the long and the short one.",
            [Query(adaptive(way, ONE_SERIES), "{{window}}")],
            unit=NATS,
            least=0,
        )
        for way, text in FORMULAS.items()
    ]


def _estimators() -> list[Lines]:
    return [
        lines(
            f"{text} by estimator",
            "Read adaptive first; where the pairs are not comparable naive, which only the sampler's side has. naive and "
            "fixed differ by what the ratio mean is off 1.",
            [Query(merged("kl_nats", *_OF, towards(way)), "{{estimator}}")],
            unit=NATS,
            least=0,
        )
        for way, text in FORMULAS.items()
    ]


def _gain() -> list[Lines]:
    ranged = [
        Query(
            f"{rate('kl_nats_sum_total', ONE_SERIES, towards(way))}\n/ {rate('weight_sum_total', ONE_SERIES)}",
            text,
        )
        for way, text in FORMULAS.items()
    ]
    return [
        lines(
            "Gain of adaptive",
            "Variance of naive and of fixed over that of adaptive, in each replica: so many times more messages would "
            "be needed without it. Above 1 adaptive is the better one.",
            [
                Query(metric("variance_ratio", *_OF, towards(way)), f"{text} against {{{{versus}}}} {{{{instance}}}}")
                for way, text in FORMULAS.items()
            ],
            unit=TIMES,
            width=8,
            limits={1: IDLE},
        ),
        lines(
            "Lambda",
            "Coefficient of r - 1 that adaptive uses now, in each replica. On the sampler's side 0 is naive, 1 is fixed.",
            [
                Query(metric("control_variate_lambda", *_OF, towards(way)), f"{text} {{{{instance}}}}")
                for way, text in FORMULAS.items()
            ],
            unit=COUNT,
            width=8,
        ),
        lines(
            "Divergence as it came in",
            "The fixed estimator over what was read between two points: no window, and no interval.",
            ranged,
            unit=NATS,
            width=8,
            least=0,
        ),
    ]


def _self_check() -> list[Lines]:
    return [
        lines(
            "Ratio mean",
            "Mean of other/sampler. Below 1 the sampler never produces what holds the rest of the other's mass (top-p, "
            "top-k, greedy); above 1 x was not drawn from the sampler, or the sides were logged differently.",
            [Query(merged("ratio_mean", *_OF), "ratio mean", "blue")],
            unit=COUNT,
            width=8,
            limits={1: IDLE},
        ),
        lines(
            "Standard errors between ratio mean and 1",
            "The self-check fails where they are 5 or more and the deviation also matters against the divergence.",
            [Query(merged("ratio_zscore", *_OF), "z", "blue")],
            unit=COUNT,
            width=8,
            limits={-5: LIMIT, 5: LIMIT},
        ),
        lines(
            "Support gap",
            "Mass of the other model that the sampler can never produce, in each replica.",
            [Query(metric("support_gap", *_OF), "{{instance}}")],
            unit=SHARE,
            width=8,
        ),
    ]


def _sample() -> list[Lines]:
    rare = ("zero_probability", "probability 0"), ("clamped", "clamped")
    return [
        lines(
            "In the window",
            "Messages and pairs, of all replicas.",
            [
                Query(over_targets("sum", metric("window_messages", *_OF)), "messages"),
                Query(over_targets("sum", metric("window_pairs", *_OF)), "pairs"),
            ],
            unit=COUNT,
            width=8,
            least=0,
        ),
        lines(
            "Effective sample",
            "Effective sample size over pairs, in each replica: near 0 a few pairs outweigh all others.",
            [Query(metric("effective_sample_ratio", *_OF), "{{instance}}")],
            unit=SHARE,
            width=8,
            least=0,
        ),
        lines(
            "Pairs as they came in",
            "Pairs that were absorbed; of these those with probability 0 under the other model, and those whose log "
            "ratio was clamped.",
            [
                Query(rate("pairs_total", ONE_SERIES), "all"),
                *(Query(rate(f"{name}_total", ONE_SERIES), text) for name, text in rare),
            ],
            unit=_PAIRS,
            width=8,
            least=0,
        ),
    ]


def _records() -> list[Lines]:
    return [
        lines(
            "Records",
            "Records read, and those that the stream's filter does not select.",
            [
                Query(rate("records_consumed_total", ONE_STREAM), "read"),
                Query(rate("records_ignored_total", ONE_STREAM), "ignored"),
            ],
            unit=RECORDS,
            width=8,
            least=0,
        ),
        lines(
            "Rejects by reason",
            "Records and pairs that could not be used. The runbooks of KlaxonRecordsRejected and KlaxonPairsRejected "
            "explain every reason.",
            [
                Query(f"{rate('records_rejected_total', ONE_STREAM, by='reason')} > 0", "records: {{reason}}"),
                Query(f"{rate('pairs_rejected_total', ONE_STREAM, by='reason')} > 0", "pairs: {{reason}}"),
            ],
            unit="suffix: /s",
            width=8,
            least=0,
        ),
        lines(
            "Delay of events",
            "50 and 95 of 100 messages of the stream were read within this time after they happened.",
            [Query(delay(share, ONE_STREAM, by="stream"), f"{share:.0%}") for share in (0.5, 0.95)],
            unit=SECONDS,
            width=8,
            least=0,
        ),
    ]

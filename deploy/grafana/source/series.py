"""One series in depth: how far, how sure, can it be trusted, what it rests on."""

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.statetimeline import Panel as States

from deploy.grafana.source import variables
from deploy.grafana.source.frame import OTHER_ALERTS, SERIES, SERIES_ALERTS, Alarms, dashboard, section
from deploy.grafana.source.panels import (
    ALARM,
    BROKEN,
    COUNT,
    FINE,
    NATS,
    SECONDS,
    TIMES,
    WAIT,
    Query,
    number,
    states,
)
from deploy.grafana.source.queries import (
    FORMULAS,
    OF_WINDOW,
    ONE_SERIES,
    ONE_STREAM,
    WINDOW,
    adaptive,
    merged,
    metric,
    over_targets,
    recorded,
)
from deploy.grafana.source.series_sample import records, sample, self_check
from deploy.grafana.source.series_values import all_windows, estimators, gain, values


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
    section(made, "How far, how sure", [*values(), _states(), *all_windows()])
    section(made, "Estimators", [*estimators(), *gain()])
    section(made, "Can the pairs be compared?", self_check())
    section(made, "What it rests on", sample())
    return section(made, "The records of its stream", records())


def _numbers() -> list[Stat]:
    thresholds = over_targets("min", metric("threshold_nats", ONE_SERIES), "severity")
    values = over_targets("max", merged("kl_nats", *OF_WINDOW, 'estimator="adaptive"'), "estimator", "window")
    newest = f"time() - max({metric('last_event_timestamp_seconds', ONE_SERIES)})"
    return [
        *(
            number(
                text,
                f"The fleet's adaptive estimate of {text} over the window.",
                Query(f"max({adaptive(way, *OF_WINDOW)})"),
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
            Query(f"min({merged('comparable', *OF_WINDOW)})"),
            unit=COUNT,
            words={"0": ("not comparable", BROKEN), "1": ("comparable", FINE)},
            empty="Too few pairs to tell",
        ),
        number(
            "Messages in the window",
            "Messages of all replicas.",
            Query(f"max({merged('window_messages', *OF_WINDOW)})"),
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


def _states() -> States:
    fine_or = {"1": ("comparable", FINE), "0": ("not comparable", BROKEN)}
    infinite = over_targets("max", metric("infinite", *OF_WINDOW))
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
            (Query(f"min({merged('comparable', *OF_WINDOW)})", "self-check"), fine_or),
            (Query(f"max({infinite})", "infinity"), {"0": ("finite", FINE), "1": ("infinite", ALARM)}),
            (Query(f"min({complete})", "window"), {"1": ("complete", FINE), "0": ("not complete", WAIT)}),
        ],
    )

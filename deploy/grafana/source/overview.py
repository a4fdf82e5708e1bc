"""The fleet: what alarms, which series are furthest, whether the streams flow."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.statetimeline import Panel as States
from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.builders.timeseries import Panel as Lines

from deploy.grafana.source import variables
from deploy.grafana.source.frame import OTHER_ALERTS, OVERVIEW, SERIES, SERIES_ALERTS, Alarms, dashboard, section
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
    Column,
    Query,
    Tones,
    lines,
    linked,
    number,
    rows,
    states,
)
from deploy.grafana.source.queries import (
    FLEET,
    FORMULAS,
    STREAM,
    TARGET,
    WINDOW,
    adaptive,
    counted,
    delay,
    merged,
    metric,
    over_targets,
    rate,
    recorded,
)

_LEGEND: Final = "{{stream}} {{job}} {{namespace}}"
_OWN: Final = ("direction", "estimator", "window")
#: A table holds the series that are furthest, no more than a browser likes.
_ROWS: Final = 100
_ALERTS: Final = "|".join((*SERIES_ALERTS, *OTHER_ALERTS))
#: An alert about nothing that is there has neither stream nor job.
_ALARMED: Final = 'namespace=~"$namespace|", job=~"$job|", stream=~"$stream|"'
_NONE_IS_FINE: Final[Tones] = {None: FINE, 1: ALARM}
_DRILL: Final = (
    f"/d/{SERIES}?var-namespace=${{__data.fields.namespace}}&var-job=${{__data.fields.job}}"
    "&var-stream=${__data.fields.stream}&var-window=${window}&var-datasource=${datasource}&${__url_time_range}"
)


def overview() -> Dashboard:
    """Make the dashboard."""
    made = dashboard(
        OVERVIEW,
        "All streams of klaxond: what alarms, which series are furthest from their other model, whether data flows. "
        "Needs the rules that `klaxond rules` prints.",
    )
    made.variables(
        [
            variables.datasource(),
            variables.several("namespace", "Namespace", "klaxon_build_info", all_value=".*"),
            variables.several("job", "Job", 'klaxon_build_info{namespace=~"$namespace"}'),
            variables.several(
                "stream", "Stream", 'klaxon_records_consumed_total{namespace=~"$namespace", job=~"$job"}'
            ),
            variables.window(metric("window_end_timestamp_seconds", FLEET)),
            variables.labels(),
        ]
    )
    made.annotation(Alarms("Alarms about series", SERIES_ALERTS, FLEET, ALARM))
    made.annotation(Alarms("Alarms about streams and klaxond", OTHER_ALERTS, _ALARMED, WAIT))
    section(made, "Now", [*_numbers(), _alarms()])
    section(made, "Series", [_table(), *_furthest()])
    return section(made, "Streams", [*_flow(), _complete()])


def _numbers() -> list[Stat]:
    held = merged("window_messages", FLEET, WINDOW)
    infinite = over_targets("max", metric("infinite", FLEET, WINDOW))
    unread = (
        f"group by ({STREAM}) ({metric('records_consumed_total', FLEET)})\n"
        f"unless {recorded('stream:klaxon_partition_owned:exactly_once', FLEET)}"
    )
    replicas = metric("build_info", 'namespace=~"$namespace", job=~"$job"')
    drifting = recorded("ALERTS", 'alertname="KlaxonDrift", alertstate="firing"', FLEET)
    drifting = f"group without (severity, direction, alertname, alertstate) ({drifting})"
    return [
        number(
            "Series that drift",
            "Series for which KlaxonDrift fires: above the threshold for sure over the long window, and still above "
            "it over the short one.",
            Query(counted(drifting, held)),
            unit=COUNT,
            tones=_NONE_IS_FINE,
        ),
        number(
            "Not comparable",
            "Series whose self-check fails over the window: a matter of the log or of the sampling, not of the model.",
            Query(counted(f"{merged('comparable', FLEET, WINDOW)} == 0", held)),
            unit=COUNT,
            tones={None: FINE, 1: BROKEN},
        ),
        number(
            "Infinite",
            "Series with a pair that has probability 0 under the other model.",
            Query(counted(f"{infinite} == 1", held)),
            unit=COUNT,
            tones=_NONE_IS_FINE,
        ),
        number(
            "Streams not fully read",
            "Streams of which not every partition has exactly one owner that has restored it: they have no value.",
            Query(counted(unread, metric("records_consumed_total", FLEET))),
            unit=COUNT,
            tones={None: FINE, 1: WAIT},
        ),
        number(
            "Series",
            "Series with a message in the window.",
            Query(counted(f"{held} > 0", held)),
            unit=COUNT,
        ),
        number(
            "Replicas",
            "Processes of klaxond that Prometheus scrapes.",
            Query(f"count({replicas})"),
            unit=COUNT,
            empty="No klaxond",
        ),
    ]


def _alarms() -> Table:
    firing = recorded("ALERTS", f'alertname=~"{_ALERTS}", alertstate="firing"', _ALARMED)
    hidden = ("alertstate", "Alarms", *TARGET)
    panel = rows(
        "Alarms",
        "All alerts of klaxond that fire now. Each has a runbook.",
        [Column(f"max without (alertstate) ({firing})", "Alarms")],
        hidden=("Value", *hidden),
        height=6,
    )
    return panel.no_value("Nothing alarms")


def _table() -> Table:
    every = over_targets("max", merged("kl_nats", FLEET, WINDOW, 'estimator="adaptive"'), *_OWN)
    top = f"topk({_ROWS}, {every})"

    def column(expression: str, *also: str) -> str:
        return f"{over_targets('max', expression, *_OWN, *also)}\nand {top}"

    thresholds = over_targets("min", metric("threshold_nats", FLEET), "severity")
    values = over_targets("max", merged("kl_nats", FLEET, WINDOW, 'estimator="adaptive"'), "estimator", "window")
    comparable = {"0": ("not comparable", BROKEN), "1": ("comparable", FINE)}
    panel = rows(
        "The series that are furthest",
        f"The {_ROWS} series with the largest divergence in either direction, over the window. Self-check: nothing "
        "means that there are too few pairs to tell. A click on a stream leads to its series.",
        [
            *(Column(column(adaptive(way, FLEET, WINDOW)), text, NATS) for way, text in FORMULAS.items()),
            Column(column(f"{values} / {thresholds}"), "Times its threshold", TIMES, {None: FINE, 1: ALARM}),
            Column(column(merged("comparable", FLEET, WINDOW)), "Self-check", COUNT, words=comparable),
            Column(column(merged("ratio_mean", FLEET, WINDOW)), "Ratio mean", COUNT, decimals=4),
            Column(column(merged("window_messages", FLEET, WINDOW)), "Messages", COUNT),
        ],
    )
    linked(panel, "stream", "Look at the stream's series", _DRILL)
    return panel


def _furthest() -> list[Lines]:
    drawn = []
    for way, text in FORMULAS.items():
        shown = adaptive(way, FLEET, WINDOW)
        ten = f"topk(10, max_over_time({shown}[$__range] @ end()))"
        drawn.append(
            lines(
                f"{text}, the ten series that went highest",
                f"The fleet's adaptive estimate of {text} over the window, of those that were highest in the range "
                "shown.",
                [Query(f"{shown}\nand {ten}")],
                unit=NATS,
                least=0,
            )
        )
    thresholds = over_targets("min", metric("threshold_nats", FLEET), "severity")
    sure = over_targets("max", recorded("series:klaxon_kl_nats:sure", FLEET), "window")
    mean = merged("ratio_mean", FLEET, WINDOW)
    return [
        *drawn,
        lines(
            "Times the threshold, for sure",
            "What KlaxonDrift compares: the value over the long window, less four standard errors, in multiples of "
            "the lowest threshold. The ten largest; above 1 it alarms once the short window agrees.",
            [Query(f"topk(10, {sure} / {thresholds})")],
            unit=TIMES,
            least=0,
            limits={1: LIMIT},
        ),
        lines(
            "Ratio mean, the ten series furthest from 1",
            "Mean of other/sampler: 1 where the sampler can produce whatever the other model can.",
            [Query(f"{mean}\nand topk(10, abs({mean} - 1))")],
            unit=COUNT,
            limits={1: IDLE},
        ),
    ]


def _flow() -> list[Lines]:
    consumed, ignored = (rate(f"records_{what}_total", FLEET, by=STREAM) for what in ("consumed", "ignored"))
    rejected = rate("records_rejected_total", FLEET, by=STREAM)
    pairs, bad = rate("pairs_total", FLEET, by=STREAM), rate("pairs_rejected_total", FLEET, by=STREAM)
    return [
        lines(
            "Records read",
            "Records that were read from the topics.",
            [Query(consumed, _LEGEND)],
            unit=RECORDS,
            least=0,
        ),
        lines(
            "Lag",
            "Records that wait in the topics.",
            [Query(f"sum by ({STREAM}) ({metric('consumer_lag_records', FLEET)})", _LEGEND)],
            unit=COUNT,
            least=0,
        ),
        lines(
            "Rejected",
            "Share of the records, and of the pairs, that could not be used. KlaxonRecordsRejected and "
            "KlaxonPairsRejected begin at 1 %.",
            [
                Query(f"{rejected} / ({consumed} - {ignored} > 0)", f"records of {_LEGEND}"),
                Query(f"{bad} / ({pairs} + {bad} > 0)", f"pairs of {_LEGEND}"),
            ],
            unit=SHARE,
            least=0,
            limits={0.01: LIMIT},
        ),
        lines(
            "Delay of events",
            "95 of 100 messages were read within this time after they happened.",
            [Query(delay(0.95, FLEET, by=STREAM), _LEGEND)],
            unit=SECONDS,
            least=0,
        ),
        lines(
            "Age of the newest event",
            "Time since the newest event of any series.",
            [Query(f"time() - max by ({STREAM}) ({metric('last_event_timestamp_seconds', FLEET)})", _LEGEND)],
            unit=SECONDS,
            width=24,
            least=0,
        ),
    ]


def _complete() -> States:
    words = {"1": ("complete", FINE), "0": ("not complete", WAIT)}
    query = Query(recorded("stream:klaxon_window_complete:min", FLEET, WINDOW), _LEGEND)
    return states(
        "Windows",
        "Whether everything in the window has been read. Nothing: not every partition has exactly one owner.",
        [(query, words)],
    )

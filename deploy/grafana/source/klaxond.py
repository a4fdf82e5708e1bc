"""The daemon itself: does it read, does it keep up, what does it cost."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.builders.stat import Panel as Stat

from deploy.grafana.source import variables
from deploy.grafana.source.frame import DAEMON as UID
from deploy.grafana.source.frame import OTHER_ALERTS, Alarms, dashboard, section
from deploy.grafana.source.klaxond_cost import answering, process
from deploy.grafana.source.klaxond_reading import partitions, reading, unusual
from deploy.grafana.source.panels import (
    ALARM,
    COUNT,
    FINE,
    SECONDS,
    WAIT,
    Query,
    number,
)
from deploy.grafana.source.queries import DAEMON, counted, metric

#: An alert about nothing that is there has no job.
_ALARMED: Final = 'namespace=~"$namespace|", job=~"$job|"'


def klaxond() -> Dashboard:
    """Make the dashboard."""
    made = dashboard(
        UID, "The processes of klaxond: whether they read, keep up and answer, and what they cost. One line a replica."
    )
    made.variables(
        [
            variables.datasource(),
            variables.several("namespace", "Namespace", "klaxon_build_info", all_value=".*"),
            variables.several("job", "Job", 'klaxon_build_info{namespace=~"$namespace"}'),
            variables.several("instance", "Instance", 'klaxon_build_info{namespace=~"$namespace", job=~"$job"}'),
        ]
    )
    made.annotation(Alarms("Alarms about streams and klaxond", OTHER_ALERTS, _ALARMED, WAIT))
    section(made, "Now", _numbers())
    section(made, "Reading", [partitions(), *reading()])
    section(made, "Unusual", unusual())
    section(made, "Evaluating and answering", answering())
    return section(made, "Process", process())


def _numbers() -> list[Stat]:
    errors = metric("log_messages_total", DAEMON, 'level=~"error|critical"')
    collectors = metric("collector_success", DAEMON)
    return [
        number(
            "Replicas",
            "Processes that Prometheus scrapes, by version.",
            Query(f"count by (version) ({metric('build_info', DAEMON)})", "{{version}}"),
            unit=COUNT,
            empty="No klaxond",
        ),
        number(
            "Partitions owned",
            "Partitions that have been restored, as a share of those that the chosen processes own.",
            Query(f"avg({metric('partition_owned', DAEMON)})"),
            unit="percentunit",
            tones={None: WAIT, 1: FINE},
            empty="None is owned",
        ),
        number(
            "Age of the oldest publish",
            "Time since the process that is furthest behind published. By default each does so every 10 s.",
            Query(f"max(time() - {metric('publish_timestamp_seconds', DAEMON)})"),
            unit=SECONDS,
            tones={None: FINE, 60: WAIT, 150: ALARM},
            empty="Nothing was published",
        ),
        number(
            "Lag",
            "Records that wait in the partitions that are owned.",
            Query(f"sum({metric('consumer_lag_records', DAEMON)})"),
            unit=COUNT,
            empty="Nothing is owned",
        ),
        number(
            "Collectors that failed",
            "Parts of the metrics that could not be made at the newest publish. The log says why.",
            Query(counted(f"{collectors} == 0", collectors)),
            unit=COUNT,
            tones={None: FINE, 1: ALARM},
            empty="No klaxond",
        ),
        number(
            "Errors logged",
            "Log messages of level error in the range shown.",
            Query(f"sum(increase({errors}[$__range])) or 0 * count({metric('build_info', DAEMON)})"),
            unit=COUNT,
            tones={None: FINE, 1: ALARM},
            empty="No klaxond",
        ),
    ]

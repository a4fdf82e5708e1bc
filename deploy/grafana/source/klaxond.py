"""The daemon itself: does it read, does it keep up, what does it cost."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.statetimeline import Panel as States
from grafana_foundation_sdk.builders.timeseries import Panel as Lines

from deploy.grafana.source import variables
from deploy.grafana.source.frame import DAEMON as UID
from deploy.grafana.source.frame import OTHER_ALERTS, Alarms, dashboard, section
from deploy.grafana.source.panels import (
    ALARM,
    COUNT,
    FINE,
    RECORDS,
    SECONDS,
    WAIT,
    Query,
    lines,
    number,
    states,
)
from deploy.grafana.source.queries import DAEMON, RATE, delay, increase, metric, rate, recorded

_EACH: Final = "{{instance}}"
_REPLICA: Final = "namespace, job, instance"
#: The process's own metrics have no name by which to know klaxond: its own one selects them.
_KLAXOND: Final = f"on ({_REPLICA}) group by ({_REPLICA}) ({metric('build_info', DAEMON)})"
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
    section(made, "Reading", [_partitions(), *_reading()])
    section(made, "Unusual", _unusual())
    section(made, "Evaluating and answering", _answering())
    return section(made, "Process", _process())


def _numbers() -> list[Stat]:
    errors = metric("log_messages_total", DAEMON, 'level=~"error|critical"')
    failing = f"count({metric('collector_success', DAEMON)} == 0) or 0 * count({metric('collector_success', DAEMON)})"
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
            "Time since the process that is furthest behind published. It does so every publish_interval, by default 10 s.",
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
            Query(failing),
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


def _partitions() -> States:
    words = {"1": ("owned", FINE), "0": ("restoring", WAIT)}
    query = Query(
        f"min by (stream, topic, partition, instance) ({metric('partition_owned', DAEMON)})",
        "{{stream}} {{partition}}: {{instance}}",
    )
    return states(
        "Partitions",
        "Who owned which partition when. While one is restored its windows are not complete.",
        [(query, words)],
    )


def _reading() -> list[Lines]:
    return [
        lines(
            "Records read",
            "Records that each process read.",
            [Query(rate("records_consumed_total", DAEMON, by=f"{_REPLICA}, stream"), "{{stream}} {{instance}}")],
            unit=RECORDS,
            width=8,
            least=0,
        ),
        lines(
            "Lag by partition",
            "Records between the position and the end of the partition.",
            [
                Query(
                    f"sum by (stream, partition, instance) ({metric('consumer_lag_records', DAEMON)})",
                    "{{stream}} {{partition}}",
                )
            ],
            unit=COUNT,
            width=8,
            least=0,
        ),
        lines(
            "Delay of events",
            "95 of 100 messages were read within this time after they happened.",
            [Query(delay(0.95, DAEMON, by=f"{_REPLICA}, stream"), "{{stream}} {{instance}}")],
            unit=SECONDS,
            width=8,
            least=0,
        ),
        lines(
            "Age of the newest poll and publish",
            "Time since the loop last asked the brokers, and since it last published.",
            [
                Query(f"time() - {metric('poll_timestamp_seconds', DAEMON)}", f"poll {_EACH}"),
                Query(f"time() - {metric('publish_timestamp_seconds', DAEMON)}", f"publish {_EACH}"),
            ],
            unit=SECONDS,
            width=8,
            least=0,
        ),
        lines(
            "Partition clocks behind now",
            "The log's own time, by which panes expire: it follows the events, so a quiet partition falls behind.",
            [
                Query(
                    f"time() - max by (stream, partition) ({metric('partition_clock_timestamp_seconds', DAEMON)})",
                    "{{stream}} {{partition}}",
                )
            ],
            unit=SECONDS,
            width=8,
        ),
        lines(
            "Series held",
            "Series with an event in the longest window, and messages that went to __other__ because of the cap.",
            [
                Query(metric("series", DAEMON), "{{stream}} {{instance}}"),
                Query(
                    f"{increase('series_overflow_total', DAEMON, by='stream, instance')} > 0",
                    "over the cap: {{stream}} {{instance}}",
                ),
            ],
            unit=COUNT,
            width=8,
            least=0,
        ),
    ]


def _unusual() -> list[Lines]:
    return [
        lines(
            "Rejects",
            "Records and pairs that could not be used, by reason.",
            [
                Query(
                    f"{rate('records_rejected_total', DAEMON, by='stream, reason')} > 0",
                    "{{stream}}: record {{reason}}",
                ),
                Query(
                    f"{rate('pairs_rejected_total', DAEMON, by='stream, reason')} > 0", "{{stream}}: pair {{reason}}"
                ),
            ],
            unit="suffix: /s",
            width=8,
            least=0,
        ),
        lines(
            "Dead letters",
            "Records that were told in the dead-letter topic, and letters that were given up.",
            [
                Query(rate("dead_letters_total", DAEMON, by="stream"), "{{stream}}: written"),
                Query(rate("dead_letters_dropped_total", DAEMON, by="stream"), "{{stream}}: given up"),
            ],
            unit="suffix: /s",
            width=8,
            least=0,
        ),
        lines(
            "Gaps and clock jumps",
            "Offsets that could never be read, and steps of a partition's clock beyond the longest window.",
            [
                Query(increase("gap_offsets_total", DAEMON, by="stream, partition"), "gap: {{stream}} {{partition}}"),
                Query(
                    increase("partition_clock_jumps_total", DAEMON, by="stream, partition"),
                    "jump: {{stream}} {{partition}}",
                ),
            ],
            unit=COUNT,
            width=8,
            least=0,
        ),
        lines(
            "Rebalances and restores",
            "How often partitions were assigned or revoked, and restored, by where their state came from.",
            [
                Query(increase("rebalances_total", DAEMON, by=_REPLICA), f"rebalances {_EACH}"),
                Query(
                    increase("restores_total", DAEMON, by=f"{_REPLICA}, source"),
                    f"restored from {{{{source}}}} {_EACH}",
                ),
            ],
            unit=COUNT,
            width=8,
            least=0,
        ),
        lines(
            "The last restore",
            "How long it took to restore a partition.",
            [Query(metric("restore_seconds", DAEMON), _EACH)],
            unit=SECONDS,
            width=8,
            least=0,
        ),
        lines(
            "Warnings and errors",
            "Log messages by level.",
            [Query(increase("log_messages_total", DAEMON, by=f"{_REPLICA}, level"), f"{{{{level}}}} {_EACH}")],
            unit=COUNT,
            width=8,
            least=0,
        ),
    ]


def _answering() -> list[Lines]:
    spent, answered = (f"rate({metric(f'scrape_seconds_{part}', DAEMON)}[{RATE}])" for part in ("sum", "count"))
    return [
        lines(
            "Evaluation",
            "How long the newest publish took to evaluate all windows.",
            [Query(metric("evaluation_seconds", DAEMON), _EACH)],
            unit=SECONDS,
            width=8,
            least=0,
        ),
        lines(
            "Collectors",
            "How long each part of the metrics took at the newest publish.",
            [Query(f"max by (collector) ({metric('collector_duration_seconds', DAEMON)})", "{{collector}}")],
            unit=SECONDS,
            width=8,
            least=0,
        ),
        lines(
            "Scrapes",
            "Mean time to answer a request of /metrics.",
            [Query(f"{spent} / ({answered} > 0)", _EACH)],
            unit=SECONDS,
            width=8,
            least=0,
        ),
    ]


def _process() -> list[Lines]:
    return [
        lines(
            "Processor",
            "Cores that are used.",
            [Query(f"rate({recorded('process_cpu_seconds_total', DAEMON)}[{RATE}])\nand {_KLAXOND}", _EACH)],
            unit="suffix: cores",
            width=8,
            least=0,
        ),
        lines(
            "Memory",
            "Resident memory.",
            [Query(f"{recorded('process_resident_memory_bytes', DAEMON)}\nand {_KLAXOND}", _EACH)],
            unit="bytes",
            width=8,
            least=0,
        ),
        lines(
            "Samples of a scrape",
            "How many samples Prometheus takes from each process: what the series cost it.",
            [Query(f"{recorded('scrape_samples_scraped', DAEMON)}\nand {_KLAXOND}", _EACH)],
            unit=COUNT,
            width=8,
            least=0,
        ),
    ]

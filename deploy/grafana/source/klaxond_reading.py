"""Whether klaxond reads, and what is unusual about it."""

from grafana_foundation_sdk.builders.statetimeline import Panel as States
from grafana_foundation_sdk.builders.timeseries import Panel as Lines

from deploy.grafana.source.panels import (
    BYTES,
    COUNT,
    FINE,
    RECORDS,
    SECONDS,
    WAIT,
    Query,
    lines,
    states,
)
from deploy.grafana.source.queries import DAEMON, EACH, REPLICA, delay, increase, metric, rate


def partitions() -> States:
    """Show who owned what."""
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


def reading() -> list[Lines]:
    """Draw whether it keeps up."""
    return [*_flow(), *_time()]


def _flow() -> list[Lines]:
    return [
        lines(
            "Records read",
            "Records that each process read.",
            [Query(rate("records_consumed_total", DAEMON, by=f"{REPLICA}, stream"), "{{stream}} {{instance}}")],
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
            [Query(delay(0.95, DAEMON, by=f"{REPLICA}, stream"), "{{stream}} {{instance}}")],
            unit=SECONDS,
            width=8,
            least=0,
        ),
    ]


def _time() -> list[Lines]:
    return [
        lines(
            "Age of the newest poll and publish",
            "Time since the loop last asked the brokers, and since it last published.",
            [
                Query(f"time() - {metric('poll_timestamp_seconds', DAEMON)}", f"poll {EACH}"),
                Query(f"time() - {metric('publish_timestamp_seconds', DAEMON)}", f"publish {EACH}"),
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


def unusual() -> list[Lines]:
    """Draw what should seldom be above 0."""
    return [*_lost(), *_moved(), *_kept()]


def _lost() -> list[Lines]:
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
    ]


def _moved() -> list[Lines]:
    return [
        lines(
            "Rebalances and restores",
            "How often partitions were assigned or revoked, and restored, by where their state came from.",
            [
                Query(increase("rebalances_total", DAEMON, by=REPLICA), f"rebalances {EACH}"),
                Query(
                    increase("restores_total", DAEMON, by=f"{REPLICA}, source"),
                    f"restored from {{{{source}}}} {EACH}",
                ),
            ],
            unit=COUNT,
            width=8,
            least=0,
        ),
        lines(
            "The last restore",
            "How long it took to restore a partition.",
            [Query(metric("restore_seconds", DAEMON), EACH)],
            unit=SECONDS,
            width=8,
            least=0,
        ),
        lines(
            "Warnings and errors",
            "Log messages by level.",
            [Query(increase("log_messages_total", DAEMON, by=f"{REPLICA}, level"), f"{{{{level}}}} {EACH}")],
            unit=COUNT,
            width=8,
            least=0,
        ),
    ]


def _kept() -> list[Lines]:
    each = "{{topic}} {{partition}}"
    return [
        lines(
            "Age of snapshots",
            "Time since the newest snapshot held all that had been read: so much is read again after a crash.",
            [
                Query(
                    f"time() - max by (topic, partition) ({metric('snapshot_timestamp_seconds', DAEMON)})",
                    each,
                )
            ],
            unit=SECONDS,
            width=8,
            least=0,
        ),
        lines(
            "Size of snapshots",
            "Bytes that the newest snapshot of each partition holds, and those of them that it wrote.",
            [
                Query(f"sum by (topic) ({metric('snapshot_retained_bytes', DAEMON)})", "held: {{topic}}"),
                Query(f"sum by (topic) ({metric('snapshot_bytes', DAEMON)})", "written: {{topic}}"),
            ],
            unit=BYTES,
            width=8,
            least=0,
        ),
        lines(
            "Snapshots that failed",
            "They cost no number, but a restart reads more of the log.",
            [Query(increase("snapshot_failures_total", DAEMON, by=REPLICA), EACH)],
            unit=COUNT,
            width=8,
            least=0,
        ),
    ]

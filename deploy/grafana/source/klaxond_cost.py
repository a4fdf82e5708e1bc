"""What klaxond costs."""

from typing import Final

from grafana_foundation_sdk.builders.timeseries import Panel as Lines

from deploy.grafana.source.panels import (
    COUNT,
    SECONDS,
    Query,
    lines,
)
from deploy.grafana.source.queries import DAEMON, EACH, RATE, REPLICA, metric, recorded

#: The process's own metrics have no name by which to know klaxond: its own one selects them.
_KLAXOND: Final = f"on ({REPLICA}) group by ({REPLICA}) ({metric('build_info', DAEMON)})"


def answering() -> list[Lines]:
    """Draw what publishes and scrapes take."""
    spent, answered = (f"rate({metric(f'scrape_seconds_{part}', DAEMON)}[{RATE}])" for part in ("sum", "count"))
    return [
        lines(
            "Evaluation",
            "How long the newest publish took to evaluate all windows.",
            [Query(metric("evaluation_seconds", DAEMON), EACH)],
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
            [Query(f"{spent} / ({answered} > 0)", EACH)],
            unit=SECONDS,
            width=8,
            least=0,
        ),
    ]


def process() -> list[Lines]:
    """Draw what the process takes, and what it gives Prometheus to store."""
    return [
        lines(
            "Processor",
            "Cores that are used.",
            [Query(f"rate({recorded('process_cpu_seconds_total', DAEMON)}[{RATE}])\nand {_KLAXOND}", EACH)],
            unit="suffix: cores",
            width=8,
            least=0,
        ),
        lines(
            "Memory",
            "Resident memory.",
            [Query(f"{recorded('process_resident_memory_bytes', DAEMON)}\nand {_KLAXOND}", EACH)],
            unit="bytes",
            width=8,
            least=0,
        ),
        lines(
            "Samples of a scrape",
            "How many samples Prometheus takes from each process: what the series cost it.",
            [Query(f"{recorded('scrape_samples_scraped', DAEMON)}\nand {_KLAXOND}", EACH)],
            unit=COUNT,
            width=8,
            least=0,
        ),
    ]

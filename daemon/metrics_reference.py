"""The metrics reference, generated from the catalogue: `python -m daemon.metrics_reference` writes it."""

from pathlib import Path
from typing import Final

from daemon.metric import Metric, Subject
from daemon.metrics import CATALOGUE, EVENT_DELAY_BUCKETS

FILE: Final = Path(__file__).parents[1] / "deploy" / "reference" / "metrics.md"

_PREFACE: Final = f"""\
# Metrics

Generated from the catalogue in `daemon/metrics.py` by `python -m daemon.metrics_reference`.

- SERIES LABELS stands for the `series_labels` of all configured streams; one that only other streams have is empty.
- A number that does not exist is absent, never 0. Infinity is `+Inf`.
- `direction` is `reverse`, KL(q||p), or `forward`, KL(p||q). `estimator` is `adaptive`, `fixed`, `fitted` or `naive`:
  those of `export.estimators`, and always `naive` on the sampler's side. Errors and intervals are those of `adaptive`.
- Counters start at 0 with the process and count what this process was the first to read.
- Stable names change with a major version only. Experimental ones may change with any version.
- Buckets of `klaxon_event_delay_seconds`: {", ".join(f"{border:g}" for border in EVENT_DELAY_BUCKETS)}.
- `process_*` and `python_*` are those of Prometheus' Python client.
"""

TITLES: Final = {
    Subject.ESTIMATES: "Estimates, per window of a series",
    Subject.SELF_CHECK: "Self-check, per window of a series",
    Subject.WINDOWS: "Windows",
    Subject.MOMENTS: "Moments (only with `export.moments: true`)",
    Subject.SERIES: "Series",
    Subject.THRESHOLDS: "Thresholds",
    Subject.STREAMS: "Streams",
    Subject.PARTITIONS: "Partitions that this process owns",
    Subject.PROCESS: "Process",
    Subject.COLLECTORS: "Collectors",
}


def markdown() -> str:
    """Return the whole page."""
    return "\n".join((_PREFACE, *(_section(subject) for subject in Subject)))


def _section(subject: Subject) -> str:
    rows = "\n".join(_row(metric) for metric in CATALOGUE.values() if metric.subject is subject)
    return f"""## {TITLES[subject]}

| metric | type | unit | labels | stability | meaning |
| --- | --- | --- | --- | --- | --- |
{rows}
"""


def _row(metric: Metric) -> str:
    labels = ", ".join(label if label.isupper() else f"`{label}`" for label in metric.all_labels)
    text = metric.help.replace("|", r"\|")
    return f"| `{metric.name}` | {metric.kind} | {metric.unit} | {labels} | {metric.stability} | {text} |"


def main() -> None:
    """Write the file."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Rendering against prometheus_client on the same families: python -m tests.benchmarks.bench_exposition.

1,000 series, 3 windows, 12 samples per series and window. Both sides start from the same columns of values; medians of
interleaved repeats.
"""

import gzip
import statistics
import time

import numpy as np
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from daemon.exposition import GZIP_LEVEL, Renderer, openmetrics_of, text_of
from daemon.families import Column, Family, ProcessText, Rows
from daemon.metrics import CATALOGUE

LIMIT = 1 / 50
SERIES, WINDOWS, REPEATS, WARM_UP = 1000, ("5m", "1h", "24h"), 12, 6
SAMPLES = (
    *(("kl_nats", d, e) for d, e in (("reverse", "naive"), ("reverse", "adaptive"), ("forward", "adaptive"))),
    *((f"kl_{part}_nats", "reverse", "adaptive") for part in ("standard_error", "lower", "upper")),
    *((name, None, None) for name in ("ratio_mean", "ratio_zscore", "support_gap", "effective_sample_ratio")),
    *((name, None, None) for name in ("window_messages", "window_pairs")),
)


def families(random, rows):
    """Families as a publish makes them, with fresh values."""
    made = {}
    for name, direction, estimator in SAMPLES:
        metric = CATALOGUE[f"klaxon_{name}"]
        own = (("direction", direction), ("estimator", estimator)) if direction else ()
        for window in WINDOWS:
            values = random.lognormal(-5, 2, len(rows.keys))
            if name.startswith("window_"):
                values = np.floor(values * 1e6)
            made.setdefault(name, (metric, []))[1].append(Column(rows, values, (("window", window), *own)))
    return [Family(metric, tuple(columns)) for metric, columns in made.values()]


class Twin(Collector):
    """The same families through prometheus_client, as an exporter hands it columns at every scrape."""

    def __init__(self, families):
        self.families = families

    def describe(self):
        return []

    def collect(self):
        return map(as_prometheus, self.families)


def as_prometheus(family):
    """Turn a family of columns into prometheus_client's."""
    rows, labels = family.columns[0].rows, family.columns[0].labels
    names = [name for name, _ in rows.constant] + [*rows.names] + [name for name, _ in labels]
    made = GaugeMetricFamily(family.metric.name, family.metric.help, labels=names)
    for column in family.columns:
        before, after = ([value for _, value in labels] for labels in (column.rows.constant, column.labels))
        for key, value in zip(column.rows.keys, column.values.tolist(), strict=True):
            made.add_metric([*before, *key, *after], value)
    return made


def timed(function, *arguments):
    """Seconds of CPU of one call, and what it returned."""
    started = time.process_time()
    result = function(*arguments)
    return time.process_time() - started, result


def rendered(renderer, made, *formats):
    """Render as a publish does."""
    blocks = renderer.blocks(made)
    return [form(blocks) for form in formats]


def new_renderer():
    """Return a renderer that is handed families."""
    return Renderer(lambda _: (), lambda: ProcessText(b"", b""))


def measure(repeats=REPEATS, warm_up=WARM_UP):
    """Return seconds by way, medians over interleaved repeats, and the bytes of the text."""
    random = np.random.default_rng(7)
    keys = tuple((f"model-{index % 50}", f"v{index}", "eu-central-1") for index in range(SERIES))
    rows = Rows(("model", "version", "region"), keys, (("stream", "ranker"),))
    renderer, seconds, kept = new_renderer(), {}, {}
    for _ in range(repeats + warm_up):
        made = families(random, rows)
        registry = CollectorRegistry()
        registry.register(Twin(made))
        ways = {
            "generate_latest": (generate_latest, registry),
            "generate_latest, OpenMetrics": (generate_openmetrics, registry),
            "klaxond, text format": (rendered, renderer, made, text_of),
            "klaxond, both formats": (rendered, renderer, made, text_of, openmetrics_of),
            "klaxond, both, all series new": (rendered, new_renderer(), made, text_of, openmetrics_of),
            f"gzip level {GZIP_LEVEL} of one format": (
                gzip.compress,
                kept.get("generate_latest", b""),
                GZIP_LEVEL,
            ),
        }
        # Each way finds memory and caches as the one before left them: so in another order each time.
        for way in random.permutation(list(ways)).tolist():
            spent, result = timed(*ways[way])
            seconds.setdefault(way, []).append(spent)
            kept[way] = result  # as the board keeps what it shows
    return {way: statistics.median(spent[warm_up:]) for way, spent in seconds.items()}, len(kept["generate_latest"])


def main():
    """Print the table; the exit status is 1 if the law is broken."""
    seconds, size = measure()
    base = seconds["generate_latest"]
    print(f"{SERIES} series x {len(WINDOWS)} windows x {len(SAMPLES)} samples, {size / 1e6:.1f} MB")
    for way in sorted(seconds, key=seconds.get, reverse=True):
        spent = seconds[way]
        print(f"{way:36}{spent * 1e3:9.1f} ms{spent / base:9.4f} x generate_latest")
    ratio = seconds["klaxond, text format"] / base
    print(f"law: text format over generate_latest <= {LIMIT:.4f}; measured {ratio:.4f}")
    return int(ratio > LIMIT)


if __name__ == "__main__":
    raise SystemExit(main())

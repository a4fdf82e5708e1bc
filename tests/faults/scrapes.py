"""What a daemon exposes, as the checker keeps it: one value per publish, read from /metrics by own code."""

import re
from dataclasses import dataclass

SAMPLE = re.compile(r"^(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")
LABEL = re.compile(r'([a-z_]+)="([^"]*)"')
WINDOW_GAUGES = {
    "klaxon_window_messages": "messages",
    "klaxon_window_pairs": "pairs",
    "klaxon_window_complete": "complete",
}
#: Counters whose increases are added up over processes.
COUNTERS = (
    "klaxon_messages_total",
    "klaxon_records_consumed_total",
    "klaxon_records_ignored_total",
    "klaxon_records_rejected_total",
    "klaxon_gap_offsets_total",
)


@dataclass(frozen=True, slots=True)
class Scrape:
    """One publish of one process.

    Attributes
    ----------
    at : seconds of the wall clock when it was scraped
    published : seconds of the wall clock when the daemon published it, as it says
    owned : partitions that it owns and has restored
    ends : {window: its exclusive end in seconds}
    windows : {(window, series): {messages, pairs, complete, reverse, forward}}; the last two are fixed KL
    counters : sums over all labels
    restores : {source: count}
    """

    at: float
    replica: int
    incarnation: int
    published: float
    owned: frozenset
    ends: dict
    windows: dict
    counters: dict
    restores: dict


def parse(text, *, at, replica, incarnation, stream):
    """Return the scrape that a text of /metrics holds; None where it holds no publish yet."""
    read = _Reader()
    for line in text.splitlines():
        if line.startswith("klaxon_") and (match := SAMPLE.match(line)) is not None and match["name"] in _WANTED:
            labels = dict(LABEL.findall(match["labels"] or ""))
            if labels.get("stream", stream) == stream:
                read.sample(match["name"], labels, float(match["value"]))
    if not read.published:
        return None
    return Scrape(
        at, replica, incarnation, read.published, frozenset(read.owned), read.ends, read.windows, read.counters,
        read.restores,
    )  # fmt: skip


class _Reader:
    def __init__(self):
        self.published = None
        self.owned = set()
        self.ends, self.windows, self.restores = {}, {}, {}
        self.counters = dict.fromkeys(COUNTERS, 0.0)

    def sample(self, name, labels, value):
        if name == "klaxon_publish_timestamp_seconds":
            self.published = value
        elif name in self.counters:
            self.counters[name] += value
        elif name == "klaxon_partition_owned":
            if value == 1:
                self.owned.add(int(labels["partition"]))
        elif name == "klaxon_restores_total":
            self.restores[labels["source"]] = value
        elif name == "klaxon_window_end_timestamp_seconds":
            self.ends[labels["window"]] = value
        elif name in WINDOW_GAUGES or labels["estimator"] == "fixed":
            cell = self.windows.setdefault((labels["window"], (labels["model"], labels["version"])), {})
            cell[WINDOW_GAUGES.get(name) or labels["direction"]] = value


_WANTED = {
    *WINDOW_GAUGES, *COUNTERS, "klaxon_window_end_timestamp_seconds", "klaxon_kl_nats", "klaxon_partition_owned",
    "klaxon_restores_total", "klaxon_publish_timestamp_seconds",
}  # fmt: skip

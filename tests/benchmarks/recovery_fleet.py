"""Daemons of one group, what they show, and what their logs tell with times."""

import gzip
import json
import re
import time
import urllib.request
from dataclasses import dataclass
from datetime import datetime

from tests.faults.fleet import Replica

STREAM = "pairs"
LONGEST = "24h"
_OWNED = re.compile(rb'^klaxon_partition_owned\{[^}]*partition="(\d+)"[^}]*\} 1$', re.MULTILINE)
_COMPLETE = re.compile(rb'^klaxon_window_complete\{[^}]*window="24h"[^}]*\} (\S+)$', re.MULTILINE)
_SNAPSHOT = re.compile(
    rb'^klaxon_snapshot_(timestamp_seconds|bytes|retained_bytes)\{[^}]*partition="(\d+)"[^}]*\} (\S+)$', re.MULTILINE
)
_PUBLISHED = re.compile(rb"^klaxon_publish_timestamp_seconds (\S+)$", re.MULTILINE)
_CONSUMED = re.compile(rb"^klaxon_records_consumed_total\{[^}]*\} (\S+)$", re.MULTILINE)
_FAILURES = re.compile(rb"^klaxon_snapshot_failures_total (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Look:
    """One publish of one daemon.

    Attributes
    ----------
    owned : partitions that it owns and has restored
    complete : series whose longest window is complete; of `series`
    snapshots : {what: {partition: value}} of timestamp_seconds, bytes, retained_bytes
    """

    published: float
    owned: frozenset
    complete: int
    series: int
    consumed: float
    failures: float
    snapshots: dict

    @property
    def whole(self):
        """Whether it owns something, and every longest window of it is complete."""
        return bool(self.owned) and 0 < self.series == self.complete


def look(replica):
    """Ask a daemon for /metrics; None where it does not answer, or has not published."""
    request = urllib.request.Request(f"http://{replica.address}/metrics", headers={"Accept-Encoding": "gzip"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            text = answer.read()
    except OSError:
        return None
    text = gzip.decompress(text) if text[:2] == b"\x1f\x8b" else text
    published = _PUBLISHED.search(text)
    if published is None:
        return None
    flags = [float(value) for value in _COMPLETE.findall(text)]
    snapshots = {"timestamp_seconds": {}, "bytes": {}, "retained_bytes": {}}
    for what, partition, value in _SNAPSHOT.findall(text):
        snapshots[what.decode()][int(partition)] = float(value)
    return Look(
        published=float(published[1]),
        owned=frozenset(int(number) for number in _OWNED.findall(text)),
        complete=sum(flag == 1 for flag in flags),
        series=len(flags),
        consumed=sum(map(float, _CONSUMED.findall(text))),
        failures=sum(map(float, _FAILURES.findall(text))),
        snapshots=snapshots,
    )


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a daemon's log."""

    at: float
    text: str
    fields: dict

    def partitions(self):
        """The partitions that it is about."""
        if "partitions" in self.fields:
            return {int(name.rsplit("/", 1)[1]) for name in self.fields["partitions"]}
        return {int(self.fields["partition"])}


def events(replica, since):
    """Return what a daemon has logged from a time on, oldest first."""
    found = []
    for line in replica.log.read_text(errors="replace").splitlines():
        try:
            fields = json.loads(line)
            event = Event(datetime.fromisoformat(fields["ts"]).timestamp(), fields["msg"], fields)
        except (ValueError, KeyError, TypeError):
            continue  # no line of the daemon's log
        if event.at >= since:
            found.append(event)
    return found


def started(replicas, since):
    """Return the events of partitions that have started since a time."""
    return [event for replica in replicas for event in events(replica, since) if event.text == "partition started"]


def settings(bootstrap_servers, topic, group, kind):
    """One daemon's configuration: all defaults but for the kind of snapshot."""
    return {
        "kafka": {"bootstrap_servers": [bootstrap_servers], "group_id": group},
        "streams": [
            {"topic": topic, "name": STREAM, "format": "msgpack-f32", "series_labels": ["model", "version"]},
        ],
        "snapshot": {"kind": kind},
        "log": {"format": "json"},
    }


class Replicas:
    """A context manager; replicas are numbered from `first`, so that two groups may share a folder."""

    def __init__(self, folder, count, configuration, *, partitions, first=0):
        self.each = [Replica(first + index, folder, configuration) for index in range(count)]
        self.partitions = frozenset(range(partitions))

    def __enter__(self):
        for replica in self.each:
            replica.start()
        return self

    def __exit__(self, *_):
        for replica in self.each:
            if replica.alive:
                replica.kill()

    def wait_until_whole(self, timeout, *, among=None, fresh=None):
        """Wait until these daemons own every partition once, each complete windows; return what they show.

        `fresh`: seconds of the wall clock; every partition's newest snapshot must be younger too.
        """
        among, deadline, looks = among or self.each, time.monotonic() + timeout, {}
        while time.monotonic() < deadline:
            looks = {replica.index: look(replica) for replica in among}
            if self._is_whole(looks.values(), fresh):
                return looks
            time.sleep(0.25)
        raise TimeoutError(f"not whole after {timeout} s: {looks}")

    def _is_whole(self, looks, fresh):
        if any(each is None or not each.whole for each in looks):
            return False
        owned = sorted(number for each in looks for number in each.owned)
        if owned != sorted(self.partitions):
            return False
        return fresh is None or all(
            each.snapshots["timestamp_seconds"].get(number, 0) > fresh and number in each.snapshots["bytes"]
            for each in looks
            for number in each.owned
        )

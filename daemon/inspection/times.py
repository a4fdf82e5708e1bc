"""When things happened, how often, and how late they arrive."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from daemon.inspection.candidates import Shape
from daemon.inspection.columns import Read
from daemon.inspection.finding import TimeEvidence
from daemon.inspection.leaves import Leaf, Look
from daemon.inspection.names import TIMES, last_name

_LOCAL_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?").fullmatch
_US: Final = 1e6
#: Delays up to this do not leave a window noticeably empty.
_AT_ONCE_SECONDS: Final = 5.0
_ROUND_SECONDS: Final = {
    "10s": 10, "15s": 15, "30s": 30, "1m": 60, "2m": 120, "5m": 300, "10m": 600, "15m": 900, "30m": 1800,
    "1h": 3600, "2h": 7200, "6h": 21600, "12h": 43200, "24h": 86400,
}  # fmt: skip


def with_time(shape: Shape, leaves: Mapping[str, Leaf]) -> Shape:
    """Return the shape with an event time: the preset's own, else a field of such a name, else the only one."""
    written = shape.fmt.paths.get("time")
    if written in leaves:
        return shape
    times = [leaf.path for leaf in leaves.values() if leaf.look is Look.TIME]
    named = sorted((path for path in times if last_name(path) in TIMES), key=lambda path: TIMES.index(last_name(path)))
    chosen = named[:1] or (times if len(times) == 1 else [])
    paths = {role: path for role, path in shape.fmt.paths.items() if role != "time"}
    if chosen:
        paths["time"] = chosen[0]
    return replace(shape, fmt=replace(shape.fmt, paths=paths))


def zoneless(leaves: Mapping[str, Leaf]) -> str | None:
    """Return the first field whose texts are dates and times that do not say in which zone."""
    texts = (leaf for leaf in leaves.values() if leaf.look is Look.TEXT and leaf.depth == 0)
    return next((leaf.path for leaf in texts if all(map(_LOCAL_TIME, leaf.texts[:100]))), None)


def time_evidence(path: str | None, found: Read) -> TimeEvidence:
    """Measure pace and delay; a record without any time has event time 0 and tells nothing."""
    if found.pairs is None:
        return TimeEvidence(path)
    event_us, append_us = found.pairs.event_time_us, found.pairs.append_time_us
    known = event_us > 0
    if not known.any():
        return TimeEvidence(None)
    span_us = float(np.ptp(event_us[known]))
    pace = (int(np.count_nonzero(known)) - 1) / (span_us / _US) * 60 if span_us > 0 else float("nan")
    if path is None or not found.timestamps:
        return TimeEvidence(path, pace)
    delay = (append_us[known] - event_us[known]) / _US
    median, p99 = (float(each) for each in np.quantile(delay, (0.5, 0.99)))
    expected = next((text for text, seconds in _ROUND_SECONDS.items() if p99 <= seconds), "24h")
    return TimeEvidence(path, pace, median, p99, expected if p99 > _AT_ONCE_SECONDS else None)

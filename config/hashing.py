"""The stream hash: which settings a window's state depends on. One hash: the same records count alike."""

import hashlib
import json
from typing import Any, Final

from config.durations import microseconds_of
from config.settings import Settings
from config.streams import StreamSettings

#: Counts the changes of what the same settings and records add up to; raising it makes every older state invalid.
STATE_VERSION: Final = 1

#: Names, and what only judges or presents: state stays valid when they change.
_OUTSIDE: Final = {"name", "thresholds", "resolution", "keyed_by_series"}


def stream_hash_fields(settings: Settings, stream: StreamSettings) -> dict[str, Any]:
    """Return what the hash covers as plain values, each in one spelling: 60m and 1h are the same window."""
    fields = stream.model_dump(mode="json", exclude=_OUTSIDE, exclude_none=True)
    # Selecting "a" or "b" is selecting "b" or "a". The type is told because Python's 1, 1.0 and True are equal.
    fields["where"] = {
        selector: sorted(({type(value).__name__: value} for value in values), key=json.dumps)
        for selector, values in stream.where.items()
    }
    # Which records there are at all; the default one is left out.
    level = settings.kafka.isolation_level
    return ({} if level == "read_committed" else {"isolation_level": level}) | {
        "state_version": STATE_VERSION,
        "stream": fields,
        "windows_us": [microseconds_of(length) for _, length in settings.windows_lengths],
        "panes_per_window": settings.panes_per_window,
        "burn_in": settings.burn_in,
        "max_skew_us": microseconds_of(settings.max_skew),
        "max_series_per_partition": settings.max_series_per_partition,
        "max_record_bytes": settings.max_record_bytes,
        "max_pairs_per_record": settings.max_pairs_per_record,
    }


def stream_hash(settings: Settings, stream: StreamSettings) -> str:
    """Return the SHA-256 of the covered fields' canonical JSON, in hexadecimal digits."""
    text = json.dumps(stream_hash_fields(settings, stream), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()

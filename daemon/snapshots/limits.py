"""How much a snapshot may hold: whoever may write to the medium can claim anything, and a restore must not run out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from daemon.snapshots.frames import RAW_BYTES_MAX
from daemon.snapshots.runs import ROW_BYTES
from estimators.spec import StreamSpec

#: Labels and times of one series.
_KEY_BYTES: Final = 4 << 10
#: Streams may come and go, so a snapshot may hold others than are configured.
_ROOM: Final = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """What one snapshot of a partition has at most.

    Attributes
    ----------
    parts : sections and chunks, counted together
    content_bytes : of all sections
    """

    parts: int
    content_bytes: int


#: Where the settings are not known: more than a manifest can name.
UNKNOWN: Final = Limits(parts=RAW_BYTES_MAX, content_bytes=1 << 30)


def limits_of(specs: Iterable[StreamSpec]) -> Limits:
    """Return twice what full states of all these streams have in one partition."""
    sections = content_bytes = 0
    for spec in specs:
        panes = sum(ring.size for ring in spec.rings)
        sections += 2 + panes + len(spec.rings)
        content_bytes += (spec.max_series + 1) * (_KEY_BYTES + panes * ROW_BYTES)
    chunks = sections + content_bytes // RAW_BYTES_MAX
    return Limits(_ROOM * (sections + chunks), _ROOM * content_bytes)

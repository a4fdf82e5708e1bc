"""Names of entries in a medium: which group, which source partition, which writer, which slot.

    c/<group>/<topic>/<partition>/<writer>/<slot>            a chunk
    m/<group>/<topic>/<partition>/<writer>/<generation>      a manifest, generation 0 or 1

Every part is a safe name of a file by itself. A *writer* is one tenure of one partition: 64 random bits, so that no two
of them ever write under one name, whatever a stopped process does when it wakes up.
"""

import re
from hashlib import blake2b
from typing import Final, NamedTuple

from daemon.source import Partition

#: Characters of a name at most: 2 + 100 (group) + 249 (topic) + 10 (partition) + 16 (writer) + 10 (slot) + 4 slashes.
NAME_CHARACTERS_MAX: Final = 391
GENERATIONS: Final = 2

_PLAIN_GROUP: Final = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,100}\Z")
_MANIFEST: Final = re.compile(
    r"m/(?P<group>(?!\.{1,2}/)[A-Za-z0-9._-]{1,100})/(?P<topic>(?!\.{1,2}/)[A-Za-z0-9._-]{1,249})"
    r"/(?P<number>0|[1-9][0-9]{0,9})/(?P<writer>[0-9a-f]{16})/(?P<generation>[01])\Z"
)


class ManifestName(NamedTuple):
    """What the name of a manifest tells; `group` is as written there (see `group_part`)."""

    group: str
    partition: Partition
    writer: str
    generation: int


def group_part(group: str) -> str:
    """Return the group's part of a name: itself, or a hash where it is long or has other characters."""
    if _PLAIN_GROUP.match(group):
        return group
    return blake2b(group.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def chunk_name(group: str, partition: Partition, writer: str, slot: int) -> str:
    """Name a chunk."""
    return f"c/{group_part(group)}/{partition.topic}/{partition.number}/{writer}/{slot}"


def manifest_name(group: str, partition: Partition, writer: str, generation: int) -> str:
    """Name a manifest."""
    return f"m/{group_part(group)}/{partition.topic}/{partition.number}/{writer}/{generation}"


def manifest_of(name: str) -> ManifestName | None:
    """Return what a manifest's name tells; None if it is no manifest's name."""
    found = _MANIFEST.match(name)
    if found is None:
        return None
    partition = Partition(found["topic"], int(found["number"]))
    return ManifestName(found["group"], partition, found["writer"], int(found["generation"]))

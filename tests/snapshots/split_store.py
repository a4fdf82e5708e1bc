"""The scheme that must be refuted: state and offset as two entries, each written whole, one after the other."""

import pickle
from dataclasses import replace

from daemon.snapshots.store import Receipt


class SplitStore:
    """Implements SnapshotStore; correct but for what it is to show."""

    kind = "split"
    first, second = "state", "offset"

    def __init__(self, medium, group, new_writer):
        self.medium = medium
        self.known = {}  # sections of the last snapshot

    def save(self, snapshot):
        image = snapshot.images[0]
        sections = {key: self.known[key] if content is None else content for key, content in image.sections.items()}
        whole = replace(snapshot, images=(replace(image, sections=sections),))
        entries = {"state": pickle.dumps(whole), "offset": str(snapshot.next_offset).encode()}
        for name in (self.first, self.second):
            self.medium.put_manifest(snapshot.partition, name, entries[name])
        self.known = sections
        return Receipt(0, 0)

    def load(self, partitions, accepts):
        current = self.medium.disk.current()
        if "state" not in current or "offset" not in current:
            return dict.fromkeys(partitions)
        snapshot = replace(pickle.loads(current["state"]), next_offset=int(current["offset"]))
        image = snapshot.images[0]
        if not accepts(replace(snapshot, images=(replace(image, sections=dict.fromkeys(image.sections)),))):
            return dict.fromkeys(partitions)
        self.known = image.sections
        return dict.fromkeys(partitions, snapshot)


class SplitStoreOffsetFirst(SplitStore):
    """The other order."""

    first, second = "offset", "state"

"""What may be wrong with the bytes of a snapshot."""

from daemon.snapshots.medium import MediumError


class DamagedSnapshotError(ValueError):
    """These bytes are no snapshot, or not one of this state; the message is a sentence for people."""


class UnknownVersionError(DamagedSnapshotError):
    """The bytes are of a version that this program does not read, most likely of a newer one."""


class OversizedSnapshotError(MediumError):
    """A snapshot has more parts than one manifest can name."""

"""Whether a snapshot is one to start from: which it must be by its head alone, before its sections are fetched."""

from dataclasses import dataclass

from daemon.snapshots.values import Snapshot


@dataclass(frozen=True, slots=True)
class Terms:
    """What is known of a partition that is to be restored.

    Attributes
    ----------
    topic_id : of its topic; empty where it is not known
    stream_hashes : of all configured streams that read the topic
    committed : the group's stored offset; None where it has none
    end : of the log, when the partition was assigned
    truncated_at : the log is known to be another one from here on; None where nothing is known against it
    """

    topic_id: str
    stream_hashes: frozenset[str]
    committed: int | None
    end: int
    truncated_at: int | None = None


def refusal(snapshot: Snapshot, terms: Terms) -> str:
    """Say why a snapshot cannot be started from; empty where it can.

    Records between the group's offset and a snapshot's would be counted by nobody, so the snapshot must not be ahead.
    """
    offset = snapshot.next_offset
    if snapshot.topic_id and terms.topic_id and snapshot.topic_id != terms.topic_id:
        return "it is of an older topic of this name"
    if not terms.stream_hashes <= {image.stream_hash for image in snapshot.images}:
        return "it was made with other settings of the streams"
    if terms.truncated_at is not None and offset > terms.truncated_at:
        return f"its offset {offset} is above {terms.truncated_at}, where the log was truncated"
    if offset > terms.end:
        return f"its offset {offset} is beyond the log's end {terms.end}"
    if terms.committed is not None and offset > terms.committed:
        return f"its offset {offset} is ahead of the group's {terms.committed}"
    return ""

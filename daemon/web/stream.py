"""What the status page tells of a stream besides its series: facts, and what it waits for while it has none."""

from collections.abc import Iterator, Mapping, Sequence

from daemon.board import PartitionBoard, StreamBoard
from daemon.number_words import counted, figure
from daemon.verdicts import formula
from daemon.web.html import Html, element
from daemon.web.words import reasons


def facts(
    stream: StreamBoard, owned: Sequence[PartitionBoard], topic_partitions: Mapping[tuple[str, str], int] | None
) -> Html:
    """Return what is configured, what was read, and how far behind, as a list of terms."""
    in_topic = None if topic_partitions is None else topic_partitions.get((stream.name, stream.topic))
    pairs = (
        *_configured(stream),
        *_read(stream),
        ("Partitions", _partitions(owned, in_topic)),
        ("Lag", _lag(owned)),
    )
    return element(
        "dl",
        *(element("div", element("dt", term), element("dd", told)) for term, told in pairs if told),
        class_="facts",
    )


def _configured(stream: StreamBoard) -> Iterator[tuple[str, str]]:
    yield "Topic", stream.topic if stream.topic != stream.name else ""
    yield "Sampled from", stream.sampled_from
    yield "Windows", ", ".join(window.label for window in stream.windows)
    limits = (f"{formula(each.direction)} {figure(each.nats)} ({each.severity})" for each in stream.thresholds)
    yield "Threshold", ", ".join(limits) or "none"


def _read(stream: StreamBoard) -> Iterator[tuple[str, str]]:
    yield "Records read", f"{stream.records_consumed:,}"
    yield "Not selected", f"{stream.records_ignored:,}" if stream.records_ignored else ""
    yield "Records not usable", reasons(stream.records_rejected)
    yield "Pairs not usable", reasons(stream.pairs_rejected)
    yield "Beyond the cap on series", counted(stream.series_overflow, "message") if stream.series_overflow else ""


def _partitions(owned: Sequence[PartitionBoard], in_topic: int | None) -> str:
    text = f"{len(owned)}" if in_topic is None else f"{len(owned)} of {in_topic}"
    restoring = sum(not partition.restored for partition in owned)
    return f"{text}, {restoring} being read" if restoring else text


def _lag(owned: Sequence[PartitionBoard]) -> str:
    known = [partition.lag_records for partition in owned if partition.lag_records is not None]
    if not known:
        return ""
    return counted(sum(known), "record") + ("" if len(known) == len(owned) else " and more")


def waiting(stream: StreamBoard, owned: Sequence[PartitionBoard]) -> str:
    """Say why a stream has no series, and what would change it."""
    topic = f"topic {stream.topic}" if stream.topic else "its topic"
    if not owned:
        return (
            f"This process reads no partition of {topic}: the group has given none to it yet, other replicas have "
            "them all, or the topic does not exist."
        )
    if not stream.records_consumed:
        return f"No record has come on {topic} since the start. The first one appears here after the next publish."
    if rejected := sum(stream.records_rejected.values()):
        return (
            f"{rejected:,} of {counted(stream.records_consumed, 'record')} from {topic} could not be used: "
            f"{reasons(stream.records_rejected)}. klaxond check --connect reads a few and says what is wrong with them."
        )
    if stream.records_ignored == stream.records_consumed:
        return f"{counted(stream.records_consumed, 'record')} came on {topic}, and `where` selects none of them."
    return f"No event of the last {stream.windows[-1].label} on {topic}; {stream.records_consumed:,} records were read."

"""`klaxond check --connect`: what the brokers say about what the configuration asks of them. It changes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from daemon.errors import EXIT_DEPENDENCY, EXIT_OK, EXIT_USAGE
from daemon.kafka_admin import Admin, TopicFacts
from daemon.kafka_changelog_topic import missing, misuse, problems
from daemon.kafka_options import KafkaOptions, missing_dead_letter_topic
from daemon.kafka_probe import probe
from daemon.restore import US_PER_MS, replay_span_us
from daemon.source import Batch, SourceUnavailableError
from daemon.streams import Stream

_SAMPLE_RECORDS: Final = 5  # of each partition


class Grade(Enum):
    """How bad a finding is, with the exit status that it makes the command have."""

    OK = ("ok", EXIT_OK)
    WARNING = ("warning", EXIT_OK)
    MISFIT = ("fault", EXIT_USAGE)  # the configuration does not fit what is there
    MISSING = ("fault", EXIT_DEPENDENCY)

    def __init__(self, word: str, exit_code: int) -> None:
        self.word = word
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one thing."""

    grade: Grade
    text: str


def check_brokers(options: KafkaOptions, streams: Sequence[Stream]) -> Iterator[Finding]:
    """Ask in the order in which a start would fail: connections, group, topics, records."""
    servers = [probe(address, options.security) for address in options.bootstrap_servers]
    for server in servers:
        grade = Grade.OK if server.reachable else Grade.WARNING if any(s.reachable for s in servers) else Grade.MISSING
        yield Finding(grade, server.reason or f"{server.address} takes connections")
    if not any(server.reachable for server in servers):
        return
    try:
        with Admin(options.bootstrap_servers, options.security) as admin:
            problem = admin.group_problem(options.group_id)
            yield (
                Finding(Grade.MISFIT, problem)
                if problem
                else Finding(Grade.OK, f"group {options.group_id} is ours to join")
            )
            for stream in streams:
                yield from _check_stream(admin, options, stream)
            if options.dead_letter_topic is not None:
                yield _check_dead_letters(admin, options, options.dead_letter_topic)
            if options.changelog_topic is not None:
                yield from _check_changelog(admin, options, options.changelog_topic)
    except SourceUnavailableError as unavailable:
        yield Finding(Grade.MISSING, str(unavailable))


def _check_stream(admin: Admin, options: KafkaOptions, stream: Stream) -> Iterator[Finding]:
    facts = admin.topic(stream.topic)
    if facts is None:
        yield Finding(
            Grade.MISSING,
            f"topic {stream.topic} (stream {stream.name}) does not exist, or may not be seen: check the name and the "
            "ACLs (DESCRIBE and READ on the topic)",
        )
        return
    yield Finding(Grade.OK, _described(facts))
    for problem in facts.problems(needed_retention_ms(stream), options.bootstrap_servers):
        yield Finding(Grade.WARNING, problem)
    yield judge_records(stream, admin.recent(stream.topic, _SAMPLE_RECORDS))


def _check_dead_letters(admin: Admin, options: KafkaOptions, topic: str) -> Finding:
    facts = admin.topic(topic)
    if facts is None:
        return Finding(Grade.MISSING, missing_dead_letter_topic(topic, options.bootstrap_servers))
    return Finding(Grade.OK, f"{_described(facts)}, for dead letters")


def _check_changelog(admin: Admin, options: KafkaOptions, topic: str) -> Iterator[Finding]:
    if problem := misuse(topic, options):
        yield Finding(Grade.MISFIT, problem)
        return
    facts = admin.topic(topic)
    if facts is None:
        told = f"{missing(topic, options.bootstrap_servers)}; klaxond run tries to make it"
        yield Finding(Grade.WARNING, told)
        return
    yield Finding(Grade.OK, f"{_described(facts)}, for snapshots")
    for problem in problems(facts, options):
        yield Finding(Grade.WARNING, problem)


def _described(facts: TopicFacts) -> str:
    partitions = "1 partition" if facts.partitions == 1 else f"{facts.partitions} partitions"
    return f"topic {facts.name} has {partitions}"


def needed_retention_ms(stream: Stream) -> int:
    """Milliseconds of log that a restart reads, and a pane more: the broker deletes while the daemon starts."""
    ring = stream.spec.longest_ring
    return -(-(replay_span_us(stream) + ring.length_us // ring.panes_per_window) // US_PER_MS)


def judge_records(stream: Stream, batches: Sequence[Batch]) -> Finding:
    """Decode a few records as the daemon would, and tell what of them it could not use."""
    seen = ignored = usable = 0
    reasons: dict[str, str] = {}
    for batch in batches:
        decoded = stream.decoder.decode(batch)
        seen, ignored, usable = seen + len(batch), ignored + decoded.ignored, usable + decoded.records
        for reason, reject in decoded.rejected.items():
            place = f"{batch.partition.topic}/{batch.partition.number} at offset {reject.offset}"
            reasons.setdefault(
                reason, f"{reason} ({place}: {reject.detail})" if reject.detail else f"{reason} ({place})"
            )
    if not seen:
        return Finding(Grade.WARNING, f"stream {stream.name}: the topic holds no record yet, so none could be tried")
    selected = f", {ignored} are not selected by `where`" if ignored else ""
    text = f"stream {stream.name}: {usable} of the newest {seen} records can be used{selected}"
    if reasons:
        text += f"; rejected: {'; '.join(reasons.values())}"
    if usable or (ignored and not reasons):
        return Finding(Grade.WARNING if reasons or not usable else Grade.OK, text)
    return Finding(Grade.MISFIT, f"{text}; check format, preset and paths of the stream")

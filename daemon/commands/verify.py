"""`klaxond verify`: the newest snapshots against the log, recomputed by a second, simple code path."""

import sys
import time
from contextlib import closing
from typing import Annotated, Final, Literal

import typer

from config.settings import Settings
from daemon.commands.options import ConfigFile, SecretsDir, settings_from, word_option
from daemon.commands.times import parse_time
from daemon.errors import EXIT_DEPENDENCY, EXIT_OK, EXIT_USAGE, OperatingError, UsageError
from daemon.kafka_admin import Admin
from daemon.kafka_options import KafkaOptions
from daemon.kafka_probe import any_reachable, diagnose
from daemon.kafka_range import RangeReader
from daemon.layout import output_console, printing
from daemon.streams import Stream
from daemon.verification.outcome import EXIT_DIFFERENT, EXIT_NOTHING, outcome_of
from daemon.verification.report import write_json, write_table
from daemon.verification.spans import Asked
from daemon.verification.verifying import CheckedPartition, Progress, TopicPartitions, Verifier
from daemon.wiring import kafka_options_of, snapshot_store_of, streams_of

Output = Literal["table", "json"]
EPILOG: Final = f"""\b
Exit status:
  {EXIT_OK:>2}  equal
  {EXIT_DIFFERENT:>2}  different: what and where is printed (or, with no word of it, a fault of klaxond itself)
  {EXIT_USAGE:>2}  the flags or the configuration are wrong
  {EXIT_DEPENDENCY:>2}  brokers do not answer, or a partition that has records has no snapshot that can be used
  {EXIT_NOTHING:>2}  nothing was left to compare, which proves nothing
"""
_QUIET_SECONDS: Final = 2.0
_TIME: Final = "RFC 3339, seconds since 1970, now, or back from now: -2h."


def verify(
    config_file: ConfigFile,
    secrets_dir: SecretsDir = None,
    *,
    from_text: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help=f"Start of the event times to check. {_TIME} By default an hour before --to or each snapshot's newest "
            "event, or two panes of the longest window where these are longer.",
        ),
    ] = None,
    to_text: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="End of the event times. By default each snapshot's newest pane."),
    ] = None,
    stream_name: Annotated[
        str | None, typer.Option("--stream", metavar="NAME", help="One stream; by default all.")
    ] = None,
    partition: Annotated[
        int | None, typer.Option("--partition", metavar="N", min=0, help="One partition; by default all.")
    ] = None,
    output: Annotated[
        Output,
        word_option("--output", Output, "A table for people, or JSON."),
    ] = "table",
) -> None:
    """Recompute panes from the log, by a second and simpler program, and compare them with the newest snapshots.

    Every count and audit sum must be the same to the bit, every other sum within rounding. It may run beside the
    daemon: it joins no group, commits nothing and writes nothing. The range is widened to panes of the first window;
    of the longer windows those panes are compared that lie in it whole. Panes of which the log or the snapshot lacks
    records are left out, and told.
    """
    settings = settings_from(config_file, secrets_dir=secrets_dir)
    asked = _asked(from_text, to_text)
    streams = _chosen(streams_of(settings), stream_name)
    checked = _checked(settings, streams, partition, asked)
    outcome = outcome_of(checked)
    with printing():
        if output == "json":
            write_json(checked, outcome, sys.stdout)
        else:
            write_table(checked, outcome, output_console())
    raise typer.Exit(outcome.exit_code)


def _asked(from_text: str | None, to_text: str | None) -> Asked:
    now_us = time.time_ns() // 1000
    times: dict[str, int | None] = {}
    for flag, text in (("--from", from_text), ("--to", to_text)):
        try:
            times[flag] = None if text is None else parse_time(text, now_us)
        except ValueError as error:
            raise UsageError(f"{flag}: {error}") from error
    asked = Asked(times["--from"], times["--to"])
    if asked.from_us is not None and asked.to_us is not None and asked.from_us >= asked.to_us:
        raise UsageError("--from is not before --to: nothing is between them")
    return asked


def _chosen(streams: list[Stream], name: str | None) -> list[Stream]:
    chosen = [stream for stream in streams if name in {None, stream.name}]
    if not chosen:
        raise UsageError(f"--stream {name} is not configured; there are {', '.join(each.name for each in streams)}")
    return chosen


def _checked(settings: Settings, streams: list[Stream], partition: int | None, asked: Asked) -> list[CheckedPartition]:
    store = snapshot_store_of(settings, read_only=True)
    if store is None:
        raise UsageError(
            "snapshot.kind is none, so there is no snapshot to verify; set it to file or changelog for the daemon too"
        )
    with closing(store):
        options = kafka_options_of(settings)
        if not any_reachable(options.bootstrap_servers, options.security):  # the client would try for ten seconds first
            raise OperatingError(diagnose(options.bootstrap_servers, options.security))
        topics = _topics(options, streams, partition)
        with RangeReader(options) as log:
            return Verifier(
                streams=streams, topics=topics, store=store, log=log, asked=asked, note=Teller().tell
            ).verify()


def _topics(options: KafkaOptions, streams: list[Stream], partition: int | None) -> dict[str, TopicPartitions]:
    """Ask for the topics' ids and partitions. Raises OperatingError for one that is not there."""
    found = {}
    with Admin(options.bootstrap_servers, options.security) as admin:
        for topic in dict.fromkeys(stream.topic for stream in streams):
            facts = admin.topic(topic)
            if facts is None:
                raise OperatingError(
                    f"topic {topic} does not exist, or may not be seen: check the name and the ACLs (DESCRIBE and READ)"
                )
            if partition is not None and partition >= facts.partitions:
                raise UsageError(f"--partition {partition}: topic {topic} has {facts.partitions}, counted from 0")
            numbers = range(facts.partitions) if partition is None else [partition]
            found[topic] = TopicPartitions(facts.topic_id, tuple(numbers))
    return found


class Teller:
    """Says on standard error how far a long reading is, every two seconds."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def tell(self, progress: Progress) -> None:
        """Say it if it is due."""
        now = time.monotonic()
        if now - self._told < _QUIET_SECONDS:
            return
        self._told = now
        topic, number = progress.partition
        share = (progress.position - progress.first) / max(1, progress.end - progress.first)
        typer.echo(f"reading {topic}/{number}: offset {progress.position:,} of {progress.end:,}, {share:.0%}", err=True)

"""`klaxond inspect`: what a log holds, whether it can be used, and the configuration that reads it."""

import math
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import typer

from config.settings import Settings
from daemon.commands.check import series_bytes
from daemon.commands.options import INPUT, settings_from, word_option
from daemon.errors import OperatingError, UsageError
from daemon.files import STANDARD_INPUT, is_table, name_of, read_batches
from daemon.inspection import Finding, inspect_batches
from daemon.inspection.cost import Cost, cost_of
from daemon.inspection.inspecting import RECORDS_MAX
from daemon.inspection.sample import BYTES_MAX
from daemon.inspection.text import finding_rows
from daemon.inspection.yaml_text import configuration
from daemon.kafka_admin import Admin
from daemon.kafka_probe import any_reachable, diagnose
from daemon.layout import printing
from daemon.number_words import counted
from daemon.source import Batch
from daemon.wiring import exports_of, security_of, spec_of

Output = Literal["table", "json"]
_SERVERS: Final = ("127.0.0.1:9092",)
_TOPIC: Final = "pairs"
_TITLE: Final = 12
_WIDTH_MAX: Final = 110


def inspect(
    *,
    source: Annotated[
        str | None,
        INPUT,
    ] = None,
    topic: Annotated[
        str | None, typer.Option("--topic", metavar="TOPIC", help="Kafka topic: its newest records are read.")
    ] = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option("--bootstrap-servers", metavar="HOST:PORT,...", help="Brokers of the topic.")
    ] = None,
    config_file: Annotated[
        Path | None,
        typer.Option("--config.file", metavar="FILE", help="Take brokers, login and topic from this configuration."),
    ] = None,
    records: Annotated[
        int, typer.Option("--records", metavar="N", min=1, help="How many records are read at most.")
    ] = RECORDS_MAX,
    output: Annotated[
        Output,
        word_option("--output", Output, "Sentences for people, or JSON."),
    ] = "table",
) -> None:
    """Find out what a log holds: its shape, which side is the sampler, what is missing, and what it will cost.

    It ends with a configuration to paste. No group is joined, nothing is committed, and nothing that is printed is a
    record's content: names of fields and counts only.
    """
    if source is not None:
        if topic is not None or bootstrap_servers is not None or config_file is not None:
            raise UsageError("--input reads a file: leave --topic, --bootstrap-servers and --config.file away")
        name, servers, finding = _of_file(source, records)
        topic = _TOPIC
    else:
        settings = _broker_settings(topic, bootstrap_servers, config_file)
        topic, servers = _topic(settings, topic), settings.kafka.bootstrap_servers
        name, finding = f"topic {topic}", _of_topic(settings, topic, records)
    cost = _cost(finding, topic) if finding.fits else None
    with printing():
        if output == "json":
            typer.echo(_as_json(finding, cost, topic, servers))
        else:
            kind = _kind(finding, source)
            _print(finding, cost, f"{name}: {counted(finding.records, 'record')} looked at, {kind}", topic, servers)
    if not finding.fits:
        raise UsageError(f"{name} holds no pairs that can be read{_advice(finding)}")


def _of_file(source: str, records: int) -> tuple[str, Sequence[str], Finding]:
    with closing(read_batches(source, None)) as batches:
        return name_of(source), _SERVERS, inspect_batches(batches, max_records=records)


def _broker_settings(topic: str | None, servers: str | None, config_file: Path | None) -> Settings:
    """Return settings whose brokers are to be asked."""
    flags: dict[str, object] = {}
    if servers is not None:
        flags["kafka.bootstrap_servers"] = [each.strip() for each in servers.split(",")]
    if config_file is None:
        if topic is None:
            raise UsageError("nothing to inspect: write --input FILE, or --topic TOPIC with --bootstrap-servers")
        if servers is None:
            raise UsageError("which brokers? Write --bootstrap-servers HOST:PORT, or --config.file FILE")
        flags |= {"kafka.group_id": "inspect", "streams": [{"topic": topic}]}
    return settings_from(config_file, flags)


def _topic(settings: Settings, topic: str | None) -> str:
    if topic is not None:
        return topic
    topics = list(dict.fromkeys(stream.topic for stream in settings.streams))
    if len(topics) > 1:
        raise UsageError(f"the configuration has several topics ({', '.join(topics)}); name one with --topic")
    return topics[0]


def _of_topic(settings: Settings, topic: str, records: int) -> Finding:
    """Inspect the newest records of every partition. Raises OperatingError where there is none."""
    servers, security = settings.kafka.bootstrap_servers, security_of(settings.kafka)
    if not any_reachable(servers, security):  # the client would try for ten seconds first
        raise OperatingError(diagnose(servers, security))
    with Admin(servers, security) as admin:
        facts = admin.topic(topic)
        if facts is None:
            raise OperatingError(
                f"{','.join(servers)} know no topic {topic}, or we may not see it (DESCRIBE); check the name"
            )
        batches = admin.recent(topic, -(-records // facts.partitions), BYTES_MAX)
    if not batches:
        raise OperatingError(f"topic {topic} holds no record yet; let the producer write some first")
    return inspect_batches(_in_turn(batches), max_records=records)


def _in_turn(batches: list[Batch]) -> Iterable[Batch]:
    """Order by offset, so that a sample that ends early has something of every partition."""
    return sorted(batches, key=lambda batch: int(batch.offsets[0]))


def _cost(finding: Finding, topic: str) -> Cost:
    """Count with the defaults of a configuration; this is also where its keys are validated."""
    stream = {"topic": topic, **finding.stream}
    settings = settings_from(
        None, {"streams": [stream], "kafka.bootstrap_servers": list(_SERVERS), "kafka.group_id": "klaxond"}, env={}
    )
    spec = spec_of(settings, settings.streams[0])
    labels = [each for each in finding.labels if each.chosen]
    return cost_of(
        spec,
        exports_of(settings),
        series=math.prod(max(each.values, 1) for each in labels),
        labels=len(labels),
        bytes_per_series=series_bytes(spec),
        seconds_per_record=finding.seconds_per_record,
    )


def _print(finding: Finding, cost: Cost | None, head: str, topic: str, servers: Sequence[str]) -> None:
    typer.echo(f"{head}\n")
    width = min(shutil.get_terminal_size((_WIDTH_MAX, 24)).columns, _WIDTH_MAX)
    for title, text in finding_rows(finding, cost):
        lead = f"{title:<{_TITLE}}"
        hang = " " * _TITLE
        wrapped = textwrap.fill(
            text, max(width, 40), initial_indent=lead, subsequent_indent=hang, break_on_hyphens=False
        )
        typer.echo(wrapped)
    if finding.fits:
        typer.echo("\nThe configuration, to paste (topic and brokers are yours to fill in):\n")
        typer.echo(textwrap.indent(configuration(finding, topic, servers), "  "), nl=False)


def _kind(finding: Finding, source: str | None) -> str:
    """Name the encoding; `source` is None for a topic. Standard input has gone by and cannot be asked again."""
    if finding.encoding is None:
        return "of no kind that can be read"
    if finding.encoding != "json":
        return f"MessagePack (format {finding.encoding})"
    if source == STANDARD_INPUT:
        return "CSV or JSON"
    return "CSV" if source is not None and is_table(source) else "JSON"


def _as_json(finding: Finding, cost: Cost | None, topic: str, servers: Sequence[str]) -> str:
    """Every field of the finding, what is not known as null; `cost`; and `configuration`, the YAML text."""
    document = asdict(finding) | {
        "fits": finding.fits,
        "cost": None if cost is None else asdict(cost),
        "configuration": configuration(finding, topic, servers) if finding.fits else None,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def _advice(finding: Finding) -> str:
    if finding.encoding is None:
        return ""
    return (
        ": two numbers are needed for each outcome, its probability (or "
        "log-probability) under the model that produced it and under the other one. If they are there under names or "
        "in a form that was not recognised, write `paths` in a configuration and try klaxond check"
    )

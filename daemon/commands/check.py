"""`klaxond check`: what is wrong with a configuration, or what it will do; with --connect, what the brokers say."""

from typing import Annotated

import typer

from config.settings import Settings
from daemon.broker_check import check_brokers
from daemon.commands.options import ConfigFile, SecretsDir, settings_from
from daemon.streams import Stream
from daemon.wiring import kafka_options_of, streams_of


def check(
    config_file: ConfigFile,
    secrets_dir: SecretsDir = None,
    *,
    connect: Annotated[
        bool, typer.Option("--connect", help="Ask the brokers too: connection, group, topics, a few records.")
    ] = False,
) -> None:
    """Tell every fault of the configuration with its exact path, or what it will read and publish."""
    settings = settings_from(config_file, secrets_dir=secrets_dir)
    options, streams = kafka_options_of(settings), streams_of(settings)
    for warning in settings.warnings():
        typer.echo(f"warning: {warning}", err=True)
    for number, stream in enumerate(streams):
        typer.echo(_sentence(settings, number, stream))
    if not connect:
        return
    worst = 0
    for finding in check_brokers(options, streams):
        worst = max(worst, finding.grade.exit_code)
        typer.echo(f"{finding.grade.word}: {finding.text}", err=finding.grade.exit_code != 0)
    raise typer.Exit(worst)


def _sentence(settings: Settings, number: int, stream: Stream) -> str:
    """Say what of one stream will be read and published."""
    written = settings.streams[number]
    shape = written.format if written.preset == "canonical" else f"{written.format}, preset {written.preset}"
    series = f"one series per {', '.join(stream.label_names)}" if stream.label_names else "one series"
    return (
        f"stream {stream.name}: reads topic {stream.topic} ({shape}), sampled from {written.sampled_from}; "
        f"{series}; windows {', '.join(settings.windows)}; "
        f"published at http://{settings.web.listen_address}/metrics every {settings.dump()['publish_interval']}"
    )

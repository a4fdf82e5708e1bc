"""`klaxond rules`: alerts and recording rules for Prometheus, made for the windows of a configuration."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from config.durations import format_duration, parse_duration
from config.settings import Settings
from daemon.commands.options import settings_from, word_option
from daemon.errors import UsageError
from daemon.rules import Terms, json_text, yaml_text

Output = Literal["yaml", "json"]
#: What a deploy or a restart may take, in terms of how long a drift must hold.
_PATIENCE: Final = 3
#: A publish that is looked at now may be this many intervals old, and two of the slowest usual scrapes.
_PUBLISHES, _SCRAPES = 3, timedelta(minutes=2)
_SNAPSHOTS: Final = 10  # that may fail in a row before somebody is told
_RATE_MIN: Final = timedelta(minutes=5)  # four scrapes at the slowest usual interval
_DEFAULTS: Final = {
    "streams": [{"topic": "pairs"}],
    "kafka.bootstrap_servers": ["127.0.0.1:9092"],
    "kafka.group_id": "rules",
}


def rules(
    config_file: Annotated[
        Path | None,
        typer.Option("--config.file", metavar="FILE", help="Make them for this configuration; else for the defaults."),
    ] = None,
    *,
    hold: Annotated[
        str,
        typer.Option(
            "--for", metavar="DURATION", help="How long a drift must hold; faults of the monitor 3 times that."
        ),
    ] = "5m",
    runbooks: Annotated[
        str, typer.Option("--runbook-url", metavar="PREFIX", help="What stands before KlaxonDrift.md in runbook_url.")
    ] = "deploy/runbooks/",
    grafana: Annotated[
        str,
        typer.Option("--grafana-url", metavar="URL", help="Grafana's address, for dashboard_url; else there is none."),
    ] = "",
    output: Annotated[
        Output,
        word_option("--output", Output, "YAML for rule_files, or JSON."),
    ] = "yaml",
) -> None:
    """Print alerts and recording rules for Prometheus, to redirect into a file that rule_files names."""
    # Without a file nothing of the environment counts either: the defaults are the same everywhere.
    settings = settings_from(config_file) if config_file is not None else settings_from(None, _DEFAULTS, env={})
    terms = terms_of(settings, hold, runbooks, grafana)
    typer.echo(yaml_text(terms) if output == "yaml" else json_text(terms), nl=False)


def terms_of(settings: Settings, hold: str, runbooks: str, grafana: str) -> Terms:
    """Return what the rules depend on; UsageError if `hold` is no duration."""
    try:
        held = parse_duration(hold)
    except ValueError as error:
        raise UsageError(f"--for: {error}") from None
    windows = settings.windows_lengths
    short, short_length = windows[0]
    long, _ = windows[min(1, len(windows) - 1)]
    stale = _PUBLISHES * settings.publish_interval + _SCRAPES
    return Terms(
        short=short,
        long=long,
        short_seconds=short_length.total_seconds(),
        hold=format_duration(held),
        patience=format_duration(_PATIENCE * held),
        rate=format_duration(max(short_length, _RATE_MIN)),
        min_messages=settings.min_messages,
        stale_seconds=stale.total_seconds(),
        snapshot_seconds=_SNAPSHOTS * settings.snapshot.interval.total_seconds(),
        runbooks=runbooks,
        grafana=grafana.rstrip("/"),
    )

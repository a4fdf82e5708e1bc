"""`klaxond check`: what is wrong with a configuration, or what it will do; with --connect, what the brokers say."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from config.settings import Settings, changelog_topic
from config.streams import StreamSettings
from config.thresholds import ThresholdSettings, typical_factor
from daemon.broker_check import Finding, Grade, check_brokers
from daemon.clock import SystemClock
from daemon.commands.options import ConfigFile, SecretsDir, WebConfigFile, settings_from
from daemon.number_words import figure
from daemon.streams import Stream
from daemon.web.access import Access, Door
from daemon.wiring import access_of, kafka_options_of, streams_of
from estimators.moments import Moments
from estimators.rings import CAPACITY_MIN
from estimators.spec import StreamSpec

#: Of one series in one partition; above it a cap of 1000 series means more than a gigabyte.
SERIES_BYTES_HIGH: Final = 1_000_000


def check(
    config_file: ConfigFile,
    secrets_dir: SecretsDir = None,
    web_config_file: WebConfigFile = None,
    *,
    connect: Annotated[
        bool,
        typer.Option(
            "--connect",
            help="Ask the brokers too: connection, group, topics, a few records; look at the folder of snapshots.",
        ),
    ] = False,
) -> None:
    """Tell every fault of the configuration with its exact path, or what it will read, publish and need."""
    settings = settings_from(config_file, {"web.config_file": web_config_file}, secrets_dir=secrets_dir)
    options, streams = kafka_options_of(settings), streams_of(settings)
    access = Door(partial(access_of, settings), SystemClock()).access()
    for warning in settings.warnings():
        typer.echo(f"warning: {warning}", err=True)
    for number, stream in enumerate(streams):
        typer.echo(_sentence(settings, number, stream, "http" if access.tls is None else "https"))
        if settings.streams[number].thresholds:
            typer.echo(_thresholds_sentence(settings.streams[number]))
        if series_bytes(stream.spec) > SERIES_BYTES_HIGH:
            typer.echo(f"warning: {_large_series(settings, number, stream.spec)}", err=True)
    if settings.dead_letter.topic is not None:
        what = "with its key and value" if settings.dead_letter.payload else "without its content"
        typer.echo(
            f"dead letters: each record that cannot be used is told in topic {settings.dead_letter.topic}, {what}"
        )
    if settings.snapshot.kind != "none":
        typer.echo(f"snapshots: what has changed is written to {_place(settings)} every {_interval(settings)}")
    if access.file is not None:
        typer.echo(f"web: {_web_sentence(access)}")
    if not connect:
        return
    worst = 0
    findings = check_brokers(options, streams)
    for finding in findings if settings.snapshot.path is None else (*findings, check_folder(settings.snapshot.path)):
        worst = max(worst, finding.grade.exit_code)
        typer.echo(f"{finding.grade.word}: {finding.text}", err=finding.grade.exit_code != 0)
    raise typer.Exit(worst)


def _sentence(settings: Settings, number: int, stream: Stream, scheme: str) -> str:
    """Say what of one stream will be read, published and kept."""
    written = settings.streams[number]
    shape = written.format if written.preset == "canonical" else f"{written.format}, preset {written.preset}"
    series = f"one series per {', '.join(stream.label_names)}" if stream.label_names else "one series"
    return (
        f"stream {stream.name}: reads topic {stream.topic} ({shape}), sampled from {written.sampled_from}; "
        f"{series}; windows {', '.join(settings.windows)}; "
        f"published at {scheme}://{settings.web.listen_address}/metrics every {settings.dump()['publish_interval']}; "
        f"memory up to {_megabytes(_bytes_at_cap(stream))} MB a partition"
    )


def _thresholds_sentence(stream: StreamSettings) -> str:
    """Say from which value on each severity alerts, and what that means."""
    told = "; ".join(map(_threshold, stream.thresholds))
    return f"thresholds of {stream.name}: {told}"


def _threshold(threshold: ThresholdSettings) -> str:
    preset = "" if threshold.preset is None else f", preset {threshold.preset}"
    return (
        f"{threshold.severity} above {threshold.nats:g} nats of the {threshold.direction} KL{preset} "
        f"(a typical outcome's probabilities differ by a factor of {figure(typical_factor(threshold.nats))})"
    )


def _place(settings: Settings) -> str:
    if settings.snapshot.path is not None:
        return f"folder {settings.snapshot.path}"
    return f"topic {changelog_topic(settings.snapshot, settings.kafka)}"


def _interval(settings: Settings) -> str:
    return str(settings.dump()["snapshot"]["interval"])


def check_folder(path: Path) -> Finding:
    """Say whether this user may write there; the daemon's user may be another one."""
    nearest = next((folder for folder in (path, *path.parents) if folder.exists()), Path())
    if not nearest.is_dir():
        return Finding(Grade.MISFIT, f"snapshot.path: {nearest} is a file; write a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        return Finding(Grade.WARNING, f"folder {nearest}: this user may not write there; klaxond's must")
    made = "" if nearest == path else ", and is made at the start"
    return Finding(Grade.OK, f"folder {path} can be written{made}, for snapshots")


def _web_sentence(access: Access) -> str:
    """Say who may connect and ask."""
    tls = access.tls
    if tls is None:
        encryption = "plain HTTP"
    elif tls.client_ca_file is None:
        encryption = f"TLS from {tls.oldest} on, clients need no certificate"
    else:
        need = "need a" if tls.require_client else "may have a"
        names = f" for {' or '.join(tls.allowed_sans)}" if tls.allowed_sans else ""
        encryption = f"TLS from {tls.oldest} on, clients {need} certificate{names} by {tls.client_ca_file}"
    users = ", ".join(access.users)
    logins = f"password for {users} (not for /livez and /readyz)" if users else "no password"
    return f"{encryption}; {logins}"


def series_bytes(spec: StreamSpec) -> int:
    """Bytes that the panes of all windows take of one series in one partition."""
    pane = Moments.zero(1)
    return sum(ring.size for ring in spec.rings) * (pane.sums.nbytes + pane.counts.nbytes + pane.max_u.nbytes)


def _bytes_at_cap(stream: Stream) -> int:
    """Bytes of a partition with as many series as the cap allows; without labels there is only one."""
    slots = CAPACITY_MIN
    while stream.label_names and slots < stream.spec.max_series + 1:  # rings double; `__other__` is one more
        slots *= 2
    return slots * series_bytes(stream.spec)


def _large_series(settings: Settings, number: int, spec: StreamSpec) -> str:
    """Say which setting makes a series large: each adds panes as short as the first window's."""
    written = settings.dump()["streams"][number]
    without_delay = series_bytes(replace(spec, expected_delay_us=0))
    if 2 * without_delay <= series_bytes(spec):
        path, cause = f"streams[{number}].expected_delay", f"{written['expected_delay']} is kept"
    else:
        path, cause = "panes_per_window", "with burn_in and max_skew this many panes are kept"
    return (
        f"{path}: {cause} in panes of a {settings.panes_per_window}th of each window, so one series takes "
        f"{_megabytes(series_bytes(spec))} MB in each partition; write less, or a longer first window than "
        f"{settings.windows[0]}, or a small max_series_per_partition"
    )


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f}" if size_bytes < 10_000_000 else f"{size_bytes / 1e6:,.0f}"

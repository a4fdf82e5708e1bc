"""`klaxond replay`: a file through the same decoder and estimators as the daemon's."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from config.settings import Settings
from config.streams import StreamSettings
from config.vocabulary import Preset
from daemon.codec import compile_decoder
from daemon.commands.options import settings_from, word_of, words_text
from daemon.errors import UsageError
from daemon.files import STANDARD_INPUT, read_batches
from daemon.layout import output_console, printing
from daemon.presets import PRESETS
from daemon.replay.replaying import Replay, replay_whole, replay_windows
from daemon.replay.tables import write_csv, write_json, write_table
from daemon.streams import Stream
from daemon.wiring import format_of, stream_of

Output = Literal["table", "json", "csv"]
Window = Literal["all"]
#: Series labels of a file whose shape has none of its own.
_LABELS: Final = ("model", "version")


def replay(
    *,
    source: Annotated[
        str, typer.Option("--input", metavar="FILE", help="JSONL or CSV, also .gz; - is standard input (JSONL or CSV).")
    ],
    output: Annotated[
        Output,
        typer.Option(
            "--output",
            parser=word_of(Output),
            metavar=words_text(Output),
            help="A table for people, or JSON, or CSV.",
        ),
    ] = "table",
    preset: Annotated[
        Preset | None,
        typer.Option(
            "--preset",
            parser=word_of(Preset),
            metavar=words_text(Preset),
            help="Known record shape; default canonical, by model and version.",
        ),
    ] = None,
    config_file: Annotated[
        Path | None, typer.Option("--config.file", metavar="FILE", help="Read it as a stream of this configuration.")
    ] = None,
    stream_name: Annotated[
        str | None, typer.Option("--stream", metavar="NAME", help="Which stream, where the configuration has several.")
    ] = None,
    window: Annotated[
        Window | None,
        typer.Option(
            "--window",
            parser=word_of(Window, advice="; sliding windows are the `windows` of the file that --config.file names"),
            metavar=words_text(Window),
            help="all: one window over the whole input, times not needed.",
        ),
    ] = None,
) -> None:
    """Estimate the divergence in a file: every series and window, in the order of the input.

    Windows slide by event time and end at the largest one; an event is late by the file's own clock only.
    """
    settings = _settings(preset, config_file)
    written = _chosen(settings, stream_name)
    stream = stream_of(settings, written)
    if window is not None:
        timeless = replace(format_of(settings, written), require_time=False)
        stream = replace(stream, decoder=compile_decoder(timeless))
    made = _replayed(source, settings, written, stream, whole=window is not None)
    with printing():
        if output == "json":
            write_json(made, sys.stdout)
        elif output == "csv":
            write_csv(made, sys.stdout)
        else:
            write_table(made, output_console())
    if output != "table":
        for note in made.notes:
            typer.echo(f"note: {note}", err=True)
    if not made.messages:
        raise UsageError(_nothing_usable(source, made, configured=config_file is not None))


def _nothing_usable(source: str, made: Replay, *, configured: bool) -> str:
    """Say why, and what to try."""
    name = "standard input" if source == STANDARD_INPUT else source
    if made.first_fault is None:
        return f"no record of {name} could be used: `where` selects none of the {made.records}"
    advice = (
        "Check `preset` and `paths` of the stream"
        if configured
        else f"Try another --preset NAME ({', '.join(PRESETS)}), or tell by --config.file where a record holds what"
    )
    return f"no record of {name} could be used; the first fault is {made.first_fault}. {advice}"


def _settings(preset: Preset | None, config_file: Path | None) -> Settings:
    if config_file is not None:
        if preset is not None:
            raise UsageError("--preset and --config.file exclude each other: write the preset into the file's stream")
        return settings_from(config_file)
    shape = PRESETS[preset or "canonical"]
    stream = {"topic": "replay", "preset": shape.name, "series_labels": shape.format.label_names or _LABELS}
    # No broker is asked; settings are not complete without one.
    unused = {"kafka.bootstrap_servers": ["127.0.0.1:9092"], "kafka.group_id": "replay"}
    return settings_from(None, {"streams": [stream], **unused}, env={})


def _chosen(settings: Settings, name: str | None) -> StreamSettings:
    names = ", ".join(stream.name for stream in settings.streams)
    if name is None:
        if len(settings.streams) > 1:
            raise UsageError(f"the configuration has several streams ({names}); name one with --stream")
        return settings.streams[0]
    for stream in settings.streams:
        if stream.name == name:
            return stream
    raise UsageError(f"the configuration has no stream named {name}; there is: {names}")


def _replayed(source: str, settings: Settings, written: StreamSettings, stream: Stream, *, whole: bool) -> Replay:
    with _progress(source) as note:
        batches = read_batches(source, format_of(settings, written), progress=note)
        return replay_whole(stream, batches) if whole else replay_windows(stream, batches)


@contextmanager
def _progress(source: str) -> Iterator[Callable[[int], None] | None]:
    """Show a bar on a terminal; a pipe gets none."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    path = Path(source)
    total = path.stat().st_size if path.is_file() else None
    with Progress(TextColumn("reading"), BarColumn(), DownloadColumn(), console=console, transient=True) as bar:
        task = bar.add_task("reading", total=total)
        yield lambda bytes_read: bar.update(task, completed=bytes_read)

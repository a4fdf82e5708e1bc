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

from config.vocabulary import Preset
from daemon.commands.options import INPUT, word_option
from daemon.commands.replay_input import Understood, understand
from daemon.errors import OperatingError, UsageError
from daemon.files import name_of, read_batches
from daemon.layout import output_console, printing
from daemon.presets import PRESETS
from daemon.replay.picture import picture
from daemon.replay.replaying import replay_whole, replay_windows
from daemon.replay.results import Reading, Replay
from daemon.replay.tables import write_csv, write_json, write_table

Output = Literal["table", "json", "csv"]
Window = Literal["all", "sliding"]

#: What to do where records of the right shape cannot be used, by the reason of the first one.
_ADVICE: Final = {
    "syntax": "Write one JSON record a line",
    "empty": "Look at its mask, and at the rejected pairs above",
    "size": "Allow more by max_record_bytes or max_pairs_per_record of a configuration (--config.file)",
    "timestamp": "Write times as numbers or with an offset, or name another field by paths.time (--config.file)",
    "label": "Name other series_labels by --config.file",
    "sampler_mismatch": "Set sampled_from by --config.file",
}


def replay(
    *,
    source: Annotated[str, INPUT],
    output: Annotated[
        Output,
        word_option("--output", Output, "A table for people, or JSON, or CSV."),
    ] = "table",
    preset: Annotated[
        Preset | None,
        word_option(
            "--preset", Preset, "Known record shape; found by inspection where neither it nor a configuration is given."
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
        word_option(
            "--window",
            Window,
            "all: one window over the whole input, times not needed; the default without --config.file. "
            "sliding: the configuration's windows, by event time; the default with it.",
            advice="; sliding windows are the `windows` of the file that --config.file names",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE.svg", help="Write a picture: KL and self-check over the input, as SVG."),
    ] = None,
) -> None:
    """Estimate the divergence in a file: every series and window, in the order of the input, and say what it means.

    With no option but --input the record shape is found by inspection, and the whole input is one window. Sliding
    windows end at the largest event time; an event is late by the file's own clock only.

    A typical outcome's factor is e^(root mean square of log p/q). The share of outcomes that would differ is the total
    variation distance: the least share that differs where both models draw together as well as they can.
    """
    _check_plot(plot, source)
    whole = window == "all" or (window is None and config_file is None)
    understood = understand(source, preset, config_file, stream_name, whole=whole)
    made = _replayed(source, understood, whole=whole, traced=plot is not None)
    reading = _told(understood.reading, by_default=window is None and config_file is None)
    drawn = _drawn(made, plot, source)
    with printing():
        if output == "json":
            write_json(made, reading, sys.stdout)
        elif output == "csv":
            write_csv(made, sys.stdout)
        else:
            write_table(made, reading, output_console())
            _say(drawn)
    if output != "table":
        for note in (*filter(None, [reading.sentence]), *made.notes, *drawn):
            typer.echo(f"note: {note}", err=True)
    if not made.messages:
        raise UsageError(_nothing_usable(source, made, configured=config_file is not None))


def _told(reading: Reading, *, by_default: bool) -> Reading:
    """Say also which window was chosen, where nobody asked for one."""
    if not by_default:
        return reading
    window = "The whole input is one window (--window sliding: the last 5m, 1h and 24h)."
    return replace(reading, sentence=" ".join(filter(None, [reading.sentence, window])))


def _say(sentences: list[str]) -> None:
    for sentence in sentences:
        typer.echo(sentence)


def _check_plot(plot: Path | None, source: str) -> None:
    """Refuse to write a picture over what is not one."""
    if plot is not None and plot.suffix.lower() != ".svg":
        raise UsageError(f"--plot writes SVG, and {plot} is not named so; write {plot.with_suffix('.svg')}")
    if plot is not None and plot.exists() and Path(source).exists() and plot.samefile(source):
        raise UsageError(f"--plot would write over the input, {source}; name another file")


def _drawn(made: Replay, plot: Path | None, source: str) -> list[str]:
    """Write the picture; returns what is said of it."""
    if plot is None:
        return []
    if not made.series or made.trace is None:
        return [f"No picture: there is nothing to draw, and {plot} is not written."]
    drawn = picture(made, _name(source))
    if drawn is None:
        return [f"No picture: there are too few messages for a point, and {plot} is not written."]
    try:
        plot.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise OperatingError(f"cannot write {plot}: {error.strerror or error}") from error
    return [f"Picture: {plot}"]


def _name(source: str) -> str:
    return Path(name_of(source)).name


def _nothing_usable(source: str, made: Replay, *, configured: bool) -> str:
    """Say why, and what to try."""
    name = name_of(source)
    if made.first_fault is None:
        return f"no record of {name} could be used: `where` selects none of the {made.records}"
    shape = (
        "Check `preset` and `paths` of the stream"
        if configured
        else f"Try another --preset NAME ({', '.join(PRESETS)}), or tell by --config.file where a record holds what"
    )
    advice = _ADVICE.get(made.first_fault.partition(" ")[0], shape)
    return f"no record of {name} could be used; the first fault is {made.first_fault}. {advice}"


def _replayed(source: str, understood: Understood, *, whole: bool, traced: bool) -> Replay:
    with _progress(source) as note:
        batches = read_batches(source, understood.fmt, progress=note, standard_input=understood.standard_input)
        run = replay_whole if whole else replay_windows
        return run(understood.stream, batches, traced=traced)


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

"""How the input of `klaxond replay` is read: as a flag or a configuration says, else as an inspection finds."""

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.console import Console

from config.settings import Settings
from config.streams import StreamSettings
from config.vocabulary import Preset
from daemon.codec import Format, compile_decoder
from daemon.commands.options import settings_from
from daemon.errors import UsageError
from daemon.files import STANDARD_INPUT, Rewindable, name_of, read_batches
from daemon.inspection import Finding, inspect_batches
from daemon.presets import PRESETS
from daemon.replay.reading import found_sentence
from daemon.replay.results import Reading
from daemon.streams import Stream
from daemon.wiring import format_of, stream_of

#: Series labels of the canonical record, which names none of its own.
_LABELS: Final = ("model", "version")
#: No broker is asked; settings are not complete without one.
_UNUSED: Final = {"kafka.bootstrap_servers": ["127.0.0.1:9092"], "kafka.group_id": "replay"}
_FIELDS_MOST: Final = 20


@dataclass(frozen=True, slots=True)
class Understood:
    """The input as a stream.

    Attributes
    ----------
    standard_input : from its start, where the input is "-"
    reading : what is said of it
    """

    stream: Stream
    fmt: Format
    standard_input: Rewindable | None
    reading: Reading


def understand(
    source: str, preset: Preset | None, config_file: Path | None, stream_name: str | None, *, whole: bool
) -> Understood:
    """Find out how the input is written; `whole` takes records without a time. Raises UsageError with what to do."""
    if config_file is not None and preset is not None:
        raise UsageError("--preset and --config.file exclude each other: write the preset into the file's stream")
    if config_file is None and stream_name is not None:
        raise UsageError("--stream names a stream of a configuration; name the file too, with --config.file")
    standard_input = Rewindable(sys.stdin.buffer) if source == STANDARD_INPUT else None
    said, timeless = "", False
    if config_file is not None:
        by, settings = "configuration", settings_from(config_file)
    elif preset is not None:
        labels = _LABELS if preset == "canonical" else PRESETS[preset].format.label_names
        by, settings = "flag", _settings({"preset": preset, "series_labels": labels})
    else:
        finding = _inspected(source, standard_input)
        by, settings, said = "inspection", _settings(finding.stream), found_sentence(finding)
        timeless = finding.time.path is None
    written = _chosen(settings, stream_name)
    stream, fmt = stream_of(settings, written), format_of(settings, written)
    if whole:
        # What stands in the place of a time may be none, such as a local time; one window needs none.
        paths = {role: path for role, path in fmt.paths.items() if role != "time" or not timeless}
        fmt = replace(fmt, require_time=False, paths=paths)
        stream = replace(stream, decoder=compile_decoder(fmt))
    if standard_input is not None:
        standard_input.rewind()
    return Understood(stream, fmt, standard_input, Reading(by, written.preset, written.sampled_from, said))


def _inspected(source: str, standard_input: Rewindable | None) -> Finding:
    """Inspect the first records. Raises UsageError where nothing fits."""
    with _working(), closing(read_batches(source, None, standard_input=standard_input)) as batches:
        finding = inspect_batches(batches)
    if finding.fits:
        return finding
    name = name_of(source)
    fields = ", ".join(finding.fields[:_FIELDS_MOST])
    more = f", and {len(finding.fields) - _FIELDS_MOST} more" if len(finding.fields) > _FIELDS_MOST else ""
    held = f" Its fields: {fields}{more}." if fields else ""
    problem = finding.problem[:1].upper() + finding.problem[1:].removesuffix(".")
    advice = (
        f" Name the shape with --preset NAME ({', '.join(PRESETS)}), or tell by --config.file in which fields (paths) "
        "the two probabilities are"
    )
    raise UsageError(
        f"no two fields of {name} were found to be the two sides of a pair. {problem}.{held}{advice if held else ''}"
    )


def _working() -> AbstractContextManager[object]:
    """Show on a terminal that something is being done."""
    console = Console(stderr=True)
    return console.status("inspecting") if console.is_terminal else nullcontext()


def _settings(stream: Mapping[str, object]) -> Settings:
    return settings_from(None, {"streams": [{"topic": "replay", **stream}], **_UNUSED}, env={})


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

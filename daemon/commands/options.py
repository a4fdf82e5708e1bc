"""Flags that several commands share, spelt as Prometheus spells its own; and settings, or a sentence per fault."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, get_args

import typer

from config.addresses import split_address
from config.errors import ConfigError, one_of
from config.settings import Settings, load
from daemon.errors import UsageError

ConfigFile = Annotated[
    Path, typer.Option("--config.file", metavar="FILE", envvar="KLAXON_CONFIG_FILE", help="Configuration, YAML.")
]
SecretsDir = Annotated[
    Path | None,
    typer.Option(
        "--config.secrets-dir",
        metavar="DIR",
        envvar="KLAXON_SECRETS_DIR",
        help="Folder with one file per secret, named after its key: kafka__sasl__password.",
    ),
]
ListenAddress = Annotated[
    str | None,
    typer.Option("--web.listen-address", metavar="HOST:PORT", help="Address of /metrics; overrides the file."),
]
WebConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--web.config.file",
        metavar="FILE",
        help="TLS, client certificates and passwords of the HTTP side, Prometheus' format; overrides web.config_file.",
    ),
]
LogLevel = Annotated[
    str | None,
    typer.Option("--log.level", metavar="LEVEL", help="debug, info, warn or error; overrides the file."),
]
#: The file that replay and inspect read.
INPUT: Final = typer.Option(
    "--input", metavar="FILE", help="JSONL or CSV, also .gz; - is standard input (JSONL or CSV)."
)


def word_option(flag: str, literal: object, help: str, advice: str = "") -> Any:  # noqa: A002, ANN401 - as typer has them
    """Return a flag that takes the words of a Literal, shows them in --help, and tells them where another is given."""
    words = get_args(literal)

    def parse(word: str) -> str:
        if word in words:
            return word
        # The library's own message begins with the kind of the exception.
        raise typer.BadParameter(f"`{word}` is unknown; write {one_of(words)}{advice}")

    return typer.Option(flag, parser=parse, metavar=f"<{'|'.join(words)}>", help=help)


def addresses(*, lowest_port: int, several: bool = True) -> Callable[[str], str]:
    """Return a flag's parser of one host:port, or of several joined by commas, that tells what is no address."""

    def parse(text: str) -> str:
        for each in text.split(",") if several else [text]:
            try:
                split_address(each, example="127.0.0.1:9092", lowest_port=lowest_port)
            except ValueError as error:
                raise typer.BadParameter(f"`{each}`: {error}") from error
        return text

    return parse


def settings_from(
    path: Path | None,
    flags: Mapping[str, object] | None = None,
    *,
    secrets_dir: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Settings:
    """Load the settings; arguments are those of `config.settings.load`. Raises UsageError with every fault."""
    try:
        return load(path, flags, env, secrets_dir=secrets_dir)
    except ConfigError as error:
        faults = "".join(f"\n  {problem}" for problem in error.problems)
        raise UsageError(f"the configuration cannot be used:{faults}") from error

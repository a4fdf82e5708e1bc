"""Flags that several commands share, spelt as Prometheus spells its own; and settings, or a sentence per fault."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from config.errors import ConfigError
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
LogLevel = Annotated[
    str | None,
    typer.Option("--log.level", metavar="LEVEL", help="debug, info, warn or error; overrides the file."),
]


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

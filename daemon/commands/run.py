"""`klaxond run`: the daemon."""

import typer

from daemon.app import run as run_daemon
from daemon.commands.options import ConfigFile, ListenAddress, LogLevel, SecretsDir, WebConfigFile, settings_from


def run(
    config_file: ConfigFile,
    secrets_dir: SecretsDir = None,
    listen_address: ListenAddress = None,
    web_config_file: WebConfigFile = None,
    log_level: LogLevel = None,
) -> None:
    """Read the configured topics, keep the windows, serve /metrics; until SIGTERM or Ctrl-C."""
    flags = {
        "web.listen_address": listen_address,
        "web.config_file": web_config_file,
        "log.level": log_level,
    }
    raise typer.Exit(run_daemon(settings_from(config_file, flags, secrets_dir=secrets_dir)))

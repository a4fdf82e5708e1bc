"""The command `klaxond`. Nothing is decided here but how a fault becomes a sentence and an exit status."""

import platform
import sys
from importlib.metadata import version as version_of
from typing import Annotated, Final

import typer

from daemon.commands.check import check
from daemon.commands.demo import demo
from daemon.commands.inspect import inspect
from daemon.commands.replay import replay
from daemon.commands.rules import rules
from daemon.commands.run import run
from daemon.commands.verify import EPILOG as VERIFY_EPILOG
from daemon.commands.verify import verify
from daemon.errors import EXIT_DEPENDENCY, EXIT_FAULT, EXIT_OK, EXIT_STALLED, EXIT_USAGE, OperatingError

_LIBRARIES: Final = (
    "kafka-python",
    "numpy",
    "msgspec",
    "pydantic-settings",
    "apscheduler",
    "prometheus-client",
    "starlette",
    "uvicorn",
    "typer",
    "structlog",
    "rich",
)
_EPILOG: Final = f"""\b
Exit status:
  {EXIT_OK:>2}  everything went well
  {EXIT_FAULT:>2}  a fault of klaxond itself: please report it
  {EXIT_USAGE:>2}  the flags or the configuration are wrong
  {EXIT_DEPENDENCY:>2}  a broker, a program or a file that is needed cannot be had
  {EXIT_STALLED:>2}  the watchdog ended a process that made no progress
"""
_EXIT_INTERRUPTED: Final = 130  # as shells count it: 128 + SIGINT

app = typer.Typer(
    name="klaxond",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # its frames could show a secret
    epilog=_EPILOG,
)
for command in (run, check, inspect, replay, demo, rules):
    app.command(epilog=_EPILOG)(command)
app.command(epilog=VERIFY_EPILOG)(verify)


@app.callback(invoke_without_command=True)
def klaxond(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print our version and the libraries'.")] = False,
) -> None:
    """Watch pairs of model probabilities in Kafka drift apart: KL divergence with its error, for Prometheus."""
    if version:
        typer.echo(f"klaxond {version_of('klaxond')} (Python {platform.python_version()}, {platform.platform()})")
        for name in _LIBRARIES:
            typer.echo(f"  {name} {version_of(name)}")
        raise typer.Exit


def main() -> None:
    """Run the command line; the exit status is documented in --help."""
    try:
        app()
    except OperatingError as error:
        typer.echo(f"klaxond: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(_EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()

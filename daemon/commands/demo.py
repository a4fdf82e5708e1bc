"""`klaxond demo`: everything on one machine, with traffic whose truth is known."""

import json
import sys
from collections.abc import Callable
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.live import Live

from daemon.commands.options import word_of, words_text
from daemon.demo.rows import has_estimates
from daemon.demo.session import Demo, DemoOptions, DemoState
from daemon.demo.view import PlainView, header, live, report
from daemon.layout import output_console, printing

Output = Literal["table", "json"]


def demo(
    seconds: Annotated[
        float | None, typer.Option("--seconds", metavar="N", min=1, help="End after so long. Default: at Ctrl-C.")
    ] = None,
    output: Annotated[
        Output,
        typer.Option(
            "--output",
            parser=word_of(Output),
            metavar=words_text(Output),
            help="A live table, or one JSON object at the end.",
        ),
    ] = "table",
    bootstrap_servers: Annotated[
        str | None,
        typer.Option(
            "--bootstrap-servers",
            metavar="HOST:PORT,...",
            help="Use these brokers (plaintext), instead of one of our own; topics are made and removed again.",
        ),
    ] = None,
    listen_address: Annotated[
        str | None,
        typer.Option("--web.listen-address", metavar="HOST:PORT", help="Address of /metrics. Default: a free port."),
    ] = None,
) -> None:
    """Show klaxond at work: a broker, two streams of traffic, the real daemon, and a live table. Leaves nothing."""
    options = DemoOptions(seconds, bootstrap_servers, listen_address)
    messages = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    messages.print("Starting a broker, the traffic and klaxond: estimates come within 20 s. Ctrl-C ends everything.")
    with printing():
        if output == "json":
            _print_json(Demo(options, say=messages.print, show=lambda _: None).run())
        else:
            _show_table(options, messages.print)


def _print_json(state: DemoState) -> None:
    made = report(state.rows, live_after_s=state.live_after_s, seconds=state.seconds)
    json.dump(made, sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")


def _show_table(options: DemoOptions, say: Callable[[str], None]) -> None:
    """Redraw one table on a terminal; where the cursor can't move, or must not, print one now and then."""
    console = output_console()
    if console.is_terminal and not console.is_dumb_terminal and not console.no_color:
        with Live(console=console, auto_refresh=False) as screen:
            Demo(options, say=say, show=lambda state: _refresh(screen, console, state)).run()
    else:
        view = PlainView(console)
        view.end(Demo(options, say=say, show=view.show).run())


def _refresh(screen: Live, console: Console, state: DemoState) -> None:
    lines = header(state.address, state.bootstrap_servers, state.broker)
    note = "" if has_estimates(state.rows) else f"{state.seconds:.0f} s: waiting for the group and the first messages"
    screen.update(live(lines, state.rows, note, console.width), refresh=True)

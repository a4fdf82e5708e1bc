"""`klaxond demo`: everything on one machine, with traffic whose truth is known."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.live import Live

from daemon.commands.options import addresses, word_option
from daemon.demo.glyphs import glyphs_for
from daemon.demo.narrative import summary
from daemon.demo.report import report
from daemon.demo.scenarios import ScenarioName
from daemon.demo.session import SEED, Demo, DemoOptions
from daemon.demo.state import DemoState
from daemon.demo.view import PlainView, live
from daemon.layout import output_console, printing

Output = Literal["table", "json"]


def demo(  # noqa: PLR0917 - each argument is a flag
    scenario: Annotated[
        ScenarioName,
        word_option(
            "--scenario",
            ScenarioName,
            "What is played. story: a log breaks and a model drifts. null: nothing, and nothing is raised.",
        ),
    ] = "story",
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of the models and what is drawn.")] = SEED,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds",
            metavar="N",
            min=1,
            help="End after so long. Default: on a terminal at Ctrl-C; in a pipe, and with --output json, when the "
            "scenario has ended.",
        ),
    ] = None,
    output: Annotated[
        Output,
        word_option("--output", Output, "A live table, or one JSON object at the end."),
    ] = "table",
    bootstrap_servers: Annotated[
        str | None,
        typer.Option(
            "--bootstrap-servers",
            parser=addresses(lowest_port=1),
            metavar="HOST:PORT,...",
            help="Use these brokers (plaintext), instead of one of our own; topics are made and removed again.",
        ),
    ] = None,
    listen_address: Annotated[
        str | None,
        typer.Option(
            "--web.listen-address",
            parser=addresses(lowest_port=1, several=False),
            metavar="HOST:PORT",
            help="Address of /metrics. Default: a free port.",
        ),
    ] = None,
) -> None:
    """Show klaxond at work: a broker, traffic with a known truth, the real daemon, and a live table. Leaves nothing.

    It plays a story of about a minute: a log breaks, which is no drift, and a model drifts. Each step is told when it
    is made, and answered by klaxond itself. Exit status 1: klaxond did not say what a step expects.
    """
    options = DemoOptions(
        scenario=scenario,
        seed=seed,
        seconds=seconds,
        bootstrap_servers=bootstrap_servers,
        listen_address=listen_address,
    )
    messages = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    messages.print("Starting a broker, the traffic and klaxond: estimates come within 20 s. Ctrl-C ends everything.")
    state = None  # it stays so where the reader leaves before the end
    with printing():
        if output == "json":
            state = Demo(replace(options, goes_on=False), say=messages.print, show=lambda _: None).run()
            json.dump(report(state), sys.stdout, indent=2, allow_nan=False)
            sys.stdout.write("\n")
        else:
            state = _show_table(options, messages.print)
    if state is not None and (any(each.missed for each in state.progress) or state.false_alarms):
        messages.print(summary(state.progress, state.false_alarms))
        raise typer.Exit(1)


def _show_table(options: DemoOptions, say: Callable[[str], None]) -> DemoState:
    """Redraw one screen on a terminal; where the cursor can't move, or must not, print line by line."""
    console = output_console()
    if console.is_terminal and not console.is_dumb_terminal and not console.no_color:
        glyphs = glyphs_for(console.encoding)
        with Live(console=console, auto_refresh=False, vertical_overflow="crop") as screen:

            def show(state: DemoState) -> None:
                screen.update(live(state, console.width, console.height, glyphs), refresh=True)

            return Demo(options, say=say, show=show).run()
    # A console whose cursor can't move takes its terminal for 80 columns wide.
    width = shutil.get_terminal_size().columns if console.is_terminal else console.width
    view = PlainView(console, width)
    state = Demo(replace(options, goes_on=console.is_terminal), say=say, show=view.show).run()
    view.end(state)
    return state

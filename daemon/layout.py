"""Numbers and aligned columns as people read them on a terminal."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

_GAP: Final = 2
_PIPE_WIDTH: Final = 100_000


@dataclass(frozen=True, slots=True)
class Column:
    """One column; a narrow terminal does without the columns of `spare` > 0, the largest first."""

    title: str
    cells: Sequence[str | Text]
    right: bool = False
    spare: int = 0

    @property
    def width(self) -> int:
        """Characters that the widest cell takes."""
        return max(len(self.title), *(len(cell) for cell in self.cells), 0)


@contextmanager
def printing() -> Iterator[None]:
    """Print all that is printed within; a reader who has seen enough and left is no fault."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered would complain when the program ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Output(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to `printing`, instead of ending the program."""
        raise BrokenPipeError


def output_console() -> Console:
    """Return standard output; a pipe holds lines of any length."""
    console = _Output()
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def aligned(columns: Sequence[Column], width: int) -> Table:
    """Return a table of as many columns as a terminal of this width holds."""
    kept = list(columns)
    for column in sorted((column for column in columns if column.spare), key=lambda column: -column.spare):
        if sum(each.width + _GAP for each in kept) - _GAP <= width:
            break
        kept.remove(column)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, _GAP, 0, 0))
    for column in kept:
        table.add_column(column.title, justify="right" if column.right else "left", no_wrap=True)
    for row in zip(*(column.cells for column in kept), strict=True):
        # As Text: a cell is never markup.
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return table


def number(value: float | None) -> str:
    """Write a number with four significant digits; a dash for what is absent."""
    # `#` keeps trailing zeros, and leaves a bare point after four digits.
    return "-" if value is None else f"{value + 0.0:#.4g}".removesuffix(".")  # + 0.0: no negative zero

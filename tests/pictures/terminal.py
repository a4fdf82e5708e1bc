"""A terminal's text with its colours as SVG."""

import io
import re

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

#: The reader's own monospaced font, instead of one from a server.
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


def svg_of(screen, columns, title):
    """Return the SVG of a screen: lines of text with ANSI colours, as tmux captures them."""
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    console.print(Text.from_ansi(screen.rstrip()), no_wrap=True, overflow="crop")
    drawn = console.export_svg(title=title, theme=MONOKAI, unique_id="terminal")
    drawn = re.sub(r"\s*@font-face \{.*?\}\n", "\n", drawn, flags=re.DOTALL)
    return drawn.replace("Fira Code, monospace", FONTS)

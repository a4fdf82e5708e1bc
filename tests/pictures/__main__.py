"""Draw the pictures of the README from real runs: python -m tests.pictures [demo | plot ...].

    demo: `klaxond demo` in a real terminal until the daemon sees the model drift: demo.svg, the terminal;
          page.png and page-dark.png, the status page at that moment
    plot: plot.svg, what `klaxond replay --plot` draws of the log that comes with the package

Chromium, tmux and pngquant have to be there; on Debian: apt-get install chromium tmux pngquant.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from tests.pictures.terminal import svg_of

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "deploy/pictures"
KLAXOND = Path(sys.executable).with_name("klaxond")
LOG = "daemon/data/open_bandit_bts.csv.gz"
TERMINAL_COLUMNS, TERMINAL_LINES = 110, 50
PAGE_WIDTH_PX, PAGE_HEIGHT_PX = 1200, 640
STORY_SECONDS = 150
#: Chromium's numbers for what prefers-color-scheme is.
SCHEMES = {"page.png": 1, "page-dark.png": 0}


def main(names):
    """Draw the named pictures, or all."""
    drawings = {"demo": demo, "plot": plot}
    if unknown := set(names) - set(drawings):
        print(f"no picture named {', '.join(sorted(unknown))}; there are: {', '.join(drawings)}", file=sys.stderr)
        return 2
    if missing := [program for program in ("chromium", "tmux", "pngquant") if shutil.which(program) is None]:
        print(f"not found: {', '.join(missing)}. On Debian: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 3
    PICTURES.mkdir(exist_ok=True)
    for name in names or drawings:
        drawings[name]()
    for path in sorted(PICTURES.iterdir()):
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1000:.0f} kB")
    return 0


def plot():
    """Draw the plot of a real log."""
    command = [KLAXOND, "replay", "--input", LOG, "--plot", PICTURES / "plot.svg"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, timeout=120)


def demo():
    """Play the demo until a series of its daemon is told to drift, then take terminal and page at once."""
    socket = f"klaxon-pictures-{os.getpid()}"

    def tmux(*arguments):
        command = ["tmux", "-L", socket, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout

    size = ["-x", str(TERMINAL_COLUMNS), "-y", str(TERMINAL_LINES)]
    tmux("new-session", "-d", *size, f"env TERM=xterm-256color COLORTERM=truecolor {KLAXOND} demo")
    try:
        address = _until(lambda: re.search(r"http://127\.0\.0\.1:\d+", tmux("capture-pane", "-p")), "address", 60)[0]
        _until(lambda: _drifts(address), "drift", STORY_SECONDS)
        time.sleep(2)  # until the terminal tells of it
        (PICTURES / "demo.svg").write_text(svg_of(tmux("capture-pane", "-e", "-p"), TERMINAL_COLUMNS, "make demo"))
        for name, scheme in SCHEMES.items():
            _screenshot(f"{address}/", PICTURES / name, scheme)
        tmux("send-keys", "C-c")
        _until(
            lambda: subprocess.run(["tmux", "-L", socket, "ls"], capture_output=True, check=False).returncode, "end", 30
        )
    finally:
        subprocess.run(["tmux", "-L", socket, "kill-server"], capture_output=True, check=False)


def _until(found, what, seconds):
    """Ask again until there is an answer, and return it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := found():
            return answer
        time.sleep(0.5)
    raise TimeoutError(f"no {what} within {seconds} s")


def _drifts(address):
    try:
        with urllib.request.urlopen(f"{address}/api/v1/status", timeout=5) as answer:
            status = json.load(answer)
    except OSError:
        return False  # it does not listen yet
    return any(series["verdict"]["state"] == "drift" for stream in status["streams"] for series in stream["series"])


def _screenshot(url, path, scheme):
    """Take a page as a PNG of few colours; run as root Chromium has no sandbox."""
    with tempfile.TemporaryDirectory() as profile:
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--user-data-dir={profile}", f"--blink-settings=preferredColorScheme={scheme}"]
        command += [f"--window-size={PAGE_WIDTH_PX},{PAGE_HEIGHT_PX}", f"--screenshot={path}", url]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    subprocess.run(["pngquant", "--force", "--output", path, "--strip", "64", path], check=True, timeout=60)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

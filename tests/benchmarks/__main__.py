"""Run every benchmark of this folder: python -m tests.benchmarks [NAME ...].

A benchmark is a module bench_NAME.py with a `main()` that prints a table of ratios measured within one run. Each runs
in a process of its own, so that none warms or burdens the next. Those that take long run only where they are named.
The exit status is 1 if one of them failed.
"""

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
LONG = {"recovery"}
TIMEOUT_SECONDS, LONG_TIMEOUT_SECONDS = 900, 3600


def main(names):
    """Run the named benchmarks, or all but the long ones."""
    known = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
    if unknown := sorted(set(names) - set(known)):
        print(f"no benchmark named {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}, {os.cpu_count()} cores")
    print("Read the ratios: both sides of each were measured in the same run. Absolute times are this machine's.")
    failed = [name for name in names or sorted(set(known) - LONG) if not _run(name)]
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


def _run(name):
    module = f"tests.benchmarks.bench_{name}"
    print(f"\n## {name}\n\n{' ' * 4}python -m {module}\n", flush=True)
    started, timeout = time.monotonic(), LONG_TIMEOUT_SECONDS if name in LONG else TIMEOUT_SECONDS
    try:
        status = subprocess.run(
            [sys.executable, "-m", module], cwd=FOLDER.parents[1], check=False, timeout=timeout
        ).returncode
    except subprocess.TimeoutExpired:
        status = f"nothing after {timeout} s"
    print(f"\n({name}: {time.monotonic() - started:.0f} s{f', ended with {status}' if status else ''})", flush=True)
    return not status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

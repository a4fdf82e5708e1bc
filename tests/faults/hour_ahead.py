"""klaxond with a wall clock that is an hour ahead; only elapsed time is right."""

import runpy
import sys
import time
from pathlib import Path

AHEAD_S = 3600

if __name__ == "__main__":
    right = time.time
    time.time = lambda: right() + AHEAD_S
    sys.path[0] = str(Path(__file__).parents[2])
    runpy.run_module("daemon", run_name="__main__", alter_sys=True)

"""The Open Bandit log that the package ships, played again and again, stamped with the present."""

import csv
import gzip
import json
import math
from collections.abc import Iterator
from importlib import resources
from typing import Final

from daemon.demo.messages import Message
from daemon.demo.models import Truth

STREAM: Final = "bandit"
CAMPAIGNS: Final = ("all", "men")
#: Nobody knows the divergence behind a real log; its ratios have the mean 1.
TRUTH: Final = Truth({"reverse": None, "forward": None})

_RATE: Final = 100.0  # rows a second
_FILE: Final = "open_bandit_bts.csv.gz"


class RealLog:
    """Its rows, in order and over and over."""

    rate = _RATE

    def __init__(self) -> None:
        self._rows = _endless_rows()

    def next_message(self, event_us: int) -> Message | None:
        """Return the next row with its time replaced."""
        row = next(self._rows)
        record: dict[str, object] = {"timestamp": event_us, "campaign": row["campaign"], "position": row["position"]}
        # The row's own digits, so that the daemon parses the same doubles.
        digits = {name: float(row[name]) for name in ("propensity_score", "uniform_probability")}
        u = math.log(digits["uniform_probability"]) - math.log(digits["propensity_score"])
        return Message(
            value=json.dumps(record | digits).encode(),
            series=(STREAM, (row["campaign"],)),
            event_us=event_us,
            pairs=1,
            naive_sum=-u,
            fixed_sum=math.expm1(u) - u,
            truth=TRUTH,
        )


def _endless_rows() -> Iterator[dict[str, str]]:
    packed = resources.files("daemon").joinpath("data", _FILE).read_bytes()
    rows = list(csv.DictReader(gzip.decompress(packed).decode().splitlines()))
    while True:
        yield from rows

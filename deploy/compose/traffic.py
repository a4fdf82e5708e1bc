"""Write token pairs of the demo's two models to topic `tokens`, with a story that goes on: `traffic.py kafka:9092`."""

import itertools
import sys
import time

from daemon.clock import SystemClock
from daemon.demo.ledger import Ledger
from daemon.demo.traffic import Channel, Traffic
from daemon.demo.writer import RATES, STREAM, TokenWriter
from daemon.demo.writer import Traffic as Situation
from daemon.errors import OperatingError
from daemon.kafka_producer import create_topics

#: What version 2 is like, and for how many seconds: a broken log is no drift, a drift is.
STORY: list[tuple[Situation, float]] = [("calm", 420), ("truncated", 240), ("calm", 420), ("shifted", 420)]


def main(servers: str) -> None:
    """Send until somebody stops it."""
    try:
        create_topics(servers, {STREAM: 3})
    except OperatingError as error:
        sys.exit(str(error))
    clock = SystemClock()
    writers = {version: TokenWriter(version, seed=1951) for version in RATES}
    traffic = Traffic([Channel(STREAM, each) for each in writers.values()], servers, clock, Ledger())
    traffic.start()
    for what, seconds in itertools.cycle(STORY):
        print(f"version 2: {what} for {seconds:.0f} s", flush=True)
        writers["2"].change(what, int(clock.now() * 1e6))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(min(1.0, max(0.0, until - time.monotonic())))
            if not traffic.alive():
                sys.exit("the traffic ended by itself")


if __name__ == "__main__":
    main(sys.argv[1])

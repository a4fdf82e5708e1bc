"""A fleet to write rules for: replicas that own partitions of one log, as the texts that Prometheus scrapes."""

import http.server
import threading
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from daemon.board import PartitionBoard, ProcessBoard, Published, SeriesCounters, StreamBoard, WindowBoard
from daemon.clock import SystemClock
from daemon.collect_series import Exports
from daemon.collectors import Collectors
from daemon.exposition import Renderer, text_of
from daemon.scrapes import ScrapeTimes
from daemon.source import Partition
from estimators.pairs import Pairs
from estimators.partitions import absorb, new_state
from estimators.spec import StreamSpec, WindowSpec
from estimators.windows import evaluate

WINDOWS = (("10s", 10.0), ("1m", 60.0))
PARTITIONS = 6
OWNERS = ((0, 1), (2, 3), (4, 5))  # by replica
MIN_MESSAGES = 30
_SPEC = StreamSpec(windows=tuple(WindowSpec(label, int(seconds * 1e6)) for label, seconds in WINDOWS))


def partition_states(seed, now, *, messages=400, spread_seconds=50.0, shift=0.3, truncated=0.0, ruled_out=False):
    """One state for each partition; series `a` and `b` are in all of them, `c` in the last two only.

    x is drawn from N(0, 1) = q, p is N(shift, 1); a message has one to four pairs. With `truncated`
    every log ratio is smaller by that, as behind a sampler with top-p. With `ruled_out` one pair of partition 0 has
    p = 0.
    """
    return [
        _state(
            np.random.default_rng([seed, number]), number, now, messages, spread_seconds, shift, truncated, ruled_out
        )
        for number in range(PARTITIONS)
    ]


def _state(draw, number, now, messages, spread_seconds, shift, truncated, ruled_out):
    sizes = draw.integers(1, 5, messages)
    first_pair = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    x = draw.normal(size=sizes.sum()) + 0.1 * np.repeat(draw.normal(size=messages), sizes)
    log_q = -0.5 * x**2 - 9.0
    log_p = log_q + shift * x - shift**2 / 2 - truncated
    if ruled_out and number == 0:
        log_p[-1] = -np.inf
    times = np.sort((now - draw.uniform(0, spread_seconds, messages)) * 1e6).astype(np.int64)
    names = ("a", "b", "c") if number in OWNERS[2] else ("a", "b")
    state = new_state(_SPEC, number)
    pairs = Pairs(
        log_p=log_p,
        log_q=log_q,
        weight=draw.uniform(0.5, 2, sizes.sum()),
        first_pair=first_pair,
        keys=[(names[index % len(names)],) for index in range(messages)],
        offset=np.arange(messages),
        event_time_us=times,
        append_time_us=times,
    )
    absorb(state, _SPEC, pairs)
    return state


def view_of(states, now):
    """What one replica that owns these partitions sees."""
    return evaluate(states, _SPEC, int(now * 1e6), resolution=1e-13, min_messages=MIN_MESSAGES)


def stream_board(name, states, now, *, complete=1.0, thresholds=()):
    """What it publishes."""
    view = view_of(states, now)
    return StreamBoard(
        name=name,
        label_names=("model",),
        sampled_from="q",
        keys=view.keys,
        windows=tuple(
            WindowBoard(label, seconds, window.end_seconds, window.estimates, np.full(len(view.keys), complete))
            for (label, seconds), window in zip(WINDOWS, view.windows, strict=True)
        ),
        last_event_timestamp_seconds=view.last_event_us / 1e6,
        start_timestamp_seconds=view.first_event_us / 1e6,
        counter_keys=(),
        counters=SeriesCounters(*(np.empty(0) for _ in range(3)), {}, np.empty(0), np.empty(0)),
        thresholds=thresholds,
        min_messages=MIN_MESSAGES,
    )


def partition_boards(stream, numbers, restored=True):
    """Show these partitions of the stream's topic as owned."""
    shown = PartitionBoard(stream, Partition("log", 0), restored, 0, None, 0, 0)
    return [replace(shown, partition=Partition("log", number)) for number in numbers]


def text(now, streams, partitions, *, counts=None, moments=True):
    """Render what a replica answers to a scrape; `counts` are the partitions of streams with another count."""
    counts = {board.name: PARTITIONS for board in streams} | (counts or {})
    process = ProcessBoard(
        last_poll_timestamp_seconds=now, topic_partitions={(name, "log"): count for name, count in counts.items()}
    )
    collect = Collectors(Exports(moments=moments), ScrapeTimes(), SystemClock())
    families = collect(Published(now, tuple(streams), tuple(partitions), process))
    return text_of(Renderer(lambda _: [], lambda: None).blocks(families))


@contextmanager
def serving(texts):
    """Serve each text as /metrics of a target of its own; yields their addresses."""
    servers = [_server(body) for body in texts]
    try:
        yield [f"127.0.0.1:{server.server_address[1]}" for server in servers]
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def _server(body):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server

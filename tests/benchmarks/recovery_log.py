"""A log as long as the longest ring: a day and a half of event time, each pane of each ring with every series.

A record has no time of its own, so its event time is the record's timestamp. All records of a pane have one timestamp,
so a pane is one batch, built once and appended to every partition as it is: the client's producer would take minutes.
"""

import socket
import struct
import threading
import time

import numpy as np
from kafka.record.default_records import DefaultRecordBatchBuilder

from estimators.spec import StreamSpec, WindowSpec
from tests.faults.wire import pack

SERIES = 1000
MINUTE_US = 60_000_000
SPEC = StreamSpec(
    windows=tuple(WindowSpec(f"{minutes}m", minutes * MINUTE_US) for minutes in (5, 60, 1440)), max_series=SERIES
)
PAIRS = 3
NO_LEADER = (3, 6)  # error codes of a topic that was made a moment ago


def history_times_ms(now_ms):
    """Return the timestamps [N] at which every series has a record, so that no pane that is kept is empty."""
    times = {
        now_ms - back * ring.length_us // ring.panes_per_window // 1000
        for ring in SPEC.rings
        for back in range(1, ring.size + 1)
    }
    return sorted(times)


class Batches:
    """Draws batches of one record for each of some series."""

    def __init__(self, seed, pairs):
        self.pairs = pairs
        self._rng = np.random.default_rng(seed)

    def batch(self, series, at_ms):
        """Return one batch (format version 2, not compressed) as bytes."""
        logs_q = -self._rng.exponential(2.0, (len(series), self.pairs)) - 0.01
        logs_p = np.minimum(logs_q + self._rng.normal(-0.005, 0.1, logs_q.shape), -1e-6)
        builder = DefaultRecordBatchBuilder(
            magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
            batch_size=1 << 20,
        )  # fmt: skip
        for offset, (number, p, q) in enumerate(zip(series, logs_p, logs_q, strict=True)):
            fields = {
                "model": f"model-{number:04d}",
                "version": "7",
                "logp": p.astype("<f4").tobytes(),
                "logq": q.astype("<f4").tobytes(),
            }
            assert builder.append(offset, at_ms, None, pack(fields), []), "a batch has no room for its records"
        return bytes(builder.build())


class Appender:
    """Appends whole batches to every partition of a topic on one node: Produce requests of version 3, acks all."""

    def __init__(self, address, topic, partitions):
        host, port = address.split(":")
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        self._topic = topic.encode()
        self._partitions = partitions

    def append(self, batch):
        """Append one batch to each partition; those that have no leader yet are tried again."""
        left = list(range(self._partitions))
        while left:
            left = self._append(left, batch)
            time.sleep(0.2 * bool(left))

    def _append(self, partitions, batch):
        """Return the partitions without a leader."""
        parts = b"".join(struct.pack(">ii", partition, len(batch)) + batch for partition in partitions)
        topics = struct.pack(">ih", 1, len(self._topic)) + self._topic + struct.pack(">i", len(partitions)) + parts
        request = struct.pack(">hhih", 0, 3, 0, -1) + struct.pack(">hhi", -1, -1, 30_000) + topics
        self._socket.sendall(struct.pack(">i", len(request)) + request)
        answer = self._read(struct.unpack(">i", self._read(4))[0])
        at, refused = 4 + 4 + 2 + len(self._topic) + 4, []
        for _ in partitions:
            partition, error = struct.unpack_from(">ih", answer, at)
            assert error in (0, *NO_LEADER), f"the broker refused a batch of partition {partition}: error {error}"
            refused += [partition] * (error in NO_LEADER)
            at += 4 + 2 + 8 + 8
        return refused

    def close(self):
        self._socket.close()

    def _read(self, size):
        data = b""
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            assert part, "the broker closed the connection"
            data += part
        return data


class LiveLog:
    """A history, then every series once in `cycle_s` seconds in each partition, from a thread, until it is closed."""

    def __init__(self, address, topic, partitions, *, cycle_s, pairs=PAIRS):
        self._appender = Appender(address, topic, partitions)
        self._batches = Batches(7, pairs)
        self._cycle_s = cycle_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-log", daemon=True)
        self.records = 0  # in one partition
        self.broken = None

    def __enter__(self):
        for at_ms in history_times_ms(time.time_ns() // 1_000_000):
            self._append(range(SERIES), at_ms)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(30)
        self._appender.close()

    def _append(self, series, at_ms):
        self._appender.append(self._batches.batch(series, at_ms))
        self.records += len(series)

    def _run(self):
        """Append a share of the series each tenth of a cycle, at most a second."""
        try:
            share = min(1.0, 1.0 / self._cycle_s)
            count, next_one, due = round(SERIES * share), 0, time.monotonic()
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                due += self._cycle_s * share
                self._append([(next_one + i) % SERIES for i in range(count)], time.time_ns() // 1_000_000)
                next_one = (next_one + count) % SERIES
        except BaseException as error:
            self.broken = error
            raise

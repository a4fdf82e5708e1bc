"""The load: records in bursts, with rests between them in which windows can be compared exactly."""

import random
import threading
import time

from kafka import KafkaProducer
from kafka.errors import KafkaError

STEP_S = 0.1


class Load:
    """Appends `rate` records a second in bursts of `burst_s` seconds with `rest_s` between; ended by `close`.

    What it sends is not the truth: the log is. `sent_pairs` is what it handed over, for the progress line.
    """

    def __init__(self, bootstrap_servers, topic, partitions, messages, *, rate, burst_s=6.0, rest_s=4.5):
        self.topic = topic
        self.partitions = partitions
        self.rate = rate
        self.sent_records = 0
        self.refused = 0
        self._bootstrap = bootstrap_servers
        self._messages = messages
        self._dice = random.Random(messages.random.random())
        self._burst_s, self._rest_s = burst_s, rest_s
        self._producer = None
        self._stop = threading.Event()
        self._paused = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    @property
    def sent_pairs(self):
        """Pairs handed over, nearly: hostile records count as any other."""
        return self.sent_records * self._messages.pairs

    def start(self):
        """Begin."""
        self._thread.start()

    def burst(self, records):
        """Append so many records at once, in the caller's thread; only before `start` or while paused."""
        for begin in range(0, records, 500):
            self._send(min(500, records - begin))
        self._flush()

    def pause(self):
        """Append nothing until `resume`; returns when what was sent is in the log or given up."""
        self._paused.set()
        time.sleep(2 * STEP_S)
        self._flush()

    def resume(self):
        """Go on."""
        self._paused.clear()

    def close(self):
        """End, and wait until all that was sent is in the log or given up."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(60)
        self._flush()
        if self._producer is not None:
            self._producer.close(timeout=5)

    def _run(self):
        while not self._stop.is_set():
            until = time.monotonic() + self._burst_s
            while time.monotonic() < until and not self._stop.is_set():
                started = time.monotonic()
                if not self._paused.is_set():
                    self._send(max(1, round(self.rate * STEP_S)))
                self._stop.wait(max(0.0, STEP_S - (time.monotonic() - started)))
            self._stop.wait(self._rest_s)

    def _send(self, count):
        now_us = time.time_ns() // 1000
        for _ in range(count):
            value = self._messages.value(now_us)
            partition = self._dice.randrange(self.partitions)
            key = b"k" if value is None else None  # the client takes no tombstone without a key
            try:
                self._connected().send(self.topic, value=value, key=key, partition=partition)
                self.sent_records += 1
            except (KafkaError, AssertionError):
                # The buffer is full or the brokers do not answer: as with any producer, the record is not logged.
                self.refused += 1
                return

    def _connected(self):
        if self._producer is None:
            self._producer = KafkaProducer(
                bootstrap_servers=self._bootstrap,
                acks="all",
                enable_idempotence=False,
                linger_ms=20,
                max_block_ms=2000,
                request_timeout_ms=10_000,
                delivery_timeout_ms=30_000,
                metadata_max_age_ms=10_000,
                compression_type="lz4",
            )
        return self._producer

    def _flush(self):
        if self._producer is not None:
            try:
                self._producer.flush(timeout=40)
            except KafkaError:
                self.refused += 1

"""Seeded records with a known content, for the daemon to read and for the second program to recompute."""

import json
import math
import random

from tests.e2e.recomputation import Message


class Traffic:
    """Seeded pairs of several models over a span of event time, as JSON records and as messages to recompute from."""

    def __init__(self, seed, models=("ranker", "reader"), partitions=1):
        self.random = random.Random(seed)
        self.models = models
        self.partitions = partitions
        self.messages = []
        self._next = dict.fromkeys(range(partitions), 0)

    def records(self, count, start_s, end_s):
        """Return [(partition, timestamp_ms, value)] with event times spread over [start_s, end_s), nearly in order."""
        made = []
        for index in range(count):
            event_us = int((start_s + (end_s - start_s) * index / count) * 1e6) + self.random.randrange(1000)
            event_us -= self.random.randrange(3_000_000) if self.random.random() < 0.1 else 0
            made.append(self._record(event_us))
        return made

    def _record(self, event_us):
        draw = self.random
        partition = draw.randrange(self.partitions)
        model, version = draw.choice(self.models), draw.choice(("1", "2"))
        pairs = []
        for _ in range(draw.choice((1, 1, 1, 5))):
            log_q = -draw.expovariate(0.5) - 0.01
            pairs.append((min(-1e-6, log_q + draw.gauss(-0.02, 0.2)), log_q))
        # An integer of microseconds, so that both programs see the same time.
        record = {"model": model, "version": version, "ts": event_us}
        record |= {"logp": [p for p, _ in pairs], "logq": [q for _, q in pairs]}
        offset, self._next[partition] = self._next[partition], self._next[partition] + 1
        self.messages.append(
            Message(partition, offset, (model, version), event_us, tuple((p - q, 1.0) for p, q in pairs))
        )
        return partition, event_us // 1000, json.dumps(record).encode()


def close(found, expected, relative=1e-9):
    """Equal within a relative 1e-9, as two orders of summation allow."""
    return math.isclose(found, expected, rel_tol=relative, abs_tol=1e-15)

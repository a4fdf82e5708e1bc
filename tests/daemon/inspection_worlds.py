"""Batches for inspection: fixtures of every producer, and records that somebody else may have written."""

import json

import numpy as np

from daemon.inspection import inspect_batches
from daemon.source import Batch, Partition


def batch(values, timestamps_ms=None):
    """Records of one partition."""
    count = len(values)
    stamps = np.full(count, -1) if timestamps_ms is None else np.asarray(timestamps_ms)
    return Batch(Partition("log", 0), np.arange(count), stamps.astype(np.int64), list(values))


def inspected(records, timestamps_ms=None, **keys):
    """Finding of records that are given as dictionaries, or as bytes."""
    values = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in records]
    return inspect_batches([batch(values, timestamps_ms)], **keys)


class World:
    """Two models of 200 outcomes in one context, and sequences that one of them drew."""

    def __init__(self, seed=1, scale=0.5, kept=1.0):
        self.draw = np.random.default_rng(seed)
        logits = self.draw.normal(0, 2, 200)
        p, q = (np.exp(each - np.logaddexp.reduce(each)) for each in (logits, logits + self.draw.normal(0, scale, 200)))
        order = np.argsort(-q)
        q[order[np.searchsorted(np.cumsum(q[order]), kept) + 1 :]] = 0
        self.p, self.q = p, q / q.sum()

    def sequence(self, length):
        """Log-probabilities of a drawn sequence under p and under q, with six decimals."""
        x = self.draw.choice(200, length, p=self.q)
        return [np.log(each[x]).round(6).tolist() for each in (self.p, self.q)]

    def sequences(self, count=200, length=40):
        """Many of them."""
        return [self.sequence(length) for _ in range(count)]

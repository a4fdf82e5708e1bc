"""Batches for the decoder, and what it made of them as plain values that tests can compare."""

import json

import numpy as np

from daemon.codec import Format, compile_decoder
from daemon.source import Batch, Partition

#: Kafka timestamp of every record of `batch_of`, in milliseconds.
RECORD_TIME_MS = 1_600_000_000_000


def batch_of(values, first=0, timestamp_ms=RECORD_TIME_MS, headers=None):
    """Batch of raw values; dicts are written as JSON."""
    raw = [json.dumps(value).encode() if isinstance(value, dict) else value for value in values]
    count = len(raw)
    offsets = np.arange(first, first + count)
    return Batch(Partition("pairs", 0), offsets, np.full(count, timestamp_ms, np.int64), raw, headers)


def decode(*values, fmt=None, **format_keys):
    """Decode the values as one batch of the given format."""
    decoder = compile_decoder(fmt or Format(**format_keys))
    return decoder.decode(batch_of(values))


def messages(decoded):
    """Messages as tuples (offset, key, event time in us, ((log p, log q, weight), ...))."""
    pairs = decoded.pairs
    if pairs is None:
        return []
    assert pairs.first_pair[0] == 0
    assert (np.diff([*pairs.first_pair, pairs.log_p.size]) > 0).all()
    weight = np.ones(pairs.log_p.size) if pairs.weight is None else pairs.weight
    triples = list(zip(pairs.log_p.tolist(), pairs.log_q.tolist(), weight.tolist(), strict=True))
    ends = [*pairs.first_pair.tolist()[1:], len(triples)]
    return [
        (offset, key, time_us, tuple(triples[first:end]))
        for offset, key, time_us, first, end in zip(
            pairs.offset.tolist(),
            pairs.keys,
            pairs.event_time_us.tolist(),
            pairs.first_pair.tolist(),
            ends,
            strict=True,
        )
    ]


def reasons(decoded):
    """Counts by reason."""
    return {reason: rejected.count for reason, rejected in decoded.rejected.items()}


def reason(value, **format_keys):
    """Return the one reason by which the value is rejected, None where it is not."""
    decoded = decode(value, **format_keys)
    found = reasons(decoded)
    assert decoded.records + sum(found.values()) + decoded.ignored == 1
    return next(iter(found), None)


def pairs_of(*values, **format_keys):
    """Pairs (log p, log q, weight) of each message; fails where a record is rejected."""
    decoded = decode(*values, **format_keys)
    assert not decoded.rejected, decoded.rejected
    return [message[3] for message in messages(decoded)]

"""What the log says: each raw record judged and summed by a second program, in plain Python.

It follows DESIGN.md sections 4 to 6 and takes nothing from the daemon: own reading of bytes, own clock, own formulas
(math.expm1, math.fsum: each sum is exactly rounded), own splitmix64. Two programs do not share a bug.
"""

import math
import struct
from dataclasses import dataclass, field
from fractions import Fraction

from tests.faults.wire import MalformedError, unpack

U_MAX = 300.0
SENTINEL = -9000.0
TOLERANCE = 1e-3
LABEL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/@-")
MASK_64 = (1 << 64) - 1


@dataclass(frozen=True)
class Geometry:
    """Windows of the stream under test, in whole microseconds."""

    lengths_us: dict[str, int]
    panes: int = 30
    burn_in: int = 15
    max_skew_us: int = 60_000_000
    delay_us: int = 0

    @property
    def longest(self):
        """Label of the longest window."""
        return max(self.lengths_us, key=self.lengths_us.get)

    def pane(self, label, time_us):
        """Index of the pane that holds a time."""
        return time_us * self.panes // self.lengths_us[label]

    def retained(self, label):
        """Panes that the ring of a window keeps."""
        moved = Fraction((self.max_skew_us + self.delay_us) * self.panes, self.lengths_us[label])
        return self.panes + self.burn_in + math.ceil(moved)

    def is_late(self, event_us, clock_us):
        """Whether the longest ring has dropped the pane of a time."""
        label = self.longest
        return self.pane(label, event_us) <= self.pane(label, clock_us) - self.retained(label)


@dataclass(frozen=True, slots=True)
class Message:
    """One accepted message, one record: where it stands, when it happened, and what its pairs add up to.

    `sizes` are the sums with |terms| for the pairs' terms: what rounding is measured by.
    """

    partition: int
    offset: int
    series: tuple
    event_us: int
    append_us: int
    pairs: int
    zero_other: int
    clamped: int
    sums: dict
    sizes: dict


@dataclass
class PartitionTruth:
    """Everything that one partition's log holds, judged in the order of offsets."""

    partition: int
    messages: list = field(default_factory=list)
    offsets: list = field(default_factory=list)
    append_us: list = field(default_factory=list)
    rejected: dict = field(default_factory=dict)
    clock_us: int | None = None


def judge(partition, records, geometry):
    """Judge records [(offset, append_ms, value)] of one partition, ascending."""
    truth = PartitionTruth(partition)
    for offset, append_ms, value in records:
        append_us = append_ms * 1000
        truth.offsets.append(offset)
        truth.append_us.append(append_us)
        read = decode(value)
        if isinstance(read, str):
            truth.rejected[offset] = read
            continue
        series, event_us, pairs = read
        limit = append_us + geometry.max_skew_us
        truth.clock_us = max(truth.clock_us or 0, min(event_us, limit))
        kept = [pair for pair in pairs if valid(*pair)]
        if event_us > limit:
            truth.rejected[offset] = "future"
        elif geometry.is_late(event_us, truth.clock_us):
            truth.rejected[offset] = "late"
        elif not kept:
            truth.rejected[offset] = "empty"
        else:
            ratios = [log_p - log_q for log_p, log_q in kept]
            truth.messages.append(message(partition, offset, series, event_us, append_us, ratios))
    return truth


def decode(value):
    """Return (series, event microseconds, pairs), or the reason why the record says nothing."""
    if value is None:
        return "tombstone"
    try:
        record = unpack(value)
    except MalformedError:
        return "syntax"
    if not isinstance(record, dict) or not {"model", "version", "ts", "logp", "logq"} <= record.keys():
        return "schema"
    sides = record["logp"], record["logq"]
    if not all(isinstance(side, bytes) and len(side) % 4 == 0 for side in sides) or not isinstance(record["ts"], int):
        return "schema"
    series = record["model"], record["version"]
    if not all(isinstance(label, str) and 0 < len(label) <= 128 and LABEL.issuperset(label) for label in series):
        return "label"
    if len(sides[0]) != len(sides[1]):
        return "length_mismatch"
    count = len(sides[0]) // 4
    if not count:
        return "empty"
    # A number below 1e17 that is at least 1e14 is microseconds.
    assert 10**14 <= record["ts"] < 10**17, "the load writes microseconds"
    pairs = zip(*(struct.unpack(f"<{count}f", side) for side in sides), strict=True)
    return series, record["ts"], list(pairs)


def valid(log_p, log_q):
    """Whether a pair may enter a sum; q is the sampler."""
    finite_sentinel = any(side <= SENTINEL and side != -math.inf for side in (log_p, log_q))
    not_a_number = any(math.isnan(side) or side == math.inf for side in (log_p, log_q))
    return not (finite_sentinel or not_a_number or log_q == -math.inf or max(log_p, log_q) > TOLERANCE)


def message(partition, offset, series, event_us, append_us, ratios):
    """Sum the pairs of one message, which is one cluster; u = log p - log q, the sampler being q."""
    finite = [min(u, U_MAX) for u in ratios if u != -math.inf]
    zero = len(ratios) - len(finite)
    c = [math.expm1(u) for u in finite] + [-1.0] * zero
    sampler = [math.expm1(u) - u for u in finite]
    other = [u * math.exp(u) - math.expm1(u) for u in finite] + [1.0] * zero
    w2cc, k2 = math.fsum(x * x for x in c), math.fsum(u * u / 2 for u in finite)
    sums, sizes = (
        _products(len(ratios), add(c), add(finite), add(sampler), add(other))
        | {"WZ": float(zero), "W2CC": w2cc, "K2": k2}
        for add in (math.fsum, _size)
    )
    clamped = sum(u > U_MAX for u in ratios)
    return Message(partition, offset, series, event_us, append_us, len(ratios), zero, clamped, sums, sizes)


def _products(pairs, c, u, sf, of):
    """Return the sums of one cluster from those of its pairs, whose weights are 1."""
    w = float(pairs)
    return {
        "W": w, "C": c, "WW": w * w, "WC": w * c, "CC": c * c, "W2": w, "W2C": c, "U": u, "UU": u * u, "UW": u * w,
        "SF": sf, "SFF": sf * sf, "SFW": sf * w, "SFC": sf * c, "OF": of, "OFF": of * of, "OFW": of * w, "OFC": of * c,
    }  # fmt: skip


def _size(terms):
    """Sum of |terms|: of pairs, since those of one message may cancel, and rounding is of what was added."""
    return math.fsum(map(abs, terms))


def audit_hash(partition, offset):
    """48 bits of the splitmix64 finaliser of ((partition << 44) xor offset) + 0x9e3779b97f4a7c15."""
    h = (((partition << 44) ^ offset) + 0x9E3779B97F4A7C15) & MASK_64
    h = ((h ^ (h >> 30)) * 0xBF58476D1CE4E5B9) & MASK_64
    h = ((h ^ (h >> 27)) * 0x94D049BB133111EB) & MASK_64
    return (h ^ (h >> 31)) & ((1 << 48) - 1)

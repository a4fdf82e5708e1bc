"""Seeded records for the load: good ones of many pairs, and hostile ones among them."""

import array
import math
import random

from tests.faults.wire import pack

SERIES = tuple((model, version) for model in ("ranker", "reader", "writer") for version in ("1", "2"))
#: Of this one model some outcomes have p = 0, so that its divergence is infinite.
RULED_OUT = ("excluder", "1")
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


class Messages:
    """Draws records; every draw depends on the seed and on the calls before."""

    def __init__(self, seed, pairs, *, hostile_share=0.05, odd_time_share=0.01):
        self.random = random.Random(seed)
        self.pairs = pairs
        self.hostile_share = hostile_share
        self.odd_time_share = odd_time_share

    def value(self, now_us):
        """Return one record's bytes; now and then a hostile one, None among them."""
        if self.random.random() < self.hostile_share:
            return self.random.choice(_HOSTILE)(self, now_us)
        return pack(self._fields(now_us - self.random.randrange(20_000)))

    def _fields(self, event_us, *, spoil=None):
        draw = self.random
        if draw.random() < self.odd_time_share:
            event_us += draw.choice((-DAY_US * 400, -90_000_000, -5_000_000, 20_000_000, HOUR_US))
        series = RULED_OUT if draw.random() < 0.02 else draw.choice(SERIES)
        count = draw.randint(1, 2 * self.pairs - 1)
        logs_q = [-draw.expovariate(0.5) - 0.01 for _ in range(count)]
        logs_p = [min(-1e-6, log_q + draw.gauss(-0.02, 0.2)) for log_q in logs_q]
        if series is RULED_OUT:
            logs_p[0] = -math.inf
        if spoil is not None:
            for index in range(0, count, 3):
                logs_p[index], logs_q[index] = spoil
        return {
            "model": series[0],
            "version": series[1],
            "ts": event_us,
            "logp": _floats(logs_p),
            "logq": _floats(logs_q),
        }

    def garbage(self, _now_us):
        return b"\xc1" + self.random.randbytes(self.random.randrange(300))

    def truncated(self, now_us):
        whole = pack(self._fields(now_us))
        return whole[: self.random.randrange(1, len(whole))]

    def trailing(self, now_us):
        return pack(self._fields(now_us)) + b"\x00"

    def odd_length(self, now_us):
        return pack(self._fields(now_us) | {"logp": b"\x00" * 5})

    def unequal(self, now_us):
        fields = self._fields(now_us)
        return pack(fields | {"logp": fields["logp"] + _floats([-1.0])})

    def without_a_side(self, now_us):
        return pack({name: value for name, value in self._fields(now_us).items() if name != "logq"})

    def bad_label(self, now_us):
        label = self.random.choice(('a"b\\c\n', "<script>", "x" * 129, "\u202e"))
        return pack(self._fields(now_us) | {"model": label})

    def deep(self, _now_us):
        return b"\x91" * 50_000

    def huge_claim(self, _now_us):
        return b"\xdd\xff\xff\xff\xff" + b"\x00" * 100

    def tombstone(self, _now_us):
        return None

    def no_pair(self, now_us):
        return pack(self._fields(now_us) | {"logp": b"", "logq": b""})

    def all_nan(self, now_us):
        return pack(self._fields(now_us) | {"logp": _floats([math.nan]), "logq": _floats([-1.0])})

    def some_spoilt(self, now_us):
        spoil = self.random.choice(
            ((math.nan, -1.0), (-1.0, -math.inf), (0.5, -1.0), (-9999.0, -1.0), (-1.0, math.inf))
        )
        return pack(self._fields(now_us, spoil=spoil))

    def far_ratio(self, now_us):
        return pack(self._fields(now_us, spoil=(-1.0, -400.0)) | {"model": "far"})


_HOSTILE = (
    Messages.garbage, Messages.truncated, Messages.trailing, Messages.odd_length, Messages.unequal,
    Messages.without_a_side, Messages.bad_label, Messages.deep, Messages.huge_claim, Messages.tombstone,
    Messages.no_pair, Messages.all_nan, Messages.some_spoilt, Messages.far_ratio,
)  # fmt: skip


def _floats(values):
    packed = array.array("f", values)
    return packed.tobytes()

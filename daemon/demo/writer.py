"""Token pairs drawn from distributions whose divergence is known, in good times and bad."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from daemon.demo.messages import Message, SeriesKey
from daemon.demo.models import CONTEXTS, ModelFamily, Regime, Table, truncated

#: What the traffic of one model version is like.
Traffic = Literal["calm", "truncated", "shifted", "ramp", "bad_values", "silent"]

STREAM: Final = "tokens"
MODEL: Final = "writer"
#: Sequences a second by version. 50 x 180 pairs a second are enough for the self-check to pass within 12 s: it needs
#: 25 Var(r) / (0.1 KL)^2 pairs, which is 105,000 at 0.05 nats (DESIGN.md, section 4).
RATES: Final[Mapping[str, float]] = {"1": 25.0, "2": 50.0}

CALM_NATS: Final = 0.05
SHIFTED_NATS: Final = 0.25
KEPT_MASS: Final = 0.9
RAMP_SECONDS: Final = 40.0
DECIMALS: Final = 5  # of the logged log-probabilities

_RAMP_STEPS: Final = 40
_SHORTEST, _LONGEST = 120, 240
_BAD_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class _Written:
    """Values as they are written, which pairs of them can be used, and what must be rejected, by reason."""

    log_p: list[float | None]
    usable: NDArray[np.bool_]
    bad: tuple[tuple[str, int], ...] = ()


class TokenWriter:
    """One model version that samples tokens from q while p is its twin with slightly other logits.

    Each token's context is drawn uniformly, so the divergence per token is the mean of the contexts' divergences.
    """

    def __init__(self, version: str, seed: int) -> None:
        self.rate = RATES[version]
        self.series: SeriesKey = (STREAM, (MODEL, version))
        self._random = np.random.default_rng([seed, int(version)])
        self._family = ModelFamily(self._random)
        self.calm = self._family.apart(CALM_NATS)
        self.truncated = truncated(self.calm, KEPT_MASS)
        self.shifted = self._family.apart(SHIFTED_NATS)
        self._ramp: list[Regime] = []
        self._change: tuple[Traffic, int] = ("calm", 0)  # one value: one thread sets it, another one reads it
        self._drawn = 0

    def change(self, traffic: Traffic, event_us: int) -> None:
        """Let everything from this event time on be such."""
        if traffic == "ramp" and not self._ramp:
            levels = np.linspace(CALM_NATS, SHIFTED_NATS, _RAMP_STEPS + 1)
            self._ramp = [self._family.apart(float(nats)) for nats in levels]
        self._change = (traffic, event_us)

    def next_message(self, event_us: int) -> Message | None:
        """Return one sequence as a canonical record; of bad values, every second record has some; None if silent."""
        traffic, since_us = self._change
        if traffic == "silent":
            return None
        regime = self._regime(traffic, event_us - since_us)
        log_p, log_q = self.sequence(regime)
        self._drawn += 1
        spoilt = traffic == "bad_values" and self._drawn % 2 == 1
        written = self._spoil(log_p) if spoilt else _Written(log_p.tolist(), np.ones(len(log_p), np.bool_))
        return self._message(event_us, regime, log_p, log_q, written)

    def sequence(self, regime: Regime) -> tuple[Table, Table]:
        """Draw one sequence and return its (log p, log q) per token, nats, rounded as the log has them."""
        length = int(self._random.integers(_SHORTEST, _LONGEST + 1))
        context = self._random.integers(0, CONTEXTS, length)
        rows = regime.cumulative[context]
        # Scaled by the row's end, which is 1 up to rounding, so that no draw falls beyond the vocabulary.
        token = (rows <= (self._random.random(length) * rows[:, -1])[:, None]).sum(axis=1)
        return np.round(regime.log_p[context, token], DECIMALS), np.round(regime.log_q[context, token], DECIMALS)

    def _regime(self, traffic: Traffic, since_us: int) -> Regime:
        if traffic == "ramp":
            return self._ramp[min(_RAMP_STEPS, max(0, int(since_us / (RAMP_SECONDS * 1e6) * _RAMP_STEPS)))]
        return {"truncated": self.truncated, "shifted": self.shifted}.get(traffic, self.calm)

    def _message(self, event_us: int, regime: Regime, log_p: Table, log_q: Table, written: _Written) -> Message:
        """Make a record with log p as it is written, and what of it can be used."""
        record = {"model": MODEL, "version": self.series[1][1], "ts": event_us}
        record |= {"logp": written.log_p, "logq": log_q.tolist()}
        u = (log_p - log_q)[written.usable]
        return Message(
            value=json.dumps(record, separators=(",", ":")).encode(),
            series=self.series,
            event_us=event_us,
            pairs=len(u),
            naive_sum=-math.fsum(u.tolist()),
            fixed_sum=math.fsum((np.expm1(u) - u).tolist()),
            truth=regime.truth,
            bad=written.bad,
        )

    def _spoil(self, log_p: Table) -> _Written:
        """Write some values as what is none.

        In turns: NaN as Python writes it, which is no JSON, so that the whole record is lost; and null, which loses
        one pair each. Which ones does not depend on the values, so what is left has the same truth.
        """
        hit = self._random.random(len(log_p)) < _BAD_SHARE
        hit[0] = True
        nan = self._drawn % 4 == 1
        values = [(math.nan if nan else None) if bad else value for value, bad in zip(log_p.tolist(), hit, strict=True)]
        if nan:
            return _Written(values, np.zeros(len(log_p), np.bool_), (("syntax", 1),))
        return _Written(values, ~hit, (("sentinel", int(hit.sum())),))

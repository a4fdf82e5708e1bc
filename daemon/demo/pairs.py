"""What the demo sends: the real log as it is, and token pairs drawn from distributions whose divergence is known."""

import csv
import gzip
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from estimators.estimates import Direction

#: The models of the token stream by version: how far the trainer's logits are moved from the sampler's, at random.
WRITER_VERSIONS: Final[Mapping[str, float]] = {"1": 0.07, "2": 0.16}
WRITER_MODEL: Final = "writer"
WRITER_RATE: Final = 40.0  # sequences a second and version
LOG_RATE: Final = 100.0  # rows a second
LOG_CAMPAIGNS: Final = ("all", "men")

_CONTEXTS, _VOCABULARY = 12, 400
_SHORTEST, _LONGEST = 20, 60
_LOG_FILE: Final = "open_bandit_bts.csv.gz"


@dataclass(frozen=True, slots=True)
class Truth:
    """What a series' estimates should come to; None where nobody knows it."""

    kl_nats: Mapping[Direction, float | None]
    ratio_mean: float = 1.0  # both streams' samplers cover the other side


class ValueSource(Protocol):
    """Makes the values of one stream, one record at a time."""

    rate: float  # records a second

    def next_value(self, now: float) -> bytes:
        """Return the next record's value; `now` is its event time in seconds."""

    def truths(self) -> Mapping[tuple[str, ...], Truth]:
        """Return the truth of every series, by its label values."""


class TokenWriter:
    """One model version that samples tokens from q while p is its twin with slightly other logits.

    Each token's context is drawn uniformly, so the divergence per token is the mean of the contexts' divergences.
    """

    rate = WRITER_RATE

    def __init__(self, version: str, seed: int) -> None:
        self._version = version
        self._random = np.random.default_rng([seed, int(version)])
        logits = 2.0 * self._random.standard_normal((_CONTEXTS, _VOCABULARY))
        moved = logits + WRITER_VERSIONS[version] * self._random.standard_normal((_CONTEXTS, _VOCABULARY))
        self.log_q, self.log_p = _log_softmax(logits), _log_softmax(moved)
        self._cumulative = np.cumsum(np.exp(self.log_q), axis=1)

    def sequence(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw one sequence and return its (log p, log q) per token, nats."""
        length = int(self._random.integers(_SHORTEST, _LONGEST + 1))
        context = self._random.integers(0, _CONTEXTS, length)
        rows = self._cumulative[context]
        # Scaled by the row's end, which is 1 up to rounding, so that no draw falls beyond the vocabulary.
        token = (rows <= (self._random.random(length) * rows[:, -1])[:, None]).sum(axis=1)
        return self.log_p[context, token], self.log_q[context, token]

    def next_value(self, now: float) -> bytes:
        """Return one sequence as a canonical record."""
        log_p, log_q = self.sequence()
        record = {"model": WRITER_MODEL, "version": self._version, "ts": now}
        return json.dumps(record | {"logp": log_p.tolist(), "logq": log_q.tolist()}).encode()

    def truths(self) -> Mapping[tuple[str, ...], Truth]:
        """Sum the distributions themselves."""
        kl: dict[Direction, float | None] = {
            "reverse": _mean_divergence(self.log_q, self.log_p),
            "forward": _mean_divergence(self.log_p, self.log_q),
        }
        return {(WRITER_MODEL, self._version): Truth(kl)}


class RealLog:
    """The rows of the Open Bandit log that the package ships, in order and over and over, stamped with the present."""

    rate = LOG_RATE

    def __init__(self) -> None:
        self._rows = _endless_rows()

    def next_value(self, now: float) -> bytes:
        """Return the next row with its time replaced."""
        row = next(self._rows)
        record: dict[str, object] = {"timestamp": now, "campaign": row["campaign"], "position": row["position"]}
        # The row's own digits, so that the daemon parses the same doubles.
        digits = {name: float(row[name]) for name in ("propensity_score", "uniform_probability")}
        return json.dumps(record | digits).encode()

    def truths(self) -> Mapping[tuple[str, ...], Truth]:
        """Nobody knows the divergence behind a real log; its ratios have the mean 1."""
        return {(campaign,): Truth({"reverse": None, "forward": None}) for campaign in LOG_CAMPAIGNS}


def _endless_rows() -> Iterator[dict[str, str]]:
    packed = resources.files("daemon").joinpath("data", _LOG_FILE).read_bytes()
    rows = list(csv.DictReader(gzip.decompress(packed).decode().splitlines()))
    while True:
        yield from rows


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    normalised: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normalised


def _mean_divergence(log_a: NDArray[np.float64], log_b: NDArray[np.float64]) -> float:
    """KL(a||b) in nats, averaged over contexts; exactly rounded sums."""
    terms = np.exp(log_a) * (log_a - log_b)
    return math.fsum(terms.ravel().tolist()) / len(log_a)

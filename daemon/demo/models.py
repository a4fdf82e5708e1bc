"""Pairs of models whose divergence is known exactly: summed over their own distributions, truncated ones included."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from estimators.estimates import Direction

Table = NDArray[np.float64]

CONTEXTS: Final = 12
VOCABULARY: Final = 400

_LOGIT_SPREAD: Final = 2.0
_HALVINGS: Final = 50  # of the noise's scale, until a double has no more digits


@dataclass(frozen=True, slots=True)
class Truth:
    """What estimates should come to.

    Attributes
    ----------
    kl_nats : by direction, nats a pair; inf where the sampler rules out what the other can draw; None: nobody knows
    ratio_mean : E[p/q] under q: the mass of p where q can draw
    """

    kl_nats: Mapping[Direction, float | None]
    ratio_mean: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Regime:
    """Two models in one situation: q, which samples and is logged so, and p; of each context, over the vocabulary.

    Attributes
    ----------
    log_p, log_q : float64 [contexts, vocabulary], natural logarithms; -inf where q cannot draw
    cumulative : float64 [contexts, vocabulary] of q, for drawing
    truth : contexts are drawn alike, so it is the mean over them
    """

    log_p: Table
    log_q: Table
    cumulative: Table
    truth: Truth


def regime(log_p: Table, log_q: Table) -> Regime:
    """Sum what is to be known of two tables of log-probabilities [contexts, vocabulary]."""
    truth = Truth(
        {"reverse": mean_divergence(log_q, log_p), "forward": mean_divergence(log_p, log_q)},
        ratio_mean=math.fsum(np.exp(log_p[np.isfinite(log_q)]).tolist()) / len(log_q),
    )
    return Regime(log_p, log_q, np.cumsum(np.exp(log_q), axis=1), truth)


class ModelFamily:
    """A sampler, and others that are as far from it as one asks: its logits moved at random, by a common scale."""

    def __init__(self, random: np.random.Generator) -> None:
        self._logits = _LOGIT_SPREAD * random.standard_normal((CONTEXTS, VOCABULARY))
        self._noise = random.standard_normal((CONTEXTS, VOCABULARY))
        self._log_q = log_softmax(self._logits)

    def apart(self, nats: float) -> Regime:
        """Return the regime whose KL(q||p) is `nats`: by bisection of the scale, with which it grows."""
        low, high = 0.0, 4.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            terms = np.exp(self._log_q) * (self._log_q - self._moved(middle))
            low, high = (middle, high) if terms.sum() / CONTEXTS < nats else (low, middle)
        return regime(self._moved(high), self._log_q)

    def _moved(self, scale: float) -> Table:
        return log_softmax(self._logits + scale * self._noise)


def truncated(calm: Regime, kept: float) -> Regime:
    """Let q draw from its nucleus only, and log what it draws so; p stays as it is (top-p sampling).

    The nucleus is the smallest set of the most probable outcomes that holds at least `kept` of the mass
    (A. Holtzman et al., The Curious Case of Neural Text Degeneration, 2020).
    """
    log_q = np.full_like(calm.log_q, -np.inf)
    for context, row in enumerate(calm.log_q):
        order = np.argsort(-row, kind="stable")
        mass = np.cumsum(np.exp(row[order]))
        last = int(np.searchsorted(mass, kept))
        nucleus = order[: last + 1]
        log_q[context, nucleus] = row[nucleus] - math.log(mass[last])
    return regime(calm.log_p, log_q)


def log_softmax(logits: Table) -> Table:
    """Return the log-probabilities [contexts, vocabulary] of logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    normalised: Table = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normalised


def mean_divergence(log_a: Table, log_b: Table) -> float:
    """KL(a||b) in nats, averaged over contexts; inf where b rules out what a can draw. Exactly rounded sums."""
    drawn = np.isfinite(log_a)
    a, b = log_a[drawn], log_b[drawn]
    return math.fsum((np.exp(a) * (a - b)).tolist()) / len(log_a)

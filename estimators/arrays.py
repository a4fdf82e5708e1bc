"""The way in for people with arrays: one call, one window, nothing withheld."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from estimators.blocks import Blocks, absorb, estimate_blocks
from estimators.estimates import Sampler
from estimators.pairs import Floats, Ints
from estimators.selfcheck import resolution_of
from estimators.summary import Summary, summary_of
from estimators.validation import Rules, validate

_PRECISION: Final = "float32"


def summarize(
    log_p: ArrayLike,
    log_q: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    messages: ArrayLike | None = None,
    sampled_from: Sampler = "q",
) -> Summary:
    """Estimate KL(q||p) and KL(p||q) from log-probabilities of drawn outcomes, with errors and a self-check.

    Parameters
    ----------
    log_p, log_q : array_like of float [pairs]
        Natural log-probabilities of the same outcomes x under p and under q; -inf is probability 0.
    weights : array_like of float [pairs], optional
        Importance or inverse-inclusion weights; 1 if not given.
    messages : array_like [pairs], optional
        Which message (request, sequence, session) a pair belongs to: equal neighbours are one message. Pairs of one
        message may depend on each other, and count as one for the errors. Every pair is a message if not given.
    sampled_from : "q" or "p"
        Which of the two the outcomes were drawn from.

    Returns
    -------
    Summary
        Values in nats; its repr is a table. Pairs that cannot be used are left out and counted in `rejected`.

    Raises
    ------
    ValueError
        Shapes that do not fit, values that are no numbers, or another `sampled_from`.

    Examples
    --------
    Two normal distributions one apart, whose divergence is 1/2 either way:

    >>> import numpy as np
    >>> from estimators import summarize
    >>> x = np.random.default_rng(1).normal(0, 1, 100_000)  # drawn from q
    >>> summary = summarize(log_p=-((x - 1) ** 2) / 2, log_q=-(x**2) / 2, sampled_from="q")
    >>> round(summary.reverse.adaptive.value, 2)
    0.5
    >>> summary.comparable
    True
    """
    if sampled_from not in {"p", "q"}:
        raise ValueError(f"sampled_from is 'p' or 'q', not {sampled_from!r}")
    p = _column("log_p", log_p)
    q = _column("log_q", log_q, len(p))
    weight = None if weights is None else _column("weights", weights, len(p))
    valid = validate(p, q, weight, _first_pairs(messages, len(p)), Rules(sampled_from=sampled_from))
    kept = valid.message
    blocks = absorb(
        Blocks.empty(1), valid.u, valid.weight, valid.first_pair, np.zeros_like(kept), offset=kept, partition=0
    )
    estimates = estimate_blocks(blocks, sampled_from=sampled_from, resolution=resolution_of(_PRECISION), min_messages=1)
    return summary_of(estimates, 0, sampled_from, valid.rejected)


def _column(name: str, values: ArrayLike, length: int | None = None) -> Floats:
    """Return a one-dimensional float64 array, or say which argument is none."""
    try:
        column = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers: {error}") from None
    _check_shape(name, column.shape, length)
    return column


def _check_shape(name: str, shape: tuple[int, ...], length: int | None) -> None:
    """Refuse anything but one value per pair."""
    if len(shape) != 1:
        raise ValueError(f"{name} must have one dimension, one value per pair; its shape is {shape}")
    if length is not None and shape[0] != length:
        raise ValueError(f"{name} has {shape[0]} values, log_p has {length}; they must be of the same pairs")


def _first_pairs(messages: ArrayLike | None, pairs: int) -> Ints:
    """Return where each message begins."""
    if messages is None:
        return np.arange(pairs)
    ids = np.asarray(messages)
    _check_shape("messages", ids.shape, pairs)
    begins = np.ones(pairs, np.bool_)
    begins[1:] = ids[1:] != ids[:-1]
    return np.flatnonzero(begins)

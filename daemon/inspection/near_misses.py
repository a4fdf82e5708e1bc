"""What two fields would be if they were written otherwise: the faults that newcomers' logs have most often."""

from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np

from daemon.inspection.leaves import SENTINEL, Leaf, Look
from daemon.inspection.names import says_loss, says_probability, side_of
from daemon.inspection.ratios import LOG_RATIO_LIMIT, Ratios
from estimators.pairs import Floats

#: Fields that are tried with one another.
_FIELDS_MAX: Final = 10
_PAIRS_MIN: Final = 30
#: The mean ratio of one side must be this near 1, and known so well: of unrelated numbers it is anything.
_DEVIATION_MAX: Final = 0.25
_ERROR_MAX: Final = 0.1
_KEPT: Final = 0.95


class _Reading(NamedTuple):
    """A way to take numbers for log-probabilities, which names speak for it, and what to do."""

    logs: Callable[[Floats], Floats]
    named: Callable[[str], bool]
    advice: str


_READINGS: Final = (
    _Reading(
        np.negative,
        lambda path: says_loss(path) or says_probability(path),
        "look like negated log-probabilities, -log p, as losses are: write them with the other sign",
    ),
    _Reading(
        lambda values: np.log(np.maximum(values, 1e-300) / 100),
        says_probability,
        "look like probabilities in percent: divide them by 100",
    ),
)


def near_miss(leaves: Iterable[Leaf]) -> str:
    """Say which two fields would be two sides if they were written otherwise, and how; empty where none would."""
    fields = [leaf for leaf in leaves if leaf.look is Look.NUMBER and _is_positive(leaf.known)]
    fields.sort(key=lambda leaf: (side_of(leaf.path) is None, not says_probability(leaf.path)))
    for first, second in _couples(fields[:_FIELDS_MAX]):
        for reading in _READINGS:
            if _would_fit(first, second, reading):
                return f"`{first.path}` and `{second.path}` {reading.advice}."
    return ""


def unequal_signs(leaves: Iterable[Leaf]) -> str:
    """Say that of two sides one is a log-probability and the other a negated one; empty where none is."""
    named = [leaf for leaf in leaves if side_of(leaf.path) is not None]
    for plain in (leaf for leaf in named if leaf.look is Look.LOG_PROBABILITY):
        for loss in (leaf for leaf in named if leaf.look is Look.NUMBER and _is_positive(leaf.known)):
            if plain.aligned(loss):
                return (
                    f"`{plain.path}` holds log-probabilities, but `{loss.path}` is positive, as -log p is: write it "
                    "with the other sign."
                )
    return ""


def _couples(fields: list[Leaf]) -> Iterator[tuple[Leaf, Leaf]]:
    return ((one, other) for one, other in combinations(fields, 2) if one.aligned(other))


def _is_positive(values: Floats) -> bool:
    """Whether nearly all are; probabilities and losses are."""
    return bool(values.size) and bool((values >= 0).mean() >= _KEPT) and bool(values.max() > 1)


def _would_fit(first: Leaf, second: Leaf, reading: _Reading) -> bool:
    values = [np.array(leaf.numbers, np.float64) for leaf in (first, second)]
    if values[0].size != values[1].size:
        return False
    known = np.logical_and.reduce([np.isfinite(each) & (each > SENTINEL) for each in values])
    one, other = (reading.logs(each[known]) for each in values)
    possible = (one <= 0) & (other <= 0)
    if one.size < _PAIRS_MIN or possible.mean() < _KEPT:
        return False
    d = np.clip((one - other)[possible], -LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    ratios = Ratios(d, None, np.arange(d.size))
    means = [ratios.mean(np.exp(sign * d), 1.0) for sign in (-1, 1)]
    fits = any(abs(mean.value - 1) <= _DEVIATION_MAX and mean.error <= _ERROR_MAX for mean in means)
    # Two measurements that hardly vary fit too: what says nothing of the kind must vary, and together.
    return fits and (
        all(map(reading.named, (first.path, second.path))) or _move_together(one[possible], other[possible])
    )


def _move_together(one: Floats, other: Floats) -> bool:
    """Whether two models' log-probabilities of the same outcomes: their spread over outcomes is shared."""
    spread = min(one.std(), other.std())
    return bool(spread > 0.1) and bool(np.corrcoef(one, other)[0, 1] > 0.5)

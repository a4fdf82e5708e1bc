"""Which pairs no model chose: the mask that leaves them out, or the placeholders that show that one is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from daemon.inspection.candidates import Shape, mask_arrays
from daemon.inspection.columns import read
from daemon.inspection.finding import MaskEvidence
from daemon.inspection.leaves import Leaf
from daemon.inspection.names import MASKS, last_name
from daemon.inspection.ratios import Ratios
from daemon.source import Batch
from estimators.certain import Certain
from estimators.estimates import Sampler
from estimators.pairs import Floats, Pairs

_ROLES: Final = ("mask", "message_mask")
#: An array without a telling name is a mask where what it leaves out is placeholders, but for this part.
_ASTRAY: Final = 0.02
#: Logs of so many decimals have no nearly certain outcomes: below 1e-4 there is only 0.
_DECIMALS_MAX: Final = 4
_PAIRS_MAX: Final = 200_000


class _Count(NamedTuple):
    pairs: int
    placeholders: int


def with_mask(probe: Sequence[Batch], shape: Shape, leaves: Mapping[str, Leaf]) -> tuple[Shape, MaskEvidence]:
    """Return the shape with the mask that it needs, and what the mask leaves out; later steps add the rest."""
    bare = _with(shape, None)
    whole = _count(probe, bare)
    arrays = mask_arrays(shape, leaves)
    known = [shape.fmt.paths[role] for role in _ROLES if shape.fmt.paths.get(role) in leaves]
    if known:
        evidence = MaskEvidence(", ".join(known), "name", _left_out(whole, _count(probe, shape)))
    elif named := [path for path in arrays if last_name(path) in MASKS]:
        shape = _with(shape, named[0])
        evidence = MaskEvidence(named[0], "name", _left_out(whole, _count(probe, shape)))
    else:
        shape, evidence = _fitting(probe, bare, arrays, whole)
    taken = {shape.fmt.paths.get(role) for role in _ROLES}
    return shape, replace(evidence, candidates=tuple(path for path in arrays if path not in taken))


def with_placeholders(
    evidence: MaskEvidence, pairs: Pairs, ratios: Ratios, sampler: Sampler, *, nats: float, resolution: str
) -> MaskEvidence:
    """Add the pairs that are left with 0 on both sides: their share, what they are, and what they do to the KL."""
    certain = Certain.empty().absorb(
        pairs.log_p, pairs.log_q, pairs.weight, pairs.first_pair, np.zeros(pairs.first_pair.size, np.int64)
    )
    zeros = certain.pairs(0)
    if not zeros:
        return evidence
    u = nats * (-ratios.d if sampler == "q" else ratios.d)
    share = zeros / pairs.log_p.size
    with_them = ratios.mean(np.expm1(u) - u, 0.0).value
    weight = float(ratios.pairs if ratios.weight is None else ratios.weight.sum())
    without = weight - certain.weight(0)
    return replace(
        evidence,
        placeholders=share,
        missing=certain.placeholders(0) and not rounds_to_certain(resolution),
        kl_with=with_them,
        # They add nothing to the sum, only to what it is divided by.
        kl_without=with_them * weight / without if without > 0 else float("nan"),
    )


def rounds_to_certain(resolution: str) -> bool:
    """Whether nearly certain outcomes are written as certain ones, so that zeros cannot be told from placeholders."""
    kind, _, digits = resolution.partition(":")
    return kind == "decimals" and int(digits) <= _DECIMALS_MAX


def _with(shape: Shape, mask: str | None) -> Shape:
    paths = {role: path for role, path in shape.fmt.paths.items() if role not in _ROLES}
    if mask is not None:
        paths["mask"] = mask
    return replace(shape, fmt=replace(shape.fmt, paths=paths))


def _fitting(probe: Sequence[Batch], bare: Shape, arrays: Sequence[str], whole: _Count) -> tuple[Shape, MaskEvidence]:
    """Take the first array that leaves out the placeholders and nothing else."""
    for path in arrays:
        masked = _with(bare, path)
        left = _count(probe, masked)
        out, out_placeholders = whole.pairs - left.pairs, whole.placeholders - left.placeholders
        most = out_placeholders >= (1 - _ASTRAY) * whole.placeholders
        if 0 < out <= (1 + _ASTRAY) * out_placeholders and most:
            return masked, MaskEvidence(path, "evidence", _left_out(whole, left))
    return bare, MaskEvidence()


def _count(probe: Sequence[Batch], shape: Shape) -> _Count:
    pairs = read(probe, shape.fmt, _PAIRS_MAX).pairs
    return _Count(0, 0) if pairs is None else _Count(pairs.log_p.size, int(np.count_nonzero(_both_zero(pairs))))


def _both_zero(pairs: Pairs) -> Floats:
    return np.asarray((pairs.log_p == 0) & (pairs.log_q == 0), np.float64)


def _left_out(whole: _Count, left: _Count) -> float:
    return 1 - left.pairs / whole.pairs if whole.pairs else 0.0

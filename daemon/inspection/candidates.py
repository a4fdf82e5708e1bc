"""Shapes that the records could be read by: presets that decode them, else couples of fields that may be two sides."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import numpy as np

from daemon.codec import Format
from daemon.codec.format import Encoding
from daemon.errors import UsageError
from daemon.inspection.columns import ratios_of, read, usable_pairs
from daemon.inspection.finding import SamplerEvidence
from daemon.inspection.leaves import POSITIVE, SENTINEL, Leaf, Look
from daemon.inspection.names import MASKS, WEIGHTS, last_name, says_probability, side_of
from daemon.inspection.sampler import sampler_evidence
from daemon.presets import PRESETS
from daemon.source import Batch
from estimators.estimates import Sampler

#: A shape fits where it reads this part of the readable records, and of their pairs this part can be used.
_SHARE: Final = 0.5
#: Fields that are tried with one another: more are no log of pairs.
_FIELDS_MAX: Final = 10
#: Couples without a telling name are only believed where the sampler would hold this part of the other's mass.
_KEPT_MIN: Final = 0.2
#: And couples of probabilities without one only where the mean ratio is known so well.
_ERROR_MAX: Final = 0.1
_PROBABLE_PAIRS: Final = 200_000


@dataclass(frozen=True, slots=True)
class Shape:
    """One way to read the records.

    Attributes
    ----------
    fmt : Format
        Without labels; a record needs no time.
    preset : str or None
        Its name; None for paths of our own.
    q_path, p_path : str
        Where the sides are, for people.
    named : "q", "p" or None
        The sampler's side by the fields' names.
    logarithms : bool
        Whether the fields hold log-probabilities.
    """

    fmt: Format
    preset: str | None
    q_path: str
    p_path: str
    named: Sampler | None
    logarithms: bool

    def reading(self, **paths: str) -> "Shape":
        """Return the same shape with further paths, by role."""
        return replace(self, fmt=replace(self.fmt, paths={**self.fmt.paths, **paths}))

    def swapped(self) -> "Shape":
        """Return the same couple with p's field as q's."""
        other = {"p": "q", "q": "p", "log_p": "log_q", "log_q": "log_p"}
        other |= {"token_ids_p": "token_ids_q", "token_ids_q": "token_ids_p"}
        paths = {other.get(role, role): path for role, path in self.fmt.paths.items()}
        named: Sampler | None = None if self.named is None else ("p" if self.named == "q" else "q")
        return replace(self, fmt=replace(self.fmt, paths=paths), q_path=self.p_path, p_path=self.q_path, named=named)


def preset_shape(probe: Sequence[Batch], encoding: Encoding, readable: int, leaves: Mapping[str, Leaf]) -> Shape | None:
    """Return the preset that reads most of the records, at least half; None where none does."""
    best: tuple[tuple[int, int], Shape] | None = None
    for name, preset in PRESETS.items():
        fmt = replace(preset.format, encoding=encoding, label_names=(), label_paths={}, require_time=False)
        roles = ("log_q", "log_p") if _has(fmt, leaves, "log_q") else ("q", "p")
        decoded = _reads(probe, fmt)
        shape = Shape(fmt, name, _shown(fmt, roles[0]), _shown(fmt, roles[1]), "q", roles[0] == "log_q")
        known = sum(path in leaves for path in fmt.paths.values())
        if decoded >= _SHARE * readable and decoded and (best is None or (decoded, known) > best[0]):
            best = (decoded, known), shape
    return None if best is None else best[1]


def couples(
    probe: Sequence[Batch], encoding: Encoding, readable: int, leaves: Mapping[str, Leaf]
) -> tuple[Shape, list[tuple[str, str]]] | None:
    """Return the best couple of fields as a shape, and the others that could be one; None where none could."""
    scored = []
    for first, second in _fields(leaves):
        shape = _shape(first, second, encoding)
        score = _score(probe, _with_named_mask(shape, leaves), readable)
        if score is not None:
            scored.append((score, shape))
    if not scored:
        return None
    scored.sort(key=lambda each: each[0], reverse=True)
    best = scored[0][1]
    return _with_weight(_with_tokens(best, leaves), leaves), [(each.q_path, each.p_path) for _, each in scored[1:]]


def mask_arrays(shape: Shape, leaves: Mapping[str, Leaf]) -> list[str]:
    """Arrays of 0 and 1 beside the sides' arrays, the outermost first."""
    side = next((leaves[path] for path in (shape.q_path, shape.p_path) if path in leaves), None)
    if side is None or side.depth == 0:
        return []
    found = [leaf.path for leaf in leaves.values() if leaf.look is Look.FLAG and leaf.aligned(side)]
    return sorted(found, key=lambda path: path.count("."))


def _with_named_mask(shape: Shape, leaves: Mapping[str, Leaf]) -> Shape:
    """Judge a couple without the prompts that a mask of a known name leaves out."""
    named = [path for path in mask_arrays(shape, leaves) if last_name(path) in MASKS]
    return shape.reading(mask=named[0]) if named else shape


def _has(fmt: Format, leaves: Mapping[str, Leaf], role: str) -> bool:
    path = fmt.paths.get(role)
    return path is not None and ("q" not in fmt.paths or path in leaves)


def _shown(fmt: Format, role: str) -> str:
    """Path of a side; of one that has none, what stands for it."""
    if role in fmt.paths:
        return fmt.paths[role]
    return f"uniform over {fmt.paths['uniform_over']}" if "uniform_over" in fmt.paths else role


def _reads(probe: Iterable[Batch], fmt: Format) -> int:
    """Count the records that give pairs, if enough of these can be used."""
    try:
        found = read(probe, fmt, _PROBABLE_PAIRS)
    except UsageError:
        return 0
    if found.pairs is None:
        return 0
    usable = usable_pairs(found.pairs, SENTINEL, POSITIVE)
    return found.decoded if usable.mean() >= _SHARE else 0


def _fields(leaves: Mapping[str, Leaf]) -> Iterator[tuple[Leaf, Leaf]]:
    """Couples of fields that hold the same kind of probabilities side by side, telling names first."""
    for look in (Look.LOG_PROBABILITY, Look.PROBABILITY):
        fields = [leaf for leaf in leaves.values() if leaf.look is look]
        fields.sort(key=lambda leaf: (side_of(leaf.path) is None, not says_probability(leaf.path)))
        for first, second in combinations(fields[:_FIELDS_MAX], 2):
            if first.aligned(second):
                yield first, second


def _shape(first: Leaf, second: Leaf, encoding: Encoding) -> Shape:
    """Name the sides as the fields do: q is what claims to be the sampler, p what claims not to be."""
    q, p = first, second
    if side_of(second.path) == "q" or (side_of(first.path) == "p" and side_of(second.path) is None):
        q, p = second, first
    told = side_of(q.path), side_of(p.path)
    named: Sampler | None = "q" if told in {("q", "p"), ("q", None), (None, "p")} else None
    logarithms = first.look is Look.LOG_PROBABILITY
    roles = ("log_q", "log_p") if logarithms else ("q", "p")
    fmt = Format(encoding=encoding, paths=dict(zip(roles, (q.path, p.path), strict=True)), require_time=False)
    return Shape(fmt, None, q.path, p.path, named, logarithms)


def _score(probe: Sequence[Batch], shape: Shape, readable: int) -> tuple[float, ...] | None:
    """Rank a couple: names that agree first, then how well it fits, then how close the sides are; None: not one."""
    found = read(probe, shape.fmt, _PROBABLE_PAIRS)
    if found.pairs is None or found.decoded < _SHARE * readable:
        return None
    usable = usable_pairs(found.pairs, SENTINEL, POSITIVE)
    ratios = ratios_of(found.pairs, usable)
    if ratios is None or usable.mean() < _SHARE:
        return None
    evidence = sampler_evidence(ratios, 1.0, 0.0, shape.named, (shape.q_path, shape.p_path))
    sides = (side_of(shape.q_path), side_of(shape.p_path))
    telling = int(sides == ("q", "p"))
    if not is_plausible(shape, evidence):
        return None
    fits = {"fits": 3.0, "below": 2.0, "unclear": 1.0, "above": 0.0}[evidence.chosen.fit]
    return telling, fits, -float(np.abs(ratios.d).mean())


def is_plausible(shape: Shape, evidence: SamplerEvidence) -> bool:
    """Tell whether a couple may be two sides.

    Names that say so are believed. Numbers in [0, 1] are everywhere: without such names they need a ratio mean that is
    known to be near 1; log-probabilities only must not contradict it.
    """
    if shape.preset is not None or all(map(says_probability, (shape.q_path, shape.p_path))):
        return True
    if (side_of(shape.q_path), side_of(shape.p_path)) == ("q", "p"):
        return True
    side = evidence.chosen
    if shape.logarithms:
        return side.fit != "above" and side.ratio_mean >= _KEPT_MIN
    return side.fit == "fits" and side.error <= _ERROR_MAX


def _with_tokens(shape: Shape, leaves: Mapping[str, Leaf]) -> Shape:
    """Compare the outcomes' ids where both sides name them in the same way: p.tokens and q.tokens."""
    for leaf in leaves.values():
        if leaf.look not in {Look.WHOLE, Look.TEXT} or leaf.depth == 0:
            continue
        q_parent, p_parent = (path.removesuffix(last_name(path)) for path in (shape.q_path, shape.p_path))
        name = leaf.path.removeprefix(q_parent)
        other = leaves.get(p_parent + name)
        if q_parent != p_parent and leaf.path == q_parent + name and other is not None and leaf.aligned(other):
            return shape.reading(token_ids_q=leaf.path, token_ids_p=other.path)
    return shape


def _with_weight(shape: Shape, leaves: Mapping[str, Leaf]) -> Shape:
    """Weigh the pairs where a field says so by its name, one number for a record or one for a pair."""
    for leaf in leaves.values():
        fitting = leaf.depth == 0 or leaf.aligned(leaves[shape.q_path])
        if last_name(leaf.path) in WEIGHTS and fitting and leaf.known.size and bool((leaf.known >= 0).all()):
            return shape.reading(weight=leaf.path)
    return shape

"""Fields that could tell series apart, with how many series they would make."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from msgspec import UNSET, DecodeError

from daemon.codec.fields import compile_untyped
from daemon.codec.format import LABELS_FIELD, Encoding
from daemon.codec.labels import label_text, scalar_text
from daemon.inspection.candidates import Shape
from daemon.inspection.finding import LabelCandidate, Obstacle
from daemon.inspection.leaves import Leaf, Look
from daemon.inspection.names import LABELS, last_name
from daemon.presets import PRESETS
from daemon.source import Batch

#: Above it a label is not proposed: each value is a series with its memory and samples.
VALUES_MAX: Final = 100
#: Numbers with more values are measurements, not names.
_NUMBERS_MAX: Final = 20
_SHOWN: Final = 8
#: A label is one though so many of its records have a value that none may have: logs have faults.
_FAULTS: Final = 0.05
_LABEL: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*").fullmatch
#: Metrics or Prometheus itself give these a meaning.
_RESERVED: Final = frozenset(
    {"stream", "window", "direction", "estimator", "versus", "moment", "severity", "reason", "topic", "partition"}
    | {"le", "quantile", "job", "instance"}
)


def label_candidates(
    batches: Iterable[Batch], shape: Shape, leaves: Mapping[str, Leaf], encoding: Encoding
) -> tuple[LabelCandidate, ...]:
    """Return labels to choose from, counted over all batches.

    Those that the stream takes come first, then those that it does not take though their names say that they are some.
    """
    preset = PRESETS[shape.preset].format if shape.preset is not None else None
    presets_own = shape.preset not in {None, "canonical"}
    own = {name: preset.label_paths.get(name, name) for name in preset.label_names} if preset is not None else {}
    paths = {name: path for name, path in own.items() if path in leaves} | _others(leaves, set(own))
    taken = set(shape.fmt.paths.values())
    # A field that holds an object in some records could not be read as a label.
    objects = {path for path in paths.values() if any(other.startswith((f"{path}.", f"{path}[")) for other in leaves)}
    paths = {name: path for name, path in paths.items() if path not in taken | objects}
    counts = _counted(batches, encoding, tuple(paths.values())) if paths else []
    found = [
        LabelCandidate(
            name,
            path,
            len(count.values if count.obstacle() else count.allowed),
            name in own if presets_own else _named(name, path),
            count.obstacle(),
            count.refused,
        )
        for (name, path), count in zip(paths.items(), counts, strict=True)
    ]
    kept = [each for each in found if each.meant or each.name in own or 1 < each.values <= _most(each)]
    return tuple(sorted(kept, key=lambda each: (not each.chosen, not each.merged))[:_SHOWN])


def _most(label: LabelCandidate) -> int:
    """Values with which a field is worth a word whose name says nothing: with more it holds ids, or prose."""
    return 10 * VALUES_MAX if label.obstacle == "many" else VALUES_MAX


def _named(name: str, path: str) -> bool:
    """Without a preset's word, series are by what is called as labels are called, and by whatever `labels` holds."""
    return name in LABELS or path.startswith(f"{LABELS_FIELD}.")


def _others(leaves: Mapping[str, Leaf], known: set[str]) -> dict[str, str]:
    """Further fields by the label name that they would have; what differs in nearly every record is an id."""
    found: dict[str, str] = {}
    for leaf in leaves.values():
        name = last_name(leaf.path)
        usable = _LABEL(name) is not None and name not in _RESERVED | known
        if usable and (name in LABELS or _tells_apart(leaf)):
            found.setdefault(name, leaf.path)
    return found


def _tells_apart(leaf: Leaf) -> bool:
    few = max(10, len(leaf.lengths) // 3) if leaf.look is Look.TEXT else _NUMBERS_MAX
    return leaf.depth == 0 and leaf.look in {Look.TEXT, Look.WHOLE, Look.FLAG} and leaf.distinct() <= few


@dataclass(slots=True)
class _Count:
    """What a field holds over the sample.

    Attributes
    ----------
    values, allowed : distinct texts, and those that a label may have; None is all that is no text, number or boolean
    records : records that have the field
    kinds, refused : records of such a value, and of any that no label may have
    """

    values: set[str | None] = field(default_factory=set)
    allowed: set[str] = field(default_factory=set)
    records: int = 0
    kinds: int = 0
    refused: int = 0

    def add(self, name: str, value: object) -> None:
        if value is UNSET:
            return
        text = scalar_text(value)
        self.values.add(text)
        self.records += 1
        self.kinds += text is None
        try:
            self.allowed.add(label_text(name, value))
        except ValueError:
            self.refused += 1

    def obstacle(self) -> Obstacle | None:
        """Say why the field is no label, if it is none."""
        if self.refused > _FAULTS * self.records:
            return "kind" if 2 * self.kinds > self.refused else "characters"
        return "many" if len(self.allowed) > VALUES_MAX else None


def _counted(batches: Iterable[Batch], encoding: Encoding, paths: tuple[str, ...]) -> list[_Count]:
    decode, fields = compile_untyped(encoding, paths)
    counts = [_Count() for _ in fields]
    for batch in batches:
        for raw in batch.values:
            try:
                record = decode(raw or b"")
            except (DecodeError, UnicodeDecodeError, RecursionError):
                continue
            for path, each, count in zip(paths, fields, counts, strict=True):
                count.add(path, each.of(record))
    return counts

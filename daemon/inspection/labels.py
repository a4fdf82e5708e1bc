"""Fields that could tell series apart, with how many series they would make."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import DecodeError

from daemon.codec.fields import compile_untyped
from daemon.codec.format import LABELS_FIELD, Encoding
from daemon.codec.labels import scalar_text
from daemon.inspection.candidates import Shape
from daemon.inspection.finding import LabelCandidate
from daemon.inspection.leaves import Leaf, Look
from daemon.inspection.names import LABELS, last_name
from daemon.presets import PRESETS
from daemon.source import Batch

#: Above it a label is not proposed, and warned of: each value is a series with its memory and samples.
VALUES_MAX: Final = 100
#: Numbers with more values are measurements, not names.
_NUMBERS_MAX: Final = 20
_SHOWN: Final = 8
_LABEL: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*").fullmatch
#: Metrics or Prometheus itself give these a meaning.
_RESERVED: Final = frozenset(
    {"stream", "window", "direction", "estimator", "versus", "moment", "severity", "reason", "topic", "partition"}
    | {"le", "quantile", "job", "instance"}
)


def label_candidates(
    batches: Iterable[Batch], shape: Shape, leaves: Mapping[str, Leaf], encoding: Encoding
) -> tuple[LabelCandidate, ...]:
    """Return labels to choose from, those that the stream takes first; counted over all batches."""
    preset = PRESETS[shape.preset].format if shape.preset is not None else None
    presets_own = shape.preset not in {None, "canonical"}
    own = {name: preset.label_paths.get(name, name) for name in preset.label_names} if preset is not None else {}
    paths = {name: path for name, path in own.items() if path in leaves} | _others(leaves, set(own))
    taken = set(shape.fmt.paths.values())
    # A field that holds an object in some records could not be read as a label.
    objects = {path for path in paths.values() if any(other.startswith((f"{path}.", f"{path}[")) for other in leaves)}
    paths = {name: path for name, path in paths.items() if path not in taken | objects}
    counts = _distinct(batches, encoding, tuple(paths.values())) if paths else []
    found = [
        LabelCandidate(name, path, count, count <= VALUES_MAX and (name in own if presets_own else _named(name, path)))
        for (name, path), count in zip(paths.items(), counts, strict=True)
    ]
    kept = [each for each in found if each.chosen or each.name in own or 1 < each.values <= 10 * VALUES_MAX]
    return tuple(sorted(kept, key=lambda each: not each.chosen)[:_SHOWN])


def _named(name: str, path: str) -> bool:
    """Without a preset's word, series are by what is called as labels are called, and by whatever `labels` holds."""
    return name in LABELS or path.startswith(f"{LABELS_FIELD}.")


def _others(leaves: Mapping[str, Leaf], known: set[str]) -> dict[str, str]:
    """Further fields by the label name that they would have; what differs in nearly every record is an id."""
    found: dict[str, str] = {}
    for leaf in leaves.values():
        name = last_name(leaf.path)
        usable = _LABEL(name) is not None and name not in _RESERVED | known and leaf.is_label()
        few = max(10, len(leaf.lengths) // 3) if leaf.look is Look.TEXT else _NUMBERS_MAX
        if usable and (name in LABELS or leaf.distinct() <= few):
            found.setdefault(name, leaf.path)
    return found


def _distinct(batches: Iterable[Batch], encoding: Encoding, paths: tuple[str, ...]) -> list[int]:
    decode, fields = compile_untyped(encoding, paths)
    values: list[set[str]] = [set() for _ in fields]
    for batch in batches:
        for raw in batch.values:
            try:
                record = decode(raw or b"")
            except (DecodeError, UnicodeDecodeError, RecursionError):
                continue
            for field, seen in zip(fields, values, strict=True):
                if (text := scalar_text(field.of(record))) is not None:
                    seen.add(text)
    return [len(seen) for seen in values]

"""From what was found to the keys of `streams[]`; what a preset says already is not written again."""

from collections.abc import Collection, Sequence
from typing import Any

from daemon.codec.fields import PAIR_ROLES
from daemon.codec.format import LABELS_FIELD
from daemon.codec.paths import written_name
from daemon.inspection.candidates import Shape
from daemon.inspection.finding import LabelCandidate, LogBaseEvidence, SamplerEvidence, TimeEvidence
from daemon.presets import PRESETS


def stream_settings(
    shape: Shape,
    sampler: SamplerEvidence,
    base: LogBaseEvidence,
    *,
    labels: Sequence[LabelCandidate],
    resolution: str,
    time: TimeEvidence,
    fields: Collection[str],
) -> dict[str, Any]:
    """Return the keys, but for `topic`, in the order in which people read them; `fields` are the records' paths."""
    stream: dict[str, Any] = {}
    if shape.preset is not None:
        stream["preset"] = shape.preset
    if shape.fmt.encoding != "json":
        stream["format"] = shape.fmt.encoding
    chosen = [each for each in labels if each.chosen]
    paths = {**_paths(shape, fields), **_label_paths(shape, chosen)}
    if paths:
        stream["paths"] = paths
    names = [each.name for each in chosen]
    preset_names = list(PRESETS[shape.preset].format.label_names) if shape.preset is not None else []
    if names != preset_names:
        stream["series_labels"] = names
    if sampler.sampled_from != "q":
        stream["sampled_from"] = sampler.sampled_from
    if base.base != "e":
        stream["log_base"] = base.base
    if resolution != (PRESETS[shape.preset].resolution if shape.preset is not None else "float32"):
        stream["resolution"] = resolution
    if time.expected_delay is not None:
        stream["expected_delay"] = time.expected_delay
    return stream


def _paths(shape: Shape, fields: Collection[str]) -> dict[str, Any]:
    """Return the paths that the preset does not have; without one, those that are not the canonical record's.

    False where records hold a field of the preset's path that was found to mean something else, such as times
    without a zone: it would be read, and each record rejected for it.
    """
    known = PRESETS[shape.preset or "canonical"].format.paths
    found = {role: path for role, path in shape.fmt.paths.items() if shape.preset is None or known.get(role) != path}
    unread = {
        role: False
        for role, path in known.items()
        if role not in PAIR_ROLES and role not in shape.fmt.paths and path in fields
    }
    return found | unread


def _label_paths(shape: Shape, chosen: Sequence[LabelCandidate]) -> dict[str, Any]:
    """Return the paths of labels that are neither fields of their own name nor in `labels`."""
    known = PRESETS[shape.preset].format.label_paths if shape.preset is not None else {}
    found = {
        each.name: each.path
        for each in chosen
        if each.path not in {written_name(each.name), f"{LABELS_FIELD}.{written_name(each.name)}", known.get(each.name)}
    }
    return {"labels": found} if found else {}

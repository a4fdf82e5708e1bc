"""The settings reference and the JSON schema, generated from the models: `python -m config.reference` writes both."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel

from config.kinds import DefaultText, Kind, Unit
from config.schema import schema_text
from config.settings import Settings
from config.thresholds import PUBLISHED, typical_factor
from config.tree import Key, alternatives, keys_of

DIRECTORY: Final = Path(__file__).parents[1] / "deploy" / "reference"

_PREFACE: Final = """\
# Settings

Generated from the models by `python -m config.reference`; `settings.schema.json` beside it serves editors
(first line of the file: `# yaml-language-server: $schema=settings.schema.json`).

The smallest configuration:

```yaml
kafka: {bootstrap_servers: ["127.0.0.1:9092"], group_id: klaxond}
streams: [{topic: pairs, format: json, series_labels: [model, version]}]
```

A setting is taken from the first of these that has it:

1. a flag of the command line;
2. the environment: the variable named below. Lists and mappings are JSON. An empty variable is one that is not set.
   Variables with our prefix that name no setting are errors, except those by which Kubernetes describes Services;
3. a secret file: `--config.secrets-dir` or `KLAXON_SECRETS_DIR` names a directory with one file per setting, called
   `kafka.sasl.password`, `kafka__sasl__password` or `KLAXON_KAFKA__SASL__PASSWORD`. Hidden files are passed over;
4. the YAML file. File names in it are relative to its own directory;
5. the default.

Sections are merged key by key, a list is taken whole. A secret that one source gives, as value or as `..._file`, hides
both forms in the weaker ones. Unknown keys are errors. Durations are whole numbers with units: `500ms`, `30s`, `5m`,
`1h30m`, `7d`; sizes are bytes or have a unit: `64KiB`, `1MiB`.
"""
#: Settings with every kind of section in them, to read the defaults from.
_SMALLEST: Final[dict[str, Any]] = {
    "kafka": {"bootstrap_servers": ["127.0.0.1:9092"], "group_id": "klaxond"},
    "streams": [{"topic": "pairs", "thresholds": [{"nats": 0.05}]}],
}


def markdown() -> str:
    """Return the reference: a table per section with key, variable, type, unit, default, meaning and reason."""
    defaults = Settings.model_validate(_SMALLEST).dump()
    keys = list(keys_of(Settings))
    parts = [_PREFACE, *_table("Top level", "", [key for key in keys if len(key.parts) == 1], defaults)]
    for section in keys:
        if section.section is not None:
            is_list = any(key.parts[: len(section.parts)] == _entries(section.parts) for key in keys)
            parts_of = _entries(section.parts) if is_list else section.parts
            below = [key for key in keys if key.parts[:-1] == parts_of]
            parts += _table(f"`{'.'.join(parts_of)}`", _summary(section.section), below, defaults)
    parts += _published()
    return "\n".join(parts)


def _published() -> Iterator[str]:
    """List the thresholds that have names."""
    yield "## Threshold presets\n"
    yield (
        "What others take for too far apart, as `preset` of `streams[].thresholds[]`. All are limits of "
        "KL(sampler||other) per pair, a pair being a token. The factor is by how much the two probabilities of a "
        "typical outcome differ then: e^sqrt(2 nats).\n"
    )
    yield _row(["preset", "nats", "factor", "who says so"])
    yield _row(["---"] * 4)
    for name, rule in PUBLISHED.items():
        yield _row(
            [f"`{name}`", f"{rule.nats:g}", f"{typical_factor(rule.nats):.2f}", f"{rule.source}.".replace("|", "\\|")]
        )
    yield ""


def _entries(parts: tuple[str, ...]) -> tuple[str, ...]:
    return (*parts[:-1], parts[-1] + "[]")


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").partition("\n")[0] + "\n"


def _table(title: str, summary: str, keys: list[Key], defaults: dict[str, Any]) -> Iterator[str]:
    yield f"## {title}\n"
    if summary:
        yield summary
    in_list = keys[0].in_list
    if in_list:
        yield "In the environment only as part of the whole list, as JSON.\n"
    columns = ["key", *([] if in_list else ["environment variable"]), "type", "unit", "default", "meaning and reason"]
    yield _row(columns)
    yield _row(["---"] * len(columns))
    for key in keys:
        variable = [] if in_list else [f"`{key.variable}`"]
        description = (key.field.description or "").replace("|", "\\|")
        kind, unit = _kind(key)
        yield _row([f"`{key.parts[-1]}`", *variable, kind, unit, _default(key, defaults), description])
    yield ""


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _default(key: Key, defaults: dict[str, Any]) -> str:
    if key.field.is_required():
        return "required"
    for each in key.field.metadata:
        if isinstance(each, DefaultText):
            return each.text
    if key.section is not None:
        return "none" if any(get_origin(each) is tuple for each in alternatives(key.field.annotation)) else "see below"
    value: Any = defaults
    for part in key.parts:
        value = value[part.removesuffix("[]")]
        value = value[0] if part.endswith("[]") else value
    if value is None or value in ([], {}):
        return "none"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _kind(key: Key) -> tuple[str, str]:
    """Name the type and the unit: what the type says of itself, or what can be derived from it."""
    annotations = [key.field, *get_args(key.field.annotation)] if _optional(key.field.annotation) else [key.field]
    for kind in (each for annotation in annotations for each in _metadata(annotation) if isinstance(each, Kind)):
        return kind.text, kind.unit
    unit = next((each.text for each in key.field.metadata if isinstance(each, Unit)), "")
    return _derived(key.field.annotation), unit


def _optional(annotation: Any) -> bool:  # noqa: ANN401 (an annotation can be anything)
    return type(None) in get_args(annotation)


def _metadata(annotated: Any) -> tuple[Any, ...]:  # noqa: ANN401 (a field or an annotation)
    return tuple(getattr(annotated, "metadata", ())) + tuple(getattr(annotated, "__metadata__", ()))


def _derived(annotation: Any) -> str:  # noqa: ANN401 (an annotation can be anything)
    for each in _metadata(annotation):
        if isinstance(each, Kind):
            return each.text
    first = next(each for each in alternatives(annotation) if each is not type(None))
    if get_origin(first) is Literal:
        return " / ".join(f"`{word}`" for word in get_args(first))
    if get_origin(first) is tuple:
        return f"list of {_derived(get_args(first)[0])}"
    if get_origin(first) is dict:
        return f"mapping to {_derived(get_args(first)[1])}"
    if isinstance(first, type) and issubclass(first, BaseModel):
        return "mapping"
    return {bool: "true / false", int: "whole number", float: "number", str: "text"}[first]


def main() -> None:
    """Write both files."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    (DIRECTORY / "settings.md").write_text(markdown(), encoding="utf-8")
    (DIRECTORY / "settings.schema.json").write_text(schema_text(), encoding="utf-8")


if __name__ == "__main__":
    main()

"""The JSON schema of the YAML file, for editors (yaml-language-server) and for charts."""

import json
from datetime import timedelta
from typing import Any, Final

from pydantic import BaseModel

from config.durations import format_duration
from config.kinds import DefaultText
from config.settings import Settings
from config.tree import section_of

#: The generator leaves a bound behind a validator of ours in its own words, which no editor knows.
_BOUNDS: Final = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of everything that `load` takes from a YAML file."""
    generated = Settings.model_json_schema()
    _tidy(generated, Settings, generated["$defs"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "klaxond configuration",
        **generated,
    }


def schema_text() -> str:
    """Return the schema as the file that is shipped."""
    return json.dumps(schema(), indent=2) + "\n"


def _tidy(node: dict[str, Any], model: type[BaseModel], definitions: dict[str, Any]) -> None:
    """Take away what editors would show and nobody needs: titles made of names, and defaults that are no values."""
    node.pop("title", None)
    node["description"] = (model.__doc__ or "").partition("\n")[0]
    for name, field in model.model_fields.items():
        entry = node["properties"][name]
        entry.pop("title", None)
        if entry.get("default", 0) is None or any(isinstance(each, DefaultText) for each in field.metadata):
            entry.pop("default")
        for ours, standard in _BOUNDS.items():
            if ours in entry:
                entry[standard] = entry.pop(ours)
        if isinstance(field.default, timedelta):
            entry["default"] = format_duration(field.default)
        below = section_of(field.annotation)
        if below is not None and "title" in definitions[below.__name__]:
            _tidy(definitions[below.__name__], below, definitions)

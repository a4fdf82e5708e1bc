"""The chart's values.schema.json: its own values, and klaxond's settings under `config`."""

import json
from collections.abc import Iterator
from typing import Any, Final

from config.schema import schema as settings_schema
from config.settings import Settings
from config.tree import Key, keys_of, model_at
from config.web_file import WebFile
from deploy.helm.source.values import Values

#: The oldest draft that says all of this: Helm before 3.18 knows no newer one.
_DRAFT: Final = "http://json-schema.org/draft-07/schema#"
#: Go's regular expressions, with which Helm reads patterns, cannot look ahead.
_LOOK_AHEAD: Final = "(?=[0-9])"
#: What the chart fills in: klaxond itself has no default for it.
_FILLED_IN: Final = {"KafkaSettings": ("group_id",)}


def values_schema() -> dict[str, Any]:
    """Return the schema: unknown keys are errors everywhere but under `global`, which Helm shares among charts."""
    schema = Values.model_json_schema(by_alias=True)
    settings, web = settings_schema(), WebFile.model_json_schema()
    definitions = {**schema.pop("$defs"), **settings.pop("$defs"), **web.pop("$defs")}
    for key in keys_of(Settings):
        if key.secret:
            _take_away(definitions, key)
    for model, keys in _FILLED_IN.items():
        definitions[model]["required"] = [key for key in definitions[model]["required"] if key not in keys]
    for name in ("$schema", "title"):
        settings.pop(name)
    definitions |= {"Settings": settings, "WebFile": web}
    properties = schema["properties"]
    properties["config"] = {"$ref": "#/$defs/Settings", "description": properties["config"]["description"]}
    definitions["WebValues"]["properties"]["file"] = {"$ref": "#/$defs/WebFile"}
    properties["global"] = {"type": "object", "description": "Values that Helm shares among charts; not read here."}
    # klaxond reads them from somewhere in any case: without them there is nothing to install.
    schema["required"] = ["config"]
    return {"$schema": _DRAFT, "title": "Values of the chart klaxon", **_tidied(schema), "$defs": _tidied(definitions)}


def schema_text() -> str:
    """Return the schema as the file that is shipped."""
    return json.dumps(values_schema(), indent=2) + "\n"


def _take_away(definitions: dict[str, Any], key: Key) -> None:
    """Refuse a secret in the values: they would put it into a ConfigMap."""
    model = model_at(Settings, key.parts[:-1])
    if model is not None:
        del definitions[model.__name__]["properties"][key.parts[-1]]


def _tidied(node: Any, *, names: bool = False) -> Any:  # noqa: ANN401 (JSON)
    """Leave out titles and defaults, which Helm does not read, and write patterns as Go reads them."""
    if isinstance(node, list):
        return [_tidied(each) for each in node]
    if not isinstance(node, dict):
        return node
    return dict(_entries(node, names=names))


def _entries(node: dict[str, Any], *, names: bool) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if names or key in ("properties", "$defs"):
            yield key, _tidied(value, names=not names)
        elif key == "pattern" and _LOOK_AHEAD in value:
            yield from ((key, value.replace(_LOOK_AHEAD, "")), ("minLength", 1))
        elif key not in ("title", "default", "examples"):
            yield key, _tidied(value)

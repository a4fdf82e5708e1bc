"""From the validator's findings to sentences: the exact path, what is wrong, what to write. Never a secret's value."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.errors import Problem, nearest, one_of, path_text
from config.tree import keys_of, model_at

#: What to write, by the validator's kind of fault.
_WRITE: Final = {
    "string_type": "write a text (in quotes if it looks like a number, a date or a switch)",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_parsing_size": "write a smaller number",
    "int_from_float": "write a whole number",
    "float_type": "write a number",
    "float_parsing": "write a number",
    "tuple_type": 'write a list, such as ["a", "b"]',
    "dict_type": "write a mapping of keys",
    "model_type": "write a mapping of keys, or take it away",
    "path_type": "write a file's path",
    "greater_than": "write a number above {gt}",
    "greater_than_equal": "write a number not below {ge}",
    "less_than": "write a number below {lt}",
    "less_than_equal": "write a number not above {le}",
    "string_too_long": "write at most {max_length} characters",
    "string_pattern_mismatch": "write a text of the form {pattern}",
}
#: Nothing that somebody wrote below these is ever repeated: a password may stand at the wrong key.
_SECRETIVE: Final = ("kafka.sasl", "kafka.ssl", "basic_auth_users", "tls_server_config.key")
_LONGEST_QUOTE: Final = 40


def problems_of(error: ValidationError, model: type[BaseModel], origins: Mapping[str, str]) -> Iterator[Problem]:
    """Explain every finding, one problem each; a missing section is told as the keys that it needs."""
    for fault in error.errors(include_url=False):
        location = fault["loc"]
        path = path_text(location)
        if fault["type"] == "missing":
            yield from _missing(model, location)
        elif fault["type"] == "extra_forbidden":
            yield Problem(path, _unknown(model, location) + _origin(path, origins))
        else:
            yield Problem(path, _wrong(model, fault, path) + _origin(path, origins))


def _wrong(model: type[BaseModel], fault: ErrorDetails, path: str) -> str:
    context = fault.get("ctx", {})
    if fault["type"] == "value_error":
        return str(context["error"])
    got = _quote(fault["input"], path)
    if fault["type"] == "literal_error":
        words = re.findall("'([^']*)'", context["expected"])
        meant = nearest(str(fault["input"]), words) if got else None
        return f"{got}write {one_of(words)}" + (f"; did you mean `{meant}`?" if meant and len(words) > 1 else "")
    template = _WRITE.get(fault["type"])
    if fault["type"] == "tuple_type" and (example := _example(model, fault["loc"])) is not None:
        return f"{got}write a list, such as {example}"
    return f"{got}{template.format(**context)}" if template else f"{got}{fault['msg']}"


def _example(model: type[BaseModel], location: tuple[int | str, ...]) -> str | None:
    """Return the field's own example as YAML and JSON both read it."""
    above = model_at(model, location[:-1])
    field = above.model_fields.get(str(location[-1])) if above is not None else None
    return json.dumps(field.examples[0]) if field is not None and field.examples else None


def _quote(value: object, path: str) -> str:
    if path.startswith(_SECRETIVE) or not isinstance(value, str | int | float):
        return ""
    text = json.dumps(value) if isinstance(value, bool) else str(value)
    return f"`{text}` does not fit; " if 0 < len(text) <= _LONGEST_QUOTE and text.isprintable() else ""


def _unknown(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    word = str(location[-1])
    here = model_at(model, location[:-1])
    siblings = list(here.model_fields) if here is not None else []
    meant = nearest(word, siblings) or _elsewhere(model, word)
    if meant is not None:
        return f"unknown key, did you mean `{meant}`?"
    return f"unknown key; known here: {', '.join(siblings)}"


def _elsewhere(model: type[BaseModel], word: str) -> str | None:
    """Find the key of that very name in another section: `group_id` at the top belongs to kafka."""
    return next((key.path for key in keys_of(model) if key.parts[-1] == word), None)


def _missing(model: type[BaseModel], location: tuple[int | str, ...]) -> Iterator[Problem]:
    above = model_at(model, location[:-1])
    below = model_at(model, location)
    if above is None:
        return
    example = _example(model, location)
    if below is not None and example is None:
        for name, part in below.model_fields.items():
            if part.is_required():
                yield from _missing(model, (*location, name))
        return
    hint = "" if example is None else f", such as {example}"
    yield Problem(path_text(location), f"is missing; write it{hint}")


def _origin(path: str, origins: Mapping[str, str]) -> str:
    """Tell where the value was written, if it was not the YAML file."""
    while path:
        if path in origins:
            return f" (from {origins[path]})"
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return ""

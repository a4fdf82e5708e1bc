"""Where settings come from besides the YAML file: flags, environment and a directory of secret files, as mappings."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from config.errors import Problem, nearest
from config.kinds import read_secret
from config.tree import PREFIX, Key, keys_of

#: Variables with our prefix that are no settings: for the command line, the demo and the tests.
OTHER_VARIABLES: Final = re.compile(
    "KLAXON_(CONFIG_FILE|SECRETS_DIR|FAILPOINTS|KAFKA_HOME|PROMETHEUS|PROMTOOL|UPDATE_GOLDEN|TEST_.*)"
)
#: Kubernetes describes every Service so; one that is named klaxon or klaxon-... takes our prefix.
_SERVICE_LINK: Final = re.compile(
    r"KLAXON_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
#: Flags that are not spelt as their key is.
_FLAGS: Final = {"web.config_file": "web.config.file"}


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings of one source.

    Attributes
    ----------
    values : nested mapping, as the YAML file would have it
    origins : where a value was written, by dotted path
    problems : what could not be understood
    """

    values: dict[str, Any]
    origins: dict[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def flag_layer(overrides: Mapping[str, object]) -> Layer:
    """Nest dotted keys; None is a flag that was not given."""
    layer = Layer({})
    for path, value in sorted(overrides.items()):
        if value is not None:
            _put(layer.values, tuple(path.split(".")), value)
            layer.origins[path] = f"flag --{_FLAGS.get(path, path).replace('_', '-')}"
    return layer


def environment_layer(environment: Mapping[str, str], model: type[BaseModel]) -> Layer:
    """Read KLAXON_SECTION__KEY; an empty variable is one that is not set, lists and mappings are JSON."""
    entries = [
        (name, tuple(name.removeprefix(PREFIX).lower().split("__")), text)
        for name, text in sorted(environment.items())
        if name.startswith(PREFIX)
        and text
        and not OTHER_VARIABLES.fullmatch(name)
        and not _SERVICE_LINK.fullmatch(name)
    ]
    known = {key.parts: key for key in keys_of(model) if not key.in_list}
    return _text_layer(entries, known, {key.variable: key.variable for key in known.values()})


def secret_layer(directory: Path | None, model: type[BaseModel]) -> Layer:
    """Read files named as keys: `kafka.sasl.password`, also with `__` and our prefix; hidden ones are not ours."""
    if directory is None:
        return Layer({})
    try:
        files = sorted(path for path in directory.iterdir() if not path.name.startswith(".") and path.is_file())
    except OSError as error:
        return Layer({}, problems=(Problem(str(directory), f"cannot be read: {error.strerror}"),))
    entries, problems = [], []
    for path in files:
        try:
            text = read_secret(path)
        except ValueError as error:
            problems.append(Problem(str(directory), str(error)))
            continue
        name = path.name.lower().removeprefix(PREFIX.lower()).replace("__", ".")
        entries.append((str(path), tuple(name.split(".")), text))
    known = {key.parts: key for key in keys_of(model) if not key.in_list}
    layer = _text_layer(entries, known, {key.path: key.path for key in known.values()})
    return Layer(layer.values, layer.origins, (*problems, *layer.problems))


def file_layer(values: dict[str, Any], directory: Path, model: type[BaseModel]) -> Layer:
    """Take the YAML file's mapping; its relative files are relative to the file's own directory, as in Prometheus."""
    for key in keys_of(model):
        if key.file and not key.in_list:
            section = _section(values, key.parts[:-1])
            name = section.get(key.parts[-1])
            if isinstance(name, str) and name:
                section[key.parts[-1]] = str(directory / name)
    return Layer(values)


def settle_secrets(layers: Iterable[Layer], model: type[BaseModel]) -> None:
    """Let the strongest layer that gives a secret, as value or as file, hide both forms in the weaker ones.

    Within one layer both forms stay, for the model to refuse.
    """
    ordered = list(layers)
    for key in keys_of(model):
        if key.secret:
            forms = (key.parts[-1], f"{key.parts[-1]}_file")
            given = False
            for layer in ordered:
                section = _section(layer.values, key.parts[:-1])
                present = any(section.get(form) is not None for form in forms)
                if given:
                    for form in forms:
                        section.pop(form, None)
                given = given or present


def _text_layer(
    entries: Iterable[tuple[str, tuple[str, ...], str]], known: Mapping[tuple[str, ...], Key], names: Mapping[str, str]
) -> Layer:
    layer = Layer({})
    problems = []
    for origin, parts, text in sorted(entries, key=lambda entry: len(entry[1])):  # sections first, then their keys
        key = known.get(parts)
        if key is None:
            problems.append(Problem(origin, _unknown(origin, parts, known, names)))
            continue
        try:
            value = _value(key, text)
        except ValueError as error:
            problems.append(Problem(origin, str(error)))
            continue
        _put(layer.values, parts, value)
        layer.origins[key.path] = origin
    return Layer(layer.values, layer.origins, tuple(problems))


def _value(key: Key, text: str) -> object:
    if not key.structured or not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return json.loads(text, object_pairs_hook=_without_repetition)
    except json.JSONDecodeError as error:
        raise ValueError(f'is no JSON (character {error.pos + 1}); write such as ["a", "b"]') from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValueError("has a key twice; keep one")
    return mapping


def _unknown(
    origin: str, parts: tuple[str, ...], known: Mapping[tuple[str, ...], Key], names: Mapping[str, str]
) -> str:
    above = next((known[parts[:end]] for end in range(len(parts) - 1, 0, -1) if parts[:end] in known), None)
    if above is not None and not any(key[: len(above.parts)] == above.parts for key in known if key != above.parts):
        return f"{above.path} has no parts here; write its whole value (a list or a mapping as JSON)"
    meant = nearest(origin.rpartition("/")[2], names)
    return f"unknown setting, did you mean `{meant}`?" if meant else "unknown setting; take it away"


def _put(values: dict[str, Any], parts: tuple[str, ...], value: object) -> None:
    for part in parts[:-1]:
        below = values.get(part)
        if not isinstance(below, dict):
            below = values[part] = {}
        values = below
    values[parts[-1]] = value


def _section(values: dict[str, Any], parts: tuple[str, ...]) -> dict[str, Any]:
    for part in parts:
        below = values.get(part)
        if not isinstance(below, dict):
            return {}
        values = below
    return values

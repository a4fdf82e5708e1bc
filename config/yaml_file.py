"""The YAML file: safe, with duplicate keys told, and faults told by line without showing what stands there."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml

from config.errors import ConfigError, Problem

#: Messages of the parser quote names and scalars of the file, which may be a secret that was written in a wrong way.
_QUOTED: Final = re.compile(r"'(?!<)[^']{2,}'")


class _Loader(yaml.SafeLoader):
    """Plain data only; repeated keys are remembered, where YAML's own rule keeps the last one in silence."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.repeated: list[tuple[int, str]] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    self.repeated.append((key.start_mark.line + 1, key.value))
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a file's mapping; an empty file is an empty mapping. Raises ConfigError with file and line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError([Problem(str(path), f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(path), f"is no UTF-8 text (byte {error.start})")]) from None
    values, repeated = _parse(path, text)
    if repeated:
        raise ConfigError(
            Problem(f"{path}:{line}", f"the key `{key}` is there twice; keep one") for line, key in repeated
        )
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError([Problem(str(path), "write a mapping of keys, such as `kafka:` and `streams:`")])
    strange = [key for key in values if not isinstance(key, str)]
    if strange:
        raise ConfigError([Problem(str(path), "write every key as text, in quotes if it looks like a number")])
    return values


def _parse(path: Path, text: str) -> tuple[Any, list[tuple[int, str]]]:
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data(), loader.repeated
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        what = _QUOTED.sub("...", error.problem or error.context or "cannot be understood")
        raise ConfigError([Problem(place, f"this is no YAML: {what}")]) from None
    except (yaml.YAMLError, ValueError, RecursionError, TypeError):
        # Such as a control character, or a date like 2024-13-45; their messages quote the file.
        raise ConfigError(
            [Problem(str(path), "this is no YAML: a character or a value that it does not allow")]
        ) from None

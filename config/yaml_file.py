"""The YAML file: safe, with duplicate keys told, and faults told by line without showing what stands there."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml

from config.errors import ConfigError, Problem

#: Messages of the parser quote names and scalars of the file, which may be a secret that was written in a wrong way.
_QUOTED: Final = re.compile(r"'(?!<)[^']{2,}'")


_TEXT: Final = "tag:yaml.org,2002:str"
_MERGE: Final = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """Plain data only; it remembers keys that YAML allows and we do not: repeated ones, and those that are no text."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.faults: list[tuple[int, str]] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag not in {_TEXT, _MERGE}:
                self.faults.append((line, "write the key as text, in quotes if it looks like a number or a switch"))
            elif key.value in seen:
                self.faults.append((line, f"the key `{key.value}` is there twice; keep one"))
            else:
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, keys: str = "`kafka:` and `streams:`") -> dict[str, Any]:
    """Read a file's mapping of such keys; an empty file is an empty one. Raises ConfigError with file and line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError([Problem(str(path), f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(path), f"is no UTF-8 text (byte {error.start})")]) from None
    values, faults = _parse(path, text)
    if faults:
        raise ConfigError(Problem(f"{path}:{line}", message) for line, message in faults)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError([Problem(str(path), f"write a mapping of keys, such as {keys}")])
    return values


def _parse(path: Path, text: str) -> tuple[Any, list[tuple[int, str]]]:
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data(), loader.faults
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        what = _QUOTED.sub("...", error.problem or error.context or "cannot be understood")
        raise ConfigError([Problem(place, f"this is no YAML: {what}")]) from None
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError):
        # A control character, a date like 2024-13-45, a tag that does not fit; their messages quote the file.
        raise ConfigError(
            [Problem(str(path), "this is no YAML: a character or a value that it does not allow")]
        ) from None

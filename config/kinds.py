"""What every section shares: the base model, its plain types, and what the generated reference tells of them."""

import math
import re
from collections.abc import Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core.core_schema import CoreSchema, no_info_after_validator_function


@dataclass(frozen=True, slots=True)
class Kind:
    """How the reference names a type, in the place of what can be derived from it."""

    text: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of a plain number."""

    text: str


@dataclass(frozen=True, slots=True)
class DefaultText:
    """A default that is not a value: `= topic`."""

    text: str


class Section(BaseModel):
    """A mapping of keys: unknown ones are errors, values never change, defaults are checked like anything written."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)

    def written(self, key: str) -> bool:
        """Tell whether somebody wrote the key, or its default holds (for a preset to replace)."""
        return key in self.model_fields_set


class Secret(SecretStr):
    """A text that shows itself to nobody; `get_secret_value()` reads it."""

    def _display(self) -> str:
        return HIDDEN


HIDDEN: Final = "<secret>"
TOPIC_PATTERN: Final = "^[a-zA-Z0-9._-]{1,249}$"
_SECRET_FILE_BYTES: Final = 65_536


def read_secret(path: Path) -> str:
    """Read a secret from its file, without the line break that editors add; ValueError (for people) if it cannot be."""
    try:
        with path.open("rb") as file:
            content = file.read(_SECRET_FILE_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > _SECRET_FILE_BYTES:
        raise ValueError(f"{path} is larger than 64 KiB: this is hardly a secret")
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no UTF-8 text") from None
    if not text:
        raise ValueError(f"{path} is empty")
    return text


def secret_from_file(value: Secret | None, info: ValidationInfo) -> Secret | None:
    """Complete a secret `x` from the key `x_file`, which its section declares before it."""
    key = info.field_name
    path = info.data.get(f"{key}_file")
    if path is None:
        return value
    if value is not None:
        raise ValueError(f"write `{key}` or `{key}_file`, not both")
    return Secret(read_secret(path))


def topic_name(name: str) -> str:
    """Return the name of a topic; ValueError (for people) where Kafka would not take it."""
    if re.fullmatch(TOPIC_PATTERN, name) is None or name in {".", ".."}:
        raise ValueError("write 1 to 249 letters, digits, dots, dashes and underscores, as Kafka names a topic")
    return name


def _filled(value: Secret) -> Secret:
    if not value.get_secret_value():
        raise ValueError("is empty")
    return value


def _filled_text(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty")
    return text


def _no_switch(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("write a number, not true or false")  # noqa: TRY004 (pydantic collects ValueError only)
    return value


class _NotEmpty:
    """At least one entry; the validator's own minimal length would also count entries that are wrong as missing."""

    @staticmethod
    def __get_pydantic_core_schema__(source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(_not_empty, handler(source))

    @staticmethod
    def __get_pydantic_json_schema__(schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "minItems": 1}


def _not_empty(items: Sized) -> Sized:
    if not items:
        raise ValueError("write at least one entry")
    return items


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("write a finite number")
    return value


def _readable(path: Path) -> Path:
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None


FilledText = Annotated[str, AfterValidator(_filled_text)]
NotEmpty: Final = _NotEmpty()
TopicName = Annotated[str, AfterValidator(topic_name), WithJsonSchema({"type": "string", "pattern": TOPIC_PATTERN})]
Whole = Annotated[int, BeforeValidator(_no_switch)]
Number = Annotated[float, BeforeValidator(_no_switch), AfterValidator(_finite)]
ReadableFile = Annotated[Path, AfterValidator(_readable), Kind("file")]
FilledSecret = Annotated[
    Secret,
    AfterValidator(_filled),
    PlainSerializer(lambda _secret: HIDDEN, return_type=str, when_used="unless-none"),
    Kind("secret text"),
]

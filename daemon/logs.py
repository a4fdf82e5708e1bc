"""Logs on standard error: structured, one line each, the standard library's loggers included.

Every warning and error is counted by level for `klaxon_log_messages_total`. Secrets are blacked out three ways: values
under telling names, known secrets wherever they stand, and assignments inside texts such as `password='...'`.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Literal, TextIO
from urllib.parse import quote, quote_plus

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

Level = Literal["debug", "info", "warn", "error"]
Format = Literal["logfmt", "json", "console"]

REDACTED: Final = "<secret>"
LEVELS: Final = ("warning", "error", "critical")

_SHORTEST_SECRET: Final = 4  # shorter ones would black out ordinary words
_SECRET_NAME: Final = re.compile(r"(?i)(^|_)(password|passwd|secret|token|authorization)$")
_ASSIGNMENT: Final = re.compile(
    r"""(?i)(\b\w*(?:password|passwd|secret|access_token|refresh_token)['"]?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;)}]+)"""
)
_CONTROL: Final = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_CONTROL_BUT_LINES: Final = {code: text for code, text in _CONTROL.items() if chr(code) not in "\n\t"}


class LogCounts(logging.Handler):
    """Counts warnings and worse by level; call it for the counts so far."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._counts = dict.fromkeys(LEVELS, 0)

    def emit(self, record: logging.LogRecord) -> None:
        """Count one record; the caller holds the handler's lock."""
        name = record.levelname.lower()
        self._counts[name if name in self._counts else "warning"] += 1

    def __call__(self) -> Mapping[str, int]:
        """Return the counts by level, every level included."""
        return dict(self._counts)


def configure(
    level: Level, log_format: Format, *, secrets: tuple[str, ...] = (), stream: TextIO | None = None
) -> LogCounts:
    """Set up logging for the whole process, replacing what was set up before, and return its counts."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.StackInfoRenderer(),
                Redaction(secrets, lines=log_format != "logfmt"),
                *_renderer(log_format),
            ],
        )
    )
    counts = LogCounts()
    logging.basicConfig(handlers=[handler, counts], level=level.upper(), force=True)
    logging.captureWarnings(capture=True)
    # The scheduler tells each job at INFO, the client logs passwords at DEBUG.
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    # The client tells every connection and heartbeat at INFO, where our own lines would drown.
    quietest = logging.INFO if level == "debug" else logging.WARNING
    logging.getLogger("kafka").setLevel(max(quietest, logging.getLevelName(level.upper())))
    threading.excepthook = _log_dead_thread
    sys.excepthook = _log_crash
    return counts


class Redaction:
    """A processor that makes every value printable and free of secrets. `lines`: the format can show newlines."""

    def __init__(self, secrets: tuple[str, ...], *, lines: bool) -> None:
        forms = {form for secret in secrets if len(secret) >= _SHORTEST_SECRET for form in _forms(secret)}
        known = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None
        self._control = _CONTROL_BUT_LINES if lines else {**_CONTROL, ord("\n"): "\n"}  # logfmt escapes it itself

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        """Clean all values of one event."""
        return {name: self._clean(name, value) for name, value in event.items()}

    def _clean(self, name: str, value: Any) -> Any:  # noqa: ANN401 - whatever is logged
        if _SECRET_NAME.search(name):
            return REDACTED
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {str(key): self._clean(str(key), inner) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(name, inner) for inner in value]
        return self._text(str(value))

    def _text(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        return _ASSIGNMENT.sub(rf"\1{REDACTED}", text).translate(self._control)


def _forms(secret: str) -> set[str]:
    """Return the spellings in which a secret gets into texts: as it is, quoted, in JSON, in a URL."""
    spelt = {secret, repr(secret)[1:-1], repr(secret.encode())[2:-1], json.dumps(secret)[1:-1]}
    return spelt | {quote(secret, safe=""), quote_plus(secret)}


def _renderer(log_format: Format) -> list[Processor]:
    rename = structlog.processors.EventRenamer("msg")
    match log_format:
        case "json":
            return [rename, structlog.processors.JSONRenderer()]
        case "console":
            return [
                structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="ts", sort_keys=False),
            ]
        case "logfmt":
            order = ("ts", "level", "logger", "msg")
            return [rename, structlog.processors.LogfmtRenderer(key_order=order, drop_missing=True, bool_as_flag=False)]


def _log_dead_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        name = arguments.thread.name if arguments.thread is not None else "unknown"
        error = (arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
        logging.getLogger(__name__).critical("thread %s ended by an exception", name, exc_info=error)


def _log_crash(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        logging.getLogger(__name__).critical("ended by an unexpected fault", exc_info=(kind, error, traceback))

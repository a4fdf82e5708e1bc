"""Keeps secrets out of what the Kafka client logs: at DEBUG it prints the raw bytes of a login."""

import contextlib
import functools
import logging
from typing import Final

REDACTED: Final = "<secret>"
_SHORTEST_SECRET: Final = 4  # shorter ones would black out ordinary words


class _LogGuard(logging.Filter):
    """Drops what is below INFO, where the client logs raw SASL bytes, and blacks out known secrets in the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.INFO:
            return False
        with contextlib.suppress(TypeError, ValueError):  # a malformed message is the logger's fault to tell
            text = record.getMessage()
            clean = functools.reduce(lambda cleaned, secret: cleaned.replace(secret, REDACTED), self.secrets, text)
            if clean != text:
                record.msg, record.args = clean, None
        return True


_LOG_GUARD: Final = _LogGuard()


class _MissingTopic(logging.Filter):
    """Drops what the client says of one topic that is not there, ten times a second while somebody looks for it."""

    def __init__(self, topic: str) -> None:
        super().__init__()
        self._topic = topic

    def filter(self, record: logging.LogRecord) -> bool:
        arguments = record.args if isinstance(record.args, tuple) else ()
        # Only texts: the client's own messages raise when they are compared with one.
        return not any(isinstance(argument, str) and argument == self._topic for argument in arguments)


def quieten_logs(written_topic: str) -> None:
    """Keep the client from logging every try to write to a topic; whoever writes tells failures in its own words."""
    logging.getLogger("kafka.cluster").addFilter(_MissingTopic(written_topic))
    logging.getLogger("kafka.producer").setLevel(logging.CRITICAL)


def protect_logs(secrets: tuple[str, ...]) -> None:
    """Cap the client's loggers at INFO, whatever levels are set, and keep `secrets` out of what they print."""
    _LOG_GUARD.secrets.update(secret for secret in secrets if len(secret) >= _SHORTEST_SECRET)
    names = [name for name in logging.root.manager.loggerDict if name == "kafka" or name.startswith("kafka.")]
    for name in {"kafka", *names}:
        logging.getLogger(name).addFilter(_LOG_GUARD)
    if logging.getLogger("kafka").level < logging.INFO:
        logging.getLogger("kafka").setLevel(logging.INFO)

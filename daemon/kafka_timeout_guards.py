"""A guard around the client's timeouts: a poll that times out must not keep what its callers hold.

The error of a timeout, the future that it is told to and the frames that it passed refer to each other, and frames
refer to those that called them. So after each poll that waited in vain all callers' locals, records of whole fetches
among them, live until the next collection of old garbage, and their memory comes back in pieces.
"""

import functools
import traceback
from collections.abc import Callable
from typing import Any

from kafka.errors import KafkaTimeoutError
from kafka.net.selector import NetworkSelector


def install() -> None:
    """Patch the library for this process. Harmless when called again."""
    if not hasattr(NetworkSelector.run, "__wrapped__"):
        NetworkSelector.run = _released(NetworkSelector.run)


def _released(run: Callable[..., Any]) -> Callable[..., Any]:
    """Let go of the frames of a timeout, and raise one that no future knows."""

    @functools.wraps(run)
    def released(*arguments: object) -> Any:  # noqa: ANN401 - the client is not typed
        try:
            return run(*arguments)
        except KafkaTimeoutError as error:
            words, trace = error.args, error.__traceback__
            error.__traceback__ = None
        traceback.clear_frames(trace)
        del trace
        raise KafkaTimeoutError(*words)

    return released

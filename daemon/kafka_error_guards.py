"""A guard around the client's errors: a call that fails, as a poll that times out, must not keep what its callers hold.

Such an error, the future that it is told to and the frames that it passed refer to each other, and frames refer to
those that called them. So after each call that failed all callers' locals, records of whole fetches among them, live
until the next collection of old garbage, and their memory comes back in pieces.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from kafka.errors import KafkaError
from kafka.net.selector import NetworkSelector


def install() -> None:
    """Patch the library for this process. Harmless when called again."""
    if not hasattr(NetworkSelector.run, "__wrapped__"):
        NetworkSelector.run = released(NetworkSelector.run)


def released(call: Callable[..., Any]) -> Callable[..., Any]:
    """Make a call let go of the frames of its KafkaError, and raise the like of it, which no future knows.

    The frames themselves stay as they are: tasks that go on after the same error, as heartbeats do, are among them.
    """

    @functools.wraps(call)
    def called(*arguments: object) -> Any:  # noqa: ANN401 - the client is not typed
        try:
            return call(*arguments)
        except KafkaError as error:
            kind, words, more = type(error), error.args, dict(vars(error))
            error.__traceback__ = None
        raise _like(kind, words, more)  # no local of ours: it would know the frame, and the frame it

    return called


def _like(kind: type[KafkaError], words: tuple[object, ...], more: Mapping[str, object]) -> KafkaError:
    error = kind.__new__(kind, *words)  # not the constructor, which may add words
    for name, value in more.items():
        setattr(error, name, value)
    return error

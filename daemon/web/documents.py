"""What the server sends, made when it is first asked for and kept until another value is published.

So a page costs its rendering once a publish, however many look at it, and nothing while nobody does. For one thread.
"""

from collections.abc import Callable, Hashable

from daemon.board import Published
from daemon.health import Readiness
from daemon.web.openapi import openapi_json
from daemon.web.page import Request, status_page
from daemon.web.reference import reference_page
from daemon.web.status import history_json, status_json


class Documents:
    """Pages and JSON of what is published, as bytes.

    `stream` and `request.stream` must name a stream that is published: what is kept is bounded by their number.
    """

    def __init__(self, version: str) -> None:
        self._version = version
        self._of: tuple[Published | None, Readiness, bool] | None = None
        self._kept: dict[Hashable, bytes] = {}
        self._lasting: dict[str, bytes] = {}

    def see(self, published: Published | None, readiness: Readiness, *, stuck: bool) -> None:
        """Forget what was made of other values."""
        if self._of is None or self._of[0] is not published or self._of[1:] != (readiness, stuck):
            self._of = (published, readiness, stuck)
            self._kept.clear()

    def status(self) -> bytes:
        """Return /api/v1/status."""
        published, readiness, _ = self._seen
        return self._keep("status", lambda: status_json(published, readiness, self._version))

    def history(self, stream: str | None) -> bytes:
        """Return /api/v1/history of one stream, or of all."""
        published, _, _ = self._seen
        return self._keep(("history", stream), lambda: history_json(published, self._version, stream))

    def page(self, request: Request) -> bytes:
        """Return the status page."""
        published, readiness, stuck = self._seen
        return self._keep(
            request, lambda: status_page(published, readiness, self._version, request, stuck=stuck).encode()
        )

    def reference(self) -> bytes:
        """Return /reference."""
        if "reference" not in self._lasting:
            self._lasting["reference"] = reference_page(self._version).encode()
        return self._lasting["reference"]

    def openapi(self) -> bytes:
        """Return /api/v1/openapi.json."""
        if "openapi" not in self._lasting:
            self._lasting["openapi"] = openapi_json(self._version)
        return self._lasting["openapi"]

    @property
    def _seen(self) -> tuple[Published | None, Readiness, bool]:
        assert self._of is not None  # noqa: S101 - `see` comes first
        return self._of

    def _keep(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

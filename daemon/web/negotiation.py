"""Which form of the exposition a scraper asks for, by its Accept and Accept-Encoding. Pure functions.

RFC 9110, section 12.5: comma-separated members with parameters; `q` from 0 to 1 weighs them, 0 refuses.
"""

from collections.abc import Iterator
from typing import Final

from daemon.board import Rendered

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_OPENMETRICS_TYPE: Final = "application/openmetrics-text"
_TEXT_TYPES: Final = ("text/plain", "text/*", "*/*")
_OPENMETRICS_VERSION: Final = "1.0.0"


def choose(rendered: Rendered, accept: str, accept_encoding: str) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers that describe it; text format without compression if nothing is asked for."""
    openmetrics, compressed = wants_openmetrics(accept), accepts_gzip(accept_encoding)
    headers = {"content-type": OPENMETRICS if openmetrics else TEXT, "vary": "accept, accept-encoding"}
    if compressed:
        headers["content-encoding"] = "gzip"
        return rendered.openmetrics_gzip if openmetrics else rendered.text_gzip, headers
    return rendered.openmetrics if openmetrics else rendered.text, headers


def wants_openmetrics(accept: str) -> bool:
    """Whether OpenMetrics 1.0 is named, and weighs at least as much as the text format."""
    openmetrics = text = 0.0
    for name, parameters in _members(accept):
        weight = _weight(parameters)
        if name == _OPENMETRICS_TYPE and parameters.get("version", _OPENMETRICS_VERSION) == _OPENMETRICS_VERSION:
            openmetrics = max(openmetrics, weight)
        elif name in _TEXT_TYPES:
            text = max(text, weight)
    return openmetrics > 0 and openmetrics >= text


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether gzip is named, or covered by *, and not refused."""
    weights = {name: _weight(parameters) for name, parameters in _members(accept_encoding)}
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _members(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    for member in header.lower().split(","):
        name, *parameters = (part.strip() for part in member.split(";"))
        pairs = (parameter.partition("=") for parameter in parameters)
        yield name, {key.strip(): value.strip().strip('"') for key, _, value in pairs}


def _weight(parameters: dict[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 0.0

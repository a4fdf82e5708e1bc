"""The OpenAPI 3.1 document of the HTTP side, generated from the types of its answers."""

from typing import Any, Final

import msgspec

from daemon.web import answers

_ANSWERS: Final = (
    ("/api/v1/status", answers.Status, "Newest estimates, verdicts and counts of every stream, series and window."),
    ("/api/v1/history", answers.History, "Last hour of every series, for charts."),
)
_TEXTS: Final = (
    ("/metrics", "Metrics for Prometheus; text format or OpenMetrics, by the Accept header.", False),
    ("/livez", "Whether the process makes progress; 503 if not.", True),
    ("/readyz", "Whether the numbers can be used; 503 with one reason a line if not.", True),
)
_DESCRIPTION: Final = (
    "Read-only; GET and HEAD. Every answer is the newest published value. A number that is absent or infinite is null. "
    "Keys and types keep their meaning within version 1; new keys may come."
)


def openapi_json(version: str) -> bytes:
    """Return the document; it does not change while the process runs."""
    _, schemas = msgspec.json.schema_components(
        [kind for _, kind, _ in _ANSWERS], ref_template="#/components/schemas/{name}"
    )
    paths = {path: _operation(summary, kind) for path, kind, summary in _ANSWERS}
    paths |= {path: _text_operation(summary, fails=fails) for path, summary, fails in _TEXTS}
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Klaxon", "description": _DESCRIPTION, "version": version},
            "paths": paths,
            "components": {"schemas": schemas},
        }
    )


def _operation(summary: str, kind: type[answers.Answer]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    return _get(summary, {"200": {"description": kind.__doc__, "content": {"application/json": {"schema": schema}}}})


def _text_operation(summary: str, *, fails: bool) -> dict[str, Any]:
    content = {"text/plain": {"schema": {"type": "string"}}}
    found = {"200": {"description": "Yes." if fails else "The metrics.", "content": content}}
    return _get(summary, {**found, **({"503": {"description": "No.", "content": content}} if fails else {})})


def _get(summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": responses}}

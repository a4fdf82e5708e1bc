"""What all pages share: head, navigation, footer."""

from typing import Final

from daemon.web.html import Html, element, joined, link
from daemon.web.style import STYLE

#: Address, name, and what it is.
LINKS: Final = (
    ("/metrics", "Metrics", "for Prometheus"),
    ("/api/v1/status", "JSON", "of the newest numbers"),
    ("/api/v1/history", "History", "of the last hour, JSON"),
    ("/api/v1/openapi.json", "OpenAPI", "what the JSON holds"),
    ("/readyz", "Readiness", "whether the numbers can be used"),
    ("/livez", "Liveness", "whether the process makes progress"),
)


def document(title: str, version: str, *content: Html, refresh_seconds: int | None = None) -> str:
    """Return a whole page; it loads nothing, and is the same without JavaScript."""
    head = [
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Html(STYLE)),
    ]
    if refresh_seconds is not None:
        head.append(element("meta", http_equiv="refresh", content=str(refresh_seconds)))
    name = element("h1", link("/", "Klaxon"))
    navigation = element(
        "nav", *(link(path, text) for path, text in (("/", "Status"), ("/reference", "Reference"))), aria_label="Pages"
    )
    page = [element("header", name, navigation), element("main", *content), _footer(version)]
    return f"<!DOCTYPE html>\n{element('html', element('head', *head), element('body', *page), lang='en')}\n"


def _footer(version: str) -> Html:
    links = (joined([link(path, name), f" {what}"]) for path, name, what in LINKS)
    return element("footer", element("div", joined(links, " · ")), element("div", f"klaxond {version}"))

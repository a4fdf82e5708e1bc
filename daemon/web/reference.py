"""The page at /reference: verdicts with what to do, and every metric from the catalogue. Static text."""

from collections.abc import Iterator

from daemon.drift_rule import STATES, State
from daemon.metric import Metric, Subject
from daemon.metrics import CATALOGUE
from daemon.metrics_reference import TITLES
from daemon.web.document import document
from daemon.web.guidance import GUIDANCE
from daemon.web.html import Html, element, joined, link
from daemon.web.style import TONES


def reference_page(version: str) -> str:
    """Return the page; it does not change while the process runs."""
    contents = [link("#verdicts", "Verdicts"), *(link(f"#{subject}", _title(subject)) for subject in Subject)]
    return document(
        "Reference - Klaxon",
        version,
        element("p", "Reference", class_="lead"),
        element("p", joined(contents, " · "), class_="small"),
        element("section", *_verdicts(), class_="help", id="verdicts"),
        *(_metrics(subject) for subject in Subject),
    )


def _verdicts() -> Iterator[Html]:
    yield element("h2", "Verdicts, and what to do")
    yield element(
        "p",
        "With the second window as the long one and the first as the short one: drift is where the long window's "
        "value × exp(-4 se / value) is above the threshold and the short window's value is too, and the pairs do not "  # noqa: RUF001
        "fail the self-check; se is the larger of the message error and the pane error. The first of these that holds "
        "is the verdict.",
    )
    for state in STATES:
        yield from _verdict(state)


def _verdict(state: State) -> Iterator[Html]:
    guidance = GUIDANCE[state]
    sign = element("span", guidance.sign, aria_hidden="true")
    yield element("h3", element("span", sign, " ", guidance.word, class_=f"badge {TONES[state]}"), id=state)
    yield element("p", guidance.meaning)
    if guidance.steps:
        yield element("ul", *(element("li", step) for step in guidance.steps))


def _metrics(subject: Subject) -> Html:
    metrics = [metric for metric in CATALOGUE.values() if metric.subject is subject]
    heads = (element("th", name, scope="col") for name in ("Metric", "Type", "Labels", "Meaning"))
    table = element(
        "table", element("thead", element("tr", *heads)), element("tbody", *(_row(metric) for metric in metrics))
    )
    title = _title(subject)
    holder = element("div", table, class_="wide", role="region", aria_label=title, tabindex="0")
    return element("section", element("h2", title), holder, id=subject)


def _title(subject: Subject) -> str:
    return TITLES[subject].replace("`", "")


def _row(metric: Metric) -> Html:
    kind = metric.kind if metric.stability == "stable" else f"{metric.kind}, {metric.stability}"
    return element(
        "tr",
        element("th", element("code", metric.name), scope="row"),
        element("td", kind),
        element("td", ", ".join(metric.all_labels).lower()),
        element("td", metric.help),
    )

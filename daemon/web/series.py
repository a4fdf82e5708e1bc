"""How the status page shows series: the worst as cards with a chart, the others as rows of a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, isnan
from typing import Literal

from daemon.board import StreamBoard, Threshold
from daemon.drift_rule import STATES
from daemon.number_words import figure
from daemon.verdicts import Verdict, formula, self_check_sentence, verdicts
from daemon.web.chart import series_chart
from daemon.web.guidance import GUIDANCE
from daemon.web.html import Html, element, joined, link
from daemon.web.style import TONES
from daemon.web.words import ABSENT, interval_text, time_text, value_text
from estimators.estimates import Direction


@dataclass(frozen=True, slots=True)
class Shown:
    """One series with its verdict and the numbers to read first.

    Attributes
    ----------
    value, lower, upper : of `estimator`, nats; NaN where absent
    estimator : adaptive; naive where the pairs are not comparable; None where they were not drawn from this sampler at
        all, so that no value can be read
    threshold : the lowest one of the direction, None where none is configured
    """

    stream: StreamBoard
    row: int
    verdict: Verdict
    direction: Direction
    estimator: Literal["adaptive", "naive"] | None
    value: float
    lower: float
    upper: float
    threshold: Threshold | None

    @property
    def times(self) -> float:
        """Value over threshold; NaN where either is absent."""
        return self.value / self.threshold.nats if self.threshold is not None else float("nan")


def worst_first(stream: StreamBoard) -> list[Shown]:
    """Return the series of a stream by state, the worst first, and within a state by value over threshold."""
    found = [_shown(stream, row, verdict) for row, verdict in enumerate(verdicts(stream))]
    return sorted(found, key=lambda shown: (STATES.index(shown.verdict.state), -_size(shown), shown.row))


def steady(several: Sequence[Shown]) -> list[Shown]:
    """Put series of one state in the order of their labels, so that they do not change places with every publish."""
    return sorted(several, key=lambda shown: (STATES.index(shown.verdict.state), shown.row))


def _size(shown: Shown) -> float:
    size = shown.times if shown.threshold is not None else shown.value
    return float("-inf") if isnan(size) else size


def _shown(stream: StreamBoard, row: int, verdict: Verdict) -> Shown:
    estimates = stream.long_window.estimates
    side, failed = estimates.of(verdict.direction), verdict.state == "not_comparable"
    columns = side.naive if failed else side.adaptive
    unread = failed and estimates.ratio_mean[row] > 1
    value, lower, upper = (
        float("nan") if unread else float(each[row]) for each in (columns.value, columns.lower, columns.upper)
    )
    thresholds = [each for each in stream.thresholds if each.direction == verdict.direction]
    return Shown(
        stream=stream,
        row=row,
        verdict=verdict,
        direction=verdict.direction,
        estimator=None if unread else "naive" if failed else "adaptive",
        value=value,
        lower=lower,
        upper=upper,
        threshold=min(thresholds, key=lambda each: each.nats, default=None),
    )


def card(shown: Shown) -> Html:
    """Return verdict and sentence, the number, and the chart."""
    return element("article", _said(shown), _numbers(shown), _chart(shown))


def _said(shown: Shown) -> Html:
    state = shown.verdict.state
    told = [element("h3", *_name(shown)), badge(shown.verdict), element("p", _sentence(shown), class_="small")]
    if GUIDANCE[state].steps:
        text = "How to set a threshold" if state == "measuring" else "What to do now"
        told.append(element("p", link(f"/reference#{state}", text), class_="small"))
    return element("div", *told, class_="said")


def _sentence(shown: Shown) -> str:
    """Return the verdict's sentence, or of a series that is plainly well only what the numbers beside do not tell."""
    state, threshold = shown.verdict.state, shown.threshold
    plain = state == "measuring" or (state == "quiet" and threshold is not None and shown.value <= threshold.nats)
    if plain and shown.stream.long_window.complete[shown.row] == 1:
        return self_check_sentence(shown.stream, shown.row)
    return shown.verdict.sentence


def badge(verdict: Verdict) -> Html:
    """Return the verdict in a word, with a sign that tells it without colour."""
    guidance = GUIDANCE[verdict.state]
    word = guidance.word if verdict.severity is None else f"{guidance.word}, {verdict.severity}"
    sign = element("span", guidance.sign, aria_hidden="true")
    return element("span", sign, " ", word, class_=f"badge {TONES[verdict.state]}")


def _name(shown: Shown) -> Iterator[Html | str]:
    """Yield the labels with their values; a stream without labels is one series."""
    labels = list(zip(shown.stream.label_names, shown.stream.keys[shown.row], strict=True))
    if not labels:
        yield "All of it"
    for place, (name, value) in enumerate(labels):
        yield joined([" " if place else "", element("span", name, class_="key"), " ", value or "(empty)"])


def _numbers(shown: Shown) -> Html:
    which = f"{formula(shown.direction)} over {shown.stream.long_window.label}"
    if shown.estimator == "naive":
        which += ", naive"
    lines = [element("div", which, class_="small"), element("div", value_text(shown.value))]
    if interval := interval_text(shown.lower, shown.upper):
        lines.append(element("div", f"95 % interval {interval}", class_="small"))
    if shown.threshold is not None:
        against = f"threshold {figure(shown.threshold.nats)}"
        if isfinite(shown.times) and shown.estimator == "adaptive":
            against = f"{figure(shown.times)} times the {against}"
        lines.append(element("div", against, class_="small"))
    return element("div", *lines)


def _chart(shown: Shown) -> Html:
    chart = series_chart(shown.stream, shown.row)
    if chart is None:
        last = time_text(float(shown.stream.last_event_timestamp_seconds[shown.row]))
        return element("p", f"No chart yet: it grows with each publish. Last event {last}.", class_="small")
    return element("div", chart)


def table(several: Sequence[Shown], caption: str) -> Html:
    """Return one line per series; all are of one stream."""
    stream = several[0].stream
    heads = [
        *stream.label_names,
        "Verdict",
        f"KL over {stream.long_window.label}, nats",
        "95 % interval",
        "Times threshold",
    ]
    head = element("tr", *(element("th", name, scope="col") for name in heads))
    rows = (element("tr", *_cells(shown)) for shown in several)
    return element(
        "div",
        element("table", element("caption", caption), element("thead", head), element("tbody", *rows)),
        class_="wide",
        role="region",
        aria_label=caption,
        tabindex="0",
    )


def _cells(shown: Shown) -> Iterator[Html]:
    key = shown.stream.keys[shown.row]
    for place, value in enumerate(key):
        yield element("th", value, scope="row") if place == 0 else element("td", value)
    yield element("td", badge(shown.verdict))
    yield element("td", ABSENT if isnan(shown.value) else figure(shown.value), class_="number")
    yield element("td", interval_text(shown.lower, shown.upper) or ABSENT, class_="number")
    yield element("td", figure(shown.times) if isfinite(shown.times) else ABSENT, class_="number")

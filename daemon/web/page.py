"""The status page: every stream and series with its verdict, the worst first. Pure: a published value in, HTML out."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from daemon.board import Published, StreamBoard
from daemon.drift_rule import FINDINGS, STATES, State
from daemon.health import Readiness
from daemon.number_words import counted
from daemon.web.document import document
from daemon.web.guidance import GUIDANCE
from daemon.web.html import Html, element, joined, link
from daemon.web.series import Shown, card, steady, table, worst_first
from daemon.web.stream import facts, waiting
from daemon.web.words import time_text

REFRESH_SECONDS: Final = 10
#: Cards of a page, and of one stream among several; rows of a table.
_CARDS_MOST: Final = 48
_CARDS_OF_STREAM: Final = 12
_ROWS_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """What a reader asked for: one stream or all of them; a page that stands still or not."""

    stream: str | None = None
    refresh: bool = True

    def target(self, **changes: str | None) -> str:
        """Return the address of this page with other settings."""
        asked = {"stream": self.stream, "refresh": None if self.refresh else "off", **changes}
        query = urlencode({key: value for key, value in asked.items() if value is not None})
        return f"/?{query}" if query else "/"


def status_page(
    published: Published | None, readiness: Readiness, version: str, request: Request, *, stuck: bool = False
) -> str:
    """Return the page; `stuck` says that the loop has not turned for long, so that the numbers are old."""
    streams = () if published is None else published.streams
    asked = [stream for stream in streams if request.stream in (None, stream.name)]
    shown = {stream.name: worst_first(stream) for stream in asked}
    every = [each for several in shown.values() for each in several]
    asked.sort(key=lambda stream: _worst(shown[stream.name]))
    sections = [_section(stream, shown[stream.name], published, request, len(asked)) for stream in asked]
    return document(
        "Klaxon" if request.stream is None else f"{request.stream} - Klaxon",
        version,
        element("p", _lead(published, every), class_="lead"),
        _meta(published, readiness, request),
        *_notes(readiness, published, stuck=stuck),
        *sections,
        *([_legend()] if every else []),
        refresh_seconds=REFRESH_SECONDS if request.refresh else None,
    )


def _worst(shown: Sequence[Shown]) -> int:
    return STATES.index(shown[0].verdict.state) if shown else len(STATES)


def _lead(published: Published | None, every: Sequence[Shown]) -> str:
    """Say in one sentence whether somebody has to do something."""
    if published is None:
        return "Nothing has been published yet."
    if not every:
        return "No series yet."
    counts = Counter(shown.verdict.state for shown in every)
    total = counted(len(every), "series", "series")
    findings = Counter({state: counts[state] for state in FINDINGS if counts[state]})
    if findings:
        needy = findings.total()
        return f"{needy:,} of {total} {'needs' if needy == 1 else 'need'} a look: {_tally(findings)}."
    return f"No alarm in {total}: {_tally(counts)}."


def _tally(counts: Counter[State]) -> str:
    """Count by state, the worst first; a single state needs no number, since the total stands before."""
    told = [(counts[state], GUIDANCE[state].among) for state in STATES if counts[state]]
    return told[0][1] if len(told) == 1 else ", ".join(f"{count:,} {among}" for count, among in told)


def _meta(published: Published | None, readiness: Readiness, request: Request) -> Html:
    as_of = "" if published is None else f"As of {time_text(published.timestamp_seconds)}"
    refresh = (
        joined([f"Loads anew every {REFRESH_SECONDS} s (", link(request.target(refresh="off"), "stop"), ")"])
        if request.refresh
        else joined(["Stands still (", link(request.target(refresh=None), f"load anew every {REFRESH_SECONDS} s"), ")"])
    )
    items = [as_of, link("/readyz", "Ready" if readiness.ready else "Not ready"), refresh]
    if request.stream is not None:
        items.append(link(request.target(stream=None), "All streams"))
    return element("div", *(element("span", item) for item in items if item), class_="meta")


def _notes(readiness: Readiness, published: Published | None, *, stuck: bool) -> Iterator[Html]:
    if stuck:
        yield element("p", "The daemon makes no progress: these numbers are old. See /livez.", class_="note alarm")
    if not readiness.ready:
        what = "Waiting" if published is None else "The numbers cannot be used yet"
        yield element("p", f"{what}: {'; '.join(readiness.reasons) or 'no reason is known'}.", class_="note")


def _section(
    stream: StreamBoard, shown: Sequence[Shown], published: Published | None, request: Request, streams: int
) -> Html:
    """Return one stream: what it is, the worst series as cards, and the rest counted or in a table."""
    partitions = () if published is None else published.partitions
    owned = [partition for partition in partitions if partition.stream == stream.name]
    most = max(1, min(_CARDS_OF_STREAM, _CARDS_MOST // streams)) if request.stream is None else _CARDS_OF_STREAM
    cards, rest = shown[:most], shown[most:]
    return element(
        "section",
        element("h2", link(request.target(stream=stream.name), stream.name)),
        facts(stream, owned, None if published is None else published.process.topic_partitions),
        *([] if shown else [element("p", waiting(stream, owned), class_="note")]),
        *(card(each) for each in steady(cards)),
        *_rest(stream, rest, request),
    )


def _rest(stream: StreamBoard, rest: Sequence[Shown], request: Request) -> Iterator[Html]:
    if not rest:
        return
    tally = _tally(Counter(shown.verdict.state for shown in rest))
    if request.stream is None:
        text = f"{counted(len(rest), 'more series', 'more series')}: {tally}. "
        yield element("p", text, link(request.target(stream=stream.name), "Show all of this stream"))
        return
    yield table(rest[:_ROWS_MOST], f"The other series: {tally}")
    if len(rest) > _ROWS_MOST:
        yield element("p", f"{len(rest) - _ROWS_MOST:,} more are in the metrics and in the JSON.")


def _legend() -> Html:
    text = (
        "In the charts: thick line, the long window's value (adaptive) with its 95 % interval; thin line, the "
        "short window's; dashes, the threshold; a bar at the foot, pairs that are not comparable, where the line "
        "is off. Times are UTC. "
    )
    return element("p", text, link("/reference#verdicts", "What the verdicts mean, and what to do"), class_="small")

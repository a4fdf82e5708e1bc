"""A small chart of one series' last hour: the long window's value with its interval, the short one's, the threshold."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

import numpy as np

from daemon.board import StreamBoard
from daemon.charts import svg
from daemon.charts.frame import Frame
from daemon.charts.scale import Scale, time_ticks
from daemon.history import HISTORY_SECONDS, History
from daemon.number_words import figure
from daemon.verdicts import formula
from daemon.web.html import Html
from daemon.web.words import clock_text
from estimators.pairs import Floats

WIDTH: Final = 320.0
HEIGHT: Final = 120.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 10.0, 12.0, 22.0
#: Limits of intervals and thresholds beyond this many times the largest value would press the curve to the ground.
_INTERVAL_MOST: Final = 2.0
_THRESHOLD_MOST: Final = 10.0
_ROOM: Final = 1.1
_US_PER_S: Final = 1e6
_EDGE: Final = 14.0  # half a time's width
_BAR: Final = 4.0


def series_chart(stream: StreamBoard, row: int) -> Html | None:
    """Return the chart of a live series; None where the hour holds no estimate, or only one moment."""
    history = stream.history
    if history is None:
        return None
    value, times = history.of("value")[:, row], history.timestamp_seconds
    known = value[np.isfinite(value)]
    if known.size == 0 or times[-1] <= history.since_seconds:
        return None
    limits = [each.nats for each in stream.thresholds if each.direction == history.direction]
    frame = _frame(history, row, limits)
    parts = [
        *frame.upright_axis(frame.y.ticks(4)),
        *frame.level_axis(_time_ticks(frame), told=True),
        frame.inside([*_curves(frame, history, row), *_bars(frame, times, history.of("comparable")[:, row])]),
        *_limits(frame, limits),
    ]
    since = clock_text(max(history.since_seconds, float(times[-1]) - HISTORY_SECONDS))
    shown = f"{formula(history.direction)} since {since} UTC"
    description = (
        f"Between {figure(float(known.min()))} and {figure(float(known.max()))} nats over {stream.long_window.label}; "
        f"now {figure(float(value[-1]))}. "
        + (f"Threshold {', '.join(map(figure, limits))}." if limits else "No threshold is configured.")
    )
    return Html(svg.document(WIDTH, HEIGHT, parts, title=shown, description=description))


def _frame(history: History, row: int, limits: Sequence[float]) -> Frame:
    """Fit the axes: time since the start of noting, at most an hour; values from 0, or below if one is negative."""
    now = float(history.timestamp_seconds[-1])
    first = max(history.since_seconds, now - HISTORY_SECONDS)
    value, short, upper = (_finite(history.of(name)[:, row]) for name in ("value", "short_value", "upper"))
    values = np.concatenate([value, short])
    largest = float(values.max())
    highest = max(largest, min(float(upper.max(initial=largest)), _INTERVAL_MOST * abs(largest)))
    highest = max([highest, *(limit for limit in limits if limit <= _THRESHOLD_MOST * highest)])
    lowest = min(0.0, float(values.min()))
    if not highest > lowest:
        highest = lowest + 1e-6
    return Frame(
        Scale(first * _US_PER_S, now * _US_PER_S, _LEFT, WIDTH - _RIGHT),
        Scale(lowest, lowest + (highest - lowest) * _ROOM, HEIGHT - _BOTTOM, _TOP),
    )


def _finite(values: Floats) -> Floats:
    found: Floats = values[np.isfinite(values)]
    return found


def _curves(frame: Frame, history: History, row: int) -> Iterator[str]:
    xs = [frame.x.at(time * _US_PER_S) for time in history.timestamp_seconds.tolist()]

    def heights(column: Floats) -> list[float]:
        return [frame.y.at(value) for value in column[:, row].tolist()]

    yield svg.band(xs, heights(history.of("lower")), heights(history.of("upper")), "band")
    yield svg.path(zip(xs, heights(history.of("short_value")), strict=True), "short")
    yield svg.path(zip(xs, heights(history.of("value")), strict=True), "curve")


def _bars(frame: Frame, times: Floats, comparable: Floats) -> Iterator[str]:
    """Mark at the foot where the pairs failed the self-check; a mark reaches to the next point."""
    xs = [frame.x.at(time * _US_PER_S) for time in times.tolist()]
    for failed, run in groupby(range(len(xs)), key=lambda place: comparable[place] == 0):
        if failed:
            places = list(run)
            start, end = xs[places[0]], xs[min(places[-1] + 1, len(xs) - 1)]
            yield svg.rectangle((start, frame.y.start - _BAR), max(end - start, _BAR), _BAR, "failed")


def _limits(frame: Frame, limits: Sequence[float]) -> Iterator[str]:
    """Draw the thresholds that lie in the frame, and say of the others that they lie above it."""
    above = [limit for limit in limits if limit > frame.y.high]
    for limit in limits:
        if limit not in above:
            height = frame.y.at(limit)
            yield svg.line((frame.x.start, height), (frame.x.end, height), "limit")
    if above:
        yield svg.text((frame.x.end, _TOP - 2), f"threshold {figure(min(above))}, far above", "limit", "end")


def _time_ticks(frame: Frame) -> list[tuple[float, str]]:
    """Leave out the times whose text would leave the picture."""
    ticks = time_ticks(int(frame.x.low), int(frame.x.high), 4)
    return [(float(tick), text) for tick, text in ticks if frame.x.at(tick) <= WIDTH - _EDGE]

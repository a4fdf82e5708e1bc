"""The picture of a replay: KL over the input with its interval, and the self-check below it, as one SVG file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Final

import numpy as np

from daemon.board import Threshold
from daemon.charts import svg
from daemon.charts.frame import Frame
from daemon.charts.scale import Scale, round_below, tick_text, time_ticks
from daemon.number_words import figure
from daemon.replay import words
from daemon.replay.meaning import drawn_elsewhere
from daemon.replay.points import Points, points_of
from daemon.replay.results import Replay, ReplayedSeries
from daemon.replay.style import CSS
from daemon.replay.tally import time_text
from daemon.verdicts import formula
from estimators.estimates import Estimator
from estimators.pairs import Floats

_WIDTH: Final = 900.0
_LEFT: Final = 76.0
_RIGHT: Final = 872.0
_HEAD: Final = 78.0  # title and subtitle
_FOOT: Final = 58.0  # axis, its title, and what is not drawn
_NAME: Final = 24.0  # a panel's heading
_CHECK: Final = 26.0  # the self-check's heading
_GAP: Final = 22.0  # below the self-check
_PANELS_MOST: Final = 4
#: Heights of KL and self-check by the number of series.
_HEIGHTS: Final = {1: (250.0, 120.0), 2: (170.0, 80.0), 3: (130.0, 64.0), 4: (120.0, 56.0)}
_TEXT_MOST: Final = 110  # characters of a line of notes
_MARGIN: Final = 104.0  # for the names of thresholds
_MARGIN_MOST: Final = 16
_LINE: Final = 14.0  # of text
_RATIO_REACH_MIN: Final = 1e-4  # a finer scale's numbers would not fit
_LOG_FROM: Final = 30.0  # largest over smallest value


@dataclass(frozen=True, slots=True)
class _Panel:
    """One series with its points, and the estimator that is to be read."""

    name: str
    told: str
    estimator: Estimator
    points: Points


def picture(replay: Replay, source: str) -> str | None:
    """Draw the series that are furthest apart, at most 4, over time or over the order of the input.

    Every point is the estimate of one slice by itself (daemon/replay/points.py): adaptive, or sampler-side naive where
    the whole series failed the self-check. None where no slice holds enough messages for a point. `replay` must hold a
    trace and a series.
    """
    shown = replay.inside[:_PANELS_MOST]
    panels = [_panel(replay, series) for series in shown]
    if all(np.isnan(panel.points.value).all() for panel in panels):
        return None
    heights = _HEIGHTS[len(panels)]
    low = min(panel.points.at[0] - panel.points.width / 2 for panel in panels)
    high = max(panel.points.at[-1] + panel.points.width / 2 for panel in panels)
    x = Scale(low, high, _LEFT, _RIGHT - _MARGIN if _limits(replay) else _RIGHT)
    ticks, title = _level_axis(replay, x)
    height = _HEAD + len(panels) * (_NAME + sum(heights) + _CHECK + _GAP) + _FOOT
    parts = [svg.rectangle((0, 0), _WIDTH, height, "paper"), *_head(replay, source, panels, len(replay.inside))]
    top = _HEAD
    for panel in panels:
        last = panel is panels[-1]
        parts += _drawn(replay, panel, x, top, ticks, last=last)
        top += _NAME + sum(heights) + _CHECK + _GAP
    parts += [svg.text(((x.start + x.end) / 2, height - _FOOT + 20), title, "note", "middle")]
    parts += _unshown(replay, height)
    return svg.document(_WIDTH, height, parts, title=_title(replay, source), description=_description(panels), css=CSS)


def _panel(replay: Replay, series: ReplayedSeries) -> _Panel:
    estimator: Estimator = "naive" if series.summary.comparable is False else "adaptive"
    found = replay.to_read(series)
    if series.summary.infinite:
        told = "infinite"
    else:
        sure = f" ({figure(found.lower)} to {figure(found.upper)})" if isfinite(found.lower) else ""
        told = f"{figure(found.value)}{sure}"
    where = "whole input" if replay.longest_window == "all" else f"last {replay.longest_window}"
    reason = "; naive, since the self-check failed" if estimator == "naive" else ""
    if drawn_elsewhere(series.summary):
        reason = "; naive, and no divergence: x was not drawn from this side"
    assert replay.trace is not None  # noqa: S101 - promised
    row = replay.trace_keys.index(series.labels)
    points = points_of(replay.trace, row, replay.sampled_from, replay.resolution, estimator)
    return _Panel(words.name(replay, series), f"{where}: {told} nats{reason}", estimator, points)


def _head(replay: Replay, source: str, panels: Sequence[_Panel], series: int) -> Iterator[str]:
    yield svg.text((_LEFT - 52, 34), _cut(_title(replay, source), 90), "title")
    widths = sorted({panel.points.width for panel in panels})
    width = " to ".join(_length(replay, each) for each in dict.fromkeys((widths[0], widths[-1])))
    kinds = " or ".join(sorted({panel.estimator for panel in panels}))
    many = f", the {len(panels)} furthest apart of {series} series" if series > len(panels) else ""
    yield svg.text(
        (_LEFT - 52, 56),
        f"One {kinds} estimate for each slice of {width}, with its 95 % interval{many}; x drawn from "
        f"{replay.sampled_from}",
        "note",
    )


def _drawn(
    replay: Replay, panel: _Panel, x: Scale, top: float, ticks: Sequence[tuple[float, str]], *, last: bool
) -> Iterator[str]:
    """Yield one series: heading, KL with interval and thresholds, self-check with its error and the line at 1."""
    kl_height, ratio_height = _HEIGHTS[min(len(replay.inside), _PANELS_MOST)]
    points, thresholds = panel.points, _limits(replay)
    yield svg.text((_LEFT, top + 14), _cut(panel.name, 60), "name")
    yield svg.text((_RIGHT, top + 14), panel.told, "note", "end")
    foot = top + _NAME + kl_height
    kl = Frame(x, _kl_scale(points, [each.nats for each in thresholds], foot, top + _NAME))
    yield from kl.upright_axis(kl.y.ticks(6 if kl_height > 150 else 5))
    yield from kl.level_axis(ticks, told=False)
    yield svg.text((_LEFT - 58, top + 14), "nats, log" if kl.y.log else "nats", "unit")
    yield kl.inside([*_estimates(kl, points.at, (points.value, points.lower, points.upper), "kl")])
    yield from _infinities(kl, points)
    yield from _thresholds(kl, thresholds)
    ratio_top = foot + _CHECK
    mean = f"self-check: mean of {replay.other}/{replay.sampled_from}, should be 1"
    yield svg.text((_LEFT, ratio_top - 7), mean, "note")
    ratio = Frame(x, _ratio_scale(points, ratio_top + ratio_height, ratio_top))
    yield from ratio.upright_axis(_around_one(ratio.y))
    yield svg.line((_LEFT, ratio.y.at(1.0)), (x.end, ratio.y.at(1.0)), "should")
    check = points.ratio_mean, points.ratio_lower, points.ratio_upper
    yield ratio.inside([*_estimates(ratio, points.at, check, "ratio")])
    yield from ratio.level_axis(ticks, told=last)


def _estimates(frame: Frame, at: Floats, interval: Sequence[Floats], kind: str) -> Iterator[str]:
    """Yield the band from lower to upper and the line of the values, from (value, lower, upper)."""
    xs = [frame.x.at(each) for each in at]
    value, lower, upper = ([frame.y.at(each) for each in column] for column in interval)
    # A log scale has no place for a limit that is not positive: it is somewhere below.
    below = frame.y.start + frame.height
    known = np.isfinite(interval[1])
    lows = [(low if isfinite(low) else below) if ok else nan for low, ok in zip(lower, known, strict=True)]
    yield svg.band(xs, lows, upper, f"{kind}band")
    places = list(zip(xs, value, strict=True))
    yield svg.path(places, kind)
    if kind == "kl":
        yield from (svg.dot(place, 2.2, "kldot") for place in places if isfinite(place[1]))


def _infinities(frame: Frame, points: Points) -> Iterator[str]:
    for at in points.at[np.isposinf(points.value)]:
        yield svg.text((frame.x.at(float(at)), frame.top + 12), "\N{INFINITY}", "infinite", "middle")


def _thresholds(frame: Frame, thresholds: Sequence[Threshold]) -> Iterator[str]:
    """Yield the lines, and their names in the margin; names that would overlap move upwards."""
    free = frame.y.start
    for threshold in sorted(thresholds, key=lambda threshold: threshold.nats):
        height = frame.y.at(threshold.nats)
        yield svg.line((frame.x.start, height), (frame.x.end, height), "threshold")
        free = min(height, free - _LINE)
        text = _cut(f"{threshold.severity} {figure(threshold.nats)}", _MARGIN_MOST)
        yield svg.text((frame.x.end + 6, free + 4), text, "limit")


def _limits(replay: Replay) -> list[Threshold]:
    return [each for each in replay.thresholds if each.direction == replay.sampler_side]


def _kl_scale(points: Points, thresholds: Sequence[float], foot: float, top: float) -> Scale:
    """Linear from 0, or logarithmic where the values differ much; wide intervals do not squeeze the values."""
    values = [*points.value[np.isfinite(points.value)].tolist(), *thresholds]
    if not values:
        return Scale(0.0, 1.0, foot, top)
    highest, lowest = max(values), min(values)
    uppers = points.upper[np.isfinite(points.upper)]
    reach = min(float(uppers.max(initial=highest)), 2 * highest) if highest > 0 else 0.0
    if lowest > 0 and highest / lowest > _LOG_FROM:
        lowers = points.lower[points.lower > 0]
        return Scale(
            max(float(lowers.min(initial=lowest)), lowest / 3) / 1.1, max(reach, highest) * 1.2, foot, top, log=True
        )
    bottom = min(0.0, 1.1 * lowest)
    ceiling = 1.06 * max(reach, highest)
    return Scale(bottom, ceiling if ceiling > bottom else bottom + 1.0, foot, top)


def _ratio_scale(points: Points, foot: float, top: float) -> Scale:
    """Around 1, by the farthest mean and by four in five of the intervals: a wild one does not squeeze the others."""
    means = points.ratio_mean[np.isfinite(points.ratio_mean)]
    ends = np.concatenate([points.ratio_lower, points.ratio_upper])
    ends = ends[np.isfinite(ends)]
    usual = float(np.quantile(np.abs(ends - 1), 0.8)) if ends.size else 0.0
    reach = 1.1 * max(float(np.abs(means - 1).max(initial=0.0)), usual, _RATIO_REACH_MIN)
    # A mean of ratios is never negative.
    return Scale(max(1 - reach, 0.0), 1 + reach, foot, top)


def _around_one(y: Scale) -> list[float]:
    """Return 1, where the mean should be, and one round tick on either side."""
    step = round_below(y.high - 1)
    return [tick for tick in (1 - step, 1.0, 1 + step) if y.low <= tick <= y.high]


def _level_axis(replay: Replay, x: Scale) -> tuple[list[tuple[float, str]], str]:
    """Return ticks and title of the axis that the panels share."""
    if replay.trace is None or replay.trace.axis == "message":
        ticks = x.ticks(8)
        step = ticks[1] - ticks[0] if len(ticks) > 1 else None
        return [(tick, tick_text(tick, step)) for tick in ticks], "number of the message, in the order of the input"
    first, last = int(x.low), int(x.high)
    half = int(2**replay.trace.level) // 2
    start, end = time_text(first + half)[:10], time_text(last - half)[:10]
    days = start if start == end else f"{start} to {end}"
    return [(float(tick), text) for tick, text in time_ticks(first, last)], f"event time, UTC, {days}"


def _length(replay: Replay, width: float) -> str:
    """Write the length of a slice."""
    if replay.trace is None or replay.trace.axis == "message":
        return f"{width:,.0f} messages of the input"
    seconds = width / 1e6
    for unit, length in (("days", 86_400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{figure(seconds / length)} {unit}"
    return f"{figure(seconds)} seconds"


def _unshown(replay: Replay, height: float) -> Iterator[str]:
    others = replay.inside[_PANELS_MOST:]
    if others:
        names = _cut("; ".join(words.name(replay, series) for series in others), _TEXT_MOST)
        yield svg.text((_LEFT - 52, height - 12), f"Not drawn: {names}", "note")


def _title(replay: Replay, source: str) -> str:
    return f"{formula(replay.sampler_side)} in {source}"


def _description(panels: Sequence[_Panel]) -> str:
    return "; ".join(f"{panel.name}, {panel.told}" for panel in panels)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"

"""A panel of a chart: grid, ticks and axis of one plot area."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from daemon.charts import svg
from daemon.charts.scale import Scale, tick_text

#: From the baseline to the middle of a digit, and from an axis to its numbers.
_RISE = 4.0
_AWAY = 8.0


@dataclass(frozen=True, slots=True)
class Frame:
    """A plot area in user units.

    Attributes
    ----------
    x, y : its scales; y runs upwards, so that y.start is the lower edge
    """

    x: Scale
    y: Scale

    @property
    def top(self) -> float:
        """Upper edge."""
        return self.y.end

    @property
    def height(self) -> float:
        """From the upper to the lower edge."""
        return self.y.start - self.y.end

    def upright_axis(self, ticks: Sequence[float]) -> Iterator[str]:
        """Yield the grid lines and numbers of the y axis; classes `grid` and `tick`."""
        step = None if self.y.log or len(ticks) < 2 else ticks[1] - ticks[0]
        for tick in ticks:
            height = self.y.at(tick)
            yield svg.line((self.x.start, height), (self.x.end, height), "grid")
            yield svg.text((self.x.start - _AWAY, height + _RISE), tick_text(tick, step), "tick", "end")

    def level_axis(self, ticks: Sequence[tuple[float, str]], *, told: bool) -> Iterator[str]:
        """Yield the x axis' line and marks, with their texts where `told`; classes `axis` and `tick`."""
        foot = self.y.start
        yield svg.line((self.x.start, foot), (self.x.end, foot), "axis")
        for value, text in ticks:
            place = self.x.at(value)
            yield svg.line((place, foot), (place, foot + _RISE), "axis")
            if told:
                yield svg.text((place, foot + 4 * _RISE + 2), text, "tick", "middle")

    def inside(self, parts: Sequence[str]) -> str:
        """Show of the parts what lies within the plot area."""
        return svg.clipped(parts, (self.x.start, self.top), self.x.end - self.x.start, self.height)

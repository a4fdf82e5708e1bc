"""Panels of the kinds that the dashboards are made of. Every panel has a title, a description and a unit."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import common, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from deploy.grafana.source.variables import DATASOURCE

NATS: Final = "suffix: nats"
TIMES: Final = "suffix: times"
BYTES: Final = "bytes"
COUNT: Final = "short"
SHARE: Final = "percentunit"
SECONDS: Final = "s"
RECORDS: Final = "suffix: records/s"
#: Tones of the status page, in the colours of Grafana's themes.
ALARM, BROKEN, WAIT, FINE, IDLE, LIMIT = "red", "purple", "orange", "green", "text", "dark-red"
#: What is recorded by rules, and what is said where they give nothing.
RULES: Final = re.compile(r"\b(series|stream):klaxon_")
NO_VALUE: Final = "No value: no data, the rules of klaxond are not loaded, or a partition has not exactly one owner"

#: Tones by the value from which they hold, and words with their tones by the value that they stand for.
Tones = Mapping[float | None, str]
Words = Mapping[str, tuple[str, str]]
#: A panel in the making.
_Made = timeseries.Panel | stat.Panel | table.Panel | statetimeline.Panel


@dataclass(frozen=True, slots=True)
class Query:
    """One expression; `legend` names its lines, from their labels unless told. `tone` colours them."""

    expr: str
    legend: str = "__auto"
    tone: str = ""


def lines(
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    unit: str,
    width: int = 12,
    least: float | None = None,
    limits: Tones | None = None,
) -> timeseries.Panel:
    """Draw lines over time; the axis begins at `least` or below it, `limits` are dashed lines with their colours."""
    panel = timeseries.Panel().span(width).height(8).line_width(1).fill_opacity(0)
    _tell(panel, title, description, unit)
    panel.legend(_legend()).tooltip(common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI))
    panel.show_points(shapes.VisibilityMode.NEVER)
    if any(RULES.search(query.expr) for query in queries):
        panel.no_value(NO_VALUE)
    if least is not None:
        panel.axis_soft_min(least)
    if limits:
        style = common.GraphThresholdsStyleConfig().mode(shapes.GraphTresholdsStyleMode.DASHED)
        panel.thresholds_style(style).thresholds(_steps({None: "transparent", **limits}))
    for place, query in enumerate(queries):
        panel.with_target(_target(query, place))
        if query.tone:
            panel.override_by_query(_name(place), [_fixed(query.tone)])
    return panel


def band(panel: timeseries.Panel, lower: str, upper: str) -> timeseries.Panel:
    """Fill between two lines of a panel, by their legends."""
    thin = [
        models.DynamicConfigValue(id_val="custom.lineWidth", value=0),
        _fixed("blue"),
        models.DynamicConfigValue(id_val="custom.hideFrom", value={"legend": True, "tooltip": False, "viz": False}),
    ]
    filled = [
        models.DynamicConfigValue(id_val="custom.fillBelowTo", value=lower),
        models.DynamicConfigValue(id_val="custom.fillOpacity", value=20),
    ]
    return panel.override_by_name(lower, thin).override_by_name(upper, [*thin, *filled])


def dashed(panel: timeseries.Panel, pattern: str) -> timeseries.Panel:
    """Draw the lines whose legends match as limits."""
    style = {"fill": "dash", "dash": [10, 6]}
    return panel.override_by_regexp(
        pattern, [models.DynamicConfigValue(id_val="custom.lineStyle", value=style), _fixed(LIMIT)]
    )


def number(
    title: str,
    description: str,
    query: Query,
    *,
    unit: str,
    width: int = 4,
    tones: Tones | None = None,
    words: Words | None = None,
    empty: str = NO_VALUE,
) -> stat.Panel:
    """Show one number now; `tones` by the value from which they hold, `words` (text, tone) instead of values."""
    panel = stat.Panel().span(width).height(4)
    _tell(panel, title, description, unit)
    panel.no_value(empty).graph_mode(shapes.BigValueGraphMode.NONE).thresholds(_steps(tones or {None: IDLE}))
    panel.color_mode(shapes.BigValueColorMode.VALUE)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    if words:
        panel.mappings([_mapping(words)])
    return panel.with_target(_target(query, 0, instant=True))


def states(
    title: str, description: str, queries: Sequence[tuple[Query, Words]], *, width: int = 24
) -> statetimeline.Panel:
    """Show by colour what held when; each query with its values as (text, tone)."""
    panel = statetimeline.Panel().span(width).height(8).fill_opacity(60).row_height(0.8)
    _tell(panel, title, description, COUNT)
    panel.thresholds(_steps({None: IDLE})).show_value(shapes.VisibilityMode.NEVER)
    panel.legend(common.VizLegendOptions().show_legend(show_legend=False))
    for place, (query, words) in enumerate(queries):
        panel.with_target(_target(query, place))
        panel.override_by_query(_name(place), [models.DynamicConfigValue(id_val="mappings", value=[_mapping(words)])])
    return panel


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers of a table: its query, title and unit; `tones` as those of a number."""

    expr: str
    title: str
    unit: str = COUNT
    tones: Tones | None = None
    words: Words | None = None
    decimals: int | None = None


def rows(
    title: str, description: str, columns: Sequence[Column], *, hidden: Sequence[str] = (), height: int = 10
) -> table.Panel:
    """Show one row for each label set, with its labels before its numbers."""
    panel = table.Panel().span(24).height(height).show_header(show_header=True)
    _tell(panel, title, description, COUNT)
    merge = models.DataTransformerConfig(id_val="merge", options={})
    names = {f"Value #{_name(place)}": column.title for place, column in enumerate(columns)}
    if len(columns) == 1:
        names = {"Value": columns[0].title}
    excluded = dict.fromkeys(("Time", *hidden), True)
    organize = models.DataTransformerConfig(
        id_val="organize", options={"excludeByName": excluded, "indexByName": {}, "renameByName": names}
    )
    panel.with_transformation(merge).with_transformation(organize)
    for place, column in enumerate(columns):
        panel.with_target(_target(Query(column.expr, ""), place, instant=True).format(PromQueryFormat.TABLE))
        panel.override_by_name(column.title, _look(column))
    return panel


def linked(panel: table.Panel, column: str, title: str, url: str) -> table.Panel:
    """Let a column lead elsewhere."""
    link = {"title": title, "url": url, "targetBlank": False}
    return panel.override_by_name(column, [models.DynamicConfigValue(id_val="links", value=[link])])


def _look(column: Column) -> list[models.DynamicConfigValue]:
    look = [models.DynamicConfigValue(id_val="unit", value=column.unit)]
    if column.decimals is not None:
        look.append(models.DynamicConfigValue(id_val="decimals", value=column.decimals))
    if column.tones or column.words:
        look.append(models.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}))
    if column.tones:
        look.append(models.DynamicConfigValue(id_val="thresholds", value=_steps(column.tones).build()))
    if column.words:
        look.append(models.DynamicConfigValue(id_val="mappings", value=[_mapping(column.words)]))
    return look


def _tell(panel: _Made, title: str, description: str, unit: str) -> None:
    panel.title(title).description(description).unit(unit).datasource(DATASOURCE)


def _target(query: Query, place: int, *, instant: bool = False) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).ref_id(_name(place)).legend_format(query.legend)
    target.datasource(DATASOURCE)
    return target.instant() if instant else target.range()


def _name(place: int) -> str:
    return chr(ord("A") + place)


def _legend() -> common.VizLegendOptions:
    legend = common.VizLegendOptions().display_mode(shapes.LegendDisplayMode.LIST)
    return legend.placement(shapes.LegendPlacement.BOTTOM).show_legend(show_legend=True)


def _fixed(tone: str) -> models.DynamicConfigValue:
    return models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": tone})


def _steps(tones: Tones) -> builders.ThresholdsConfig:
    steps = [models.Threshold(value=value, color=tone) for value, tone in tones.items()]
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _mapping(words: Words) -> models.ValueMap:
    return models.ValueMap(
        options={
            value: models.ValueMappingResult(text=text, color=tone, index=index)
            for index, (value, (text, tone)) in enumerate(words.items())
        }
    )

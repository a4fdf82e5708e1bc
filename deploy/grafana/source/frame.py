"""What the three dashboards share: names, links to one another, alarms drawn into the panels."""

import json
from collections.abc import Sequence
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from daemon.rules import Terms, rule_groups
from deploy.grafana.source.variables import DATASOURCE

#: Stable: bookmarks, alerts and the dashboards themselves lead there.
OVERVIEW, SERIES, DAEMON = "klaxon-overview", "klaxon-series", "klaxon-daemon"
_TITLES: Final = {OVERVIEW: "Klaxon / Overview", SERIES: "Klaxon / Series", DAEMON: "Klaxon / Daemon"}
_PAGES: Final = {
    rule["alert"]: rule["annotations"]["dashboard_url"]
    for group in rule_groups(Terms(grafana="https://grafana"))["groups"]
    for rule in group["rules"]
    if "alert" in rule
}
#: Alerts that carry the labels of a series, and all others, which carry those of a stream at most.
SERIES_ALERTS: Final = tuple(name for name, page in _PAGES.items() if f"/{SERIES}?" in page)
OTHER_ALERTS: Final = tuple(name for name in _PAGES if name not in SERIES_ALERTS)


class _Alarms(models.AnnotationQuery):
    """An annotation of Prometheus: the SDK's model lacks what it says of an alarm."""

    def to_json(self) -> dict[str, object]:
        """Return what Grafana reads."""
        said = {"titleFormat": "{{alertname}}", "textFormat": "{{severity}} {{stream}} {{direction}}", "step": "60s"}
        return {**super().to_json(), **said}


class Alarms(Builder[models.AnnotationQuery]):
    """Mark when alerts fired; `names` are those of the alerts, `selector` says of what."""

    def __init__(self, title: str, names: Sequence[str], selector: str, tone: str) -> None:
        expr = f'ALERTS{{alertname=~"{"|".join(names)}", alertstate="firing", {selector}}}'
        self._annotation = _Alarms(name=title, datasource=DATASOURCE, icon_color=tone, expr=expr)

    def build(self) -> models.AnnotationQuery:
        """Return the annotation."""
        return self._annotation


def dashboard(uid: str, description: str, *, tags: Sequence[str] = ("klaxon",)) -> builders.Dashboard:
    """Begin a dashboard that leads to the other two."""
    made = builders.Dashboard(_TITLES[uid]).uid(uid).description(description).tags(list(tags)).readonly()
    made.time("now-6h", "now").refresh("1m").timezone("browser").tooltip(models.DashboardCursorSync.CROSSHAIR)
    for other, title in _TITLES.items():
        if other != uid:
            # The choice of several streams or deployments means nothing to the page of one series.
            made.link(
                builders.DashboardLink(title.removeprefix("Klaxon / "))
                .url(f"/d/{other}")
                .keep_time(keep_time=True)
                .include_vars(include_vars=other != SERIES)
            )
    return made


def section(made: builders.Dashboard, title: str, panels: Sequence[Builder[models.Panel]]) -> builders.Dashboard:
    """Add a row of panels under a title."""
    made.with_row(builders.Row(title))
    for panel in panels:
        made.with_panel(panel)
    return made


def as_read(made: models.Dashboard) -> dict[str, Any]:
    """Return what Grafana reads: every panel with an id, nothing that the SDK writes and newer Grafanas do not know."""
    plain: dict[str, Any] = json.loads(json.dumps(made, cls=JSONEncoder))
    for number, panel in enumerate(plain["panels"], 1):
        panel["id"] = number
    for variable in plain["templating"]["list"]:
        for name in ("id", "auto", "auto_min", "auto_count"):
            del variable[name]
    del plain["style"]
    return plain

"""Rules as values, and as the mappings of a Prometheus rule file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from daemon.rules.pages import OVERVIEW


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded metric; `labels` are set on every sample."""

    record: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return the mapping that Prometheus reads."""
        labels = {"labels": dict(self.labels)} if self.labels else {}
        return {"record": self.record, "expr": self.expr, **labels}


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    Attributes
    ----------
    hold : how long the expression must hold before it fires; a duration as Prometheus writes it, empty for at once
    keep : how long it goes on firing after the expression ceased to hold; empty for not at all
    severity : label of the alert; empty where the expression's samples carry one
    summary, description : templates of Prometheus, plain sentences
    labels : further labels
    page : template of the page of Grafana that it leads to, without the address; the overview unless told
    """

    name: str
    expr: str
    summary: str
    description: str
    severity: str = ""
    hold: str = ""
    keep: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    page: str = OVERVIEW

    def plain(self, runbooks: str, grafana: str) -> dict[str, Any]:
        """Return the mapping that Prometheus reads; `runbooks` is what stands before a runbook's file name.

        `grafana` is the address of Grafana; without it there is no `dashboard_url`.
        """
        page = {"dashboard_url": f"{grafana}{self.page}"} if grafana else {}
        times = {"for": self.hold, "keep_firing_for": self.keep}
        labels = {**({"severity": self.severity} if self.severity else {}), **self.labels}
        return {
            "alert": self.name,
            "expr": self.expr,
            **{key: duration for key, duration in times.items() if duration},
            **({"labels": labels} if labels else {}),
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{runbooks}{self.name}.md",
                **page,
            },
        }

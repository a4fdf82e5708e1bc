"""Values of what watches klaxond: scraping, rules, dashboards, and the network between."""

from typing import Any, Final, Literal

from pydantic import Field

from deploy.helm.source.kinds import Mapping, Objects, Section, Switch, Texts

DURATION: Final = "^(([0-9]+)(ms|[smhdwy]))*$"
_PROMETHEUS: Final[list[dict[str, Any]]] = [
    {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}}
]
_DNS: Final[list[dict[str, Any]]] = [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}]


class ServiceValues(Section):
    """The Service of metrics and status page."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = Field(default="ClusterIP", description="Its type.")
    port: int = Field(
        default=9752, ge=1, le=65535, description="Its port; the pods' own is `config.web.listen_address`."
    )
    annotations: Texts = Field(default={}, description="Its annotations.")
    labels: Texts = Field(default={}, description="Its further labels.")


class MonitoringValues(Section):
    """What all objects of the Prometheus Operator have in common."""

    labels: Texts = Field(
        default={"release": "kube-prometheus-stack"},
        description="Labels by which Prometheus selects them. kube-prometheus-stack asks for `release` with the name "
        "of its own release. Others: `kubectl get prometheus -A -o yaml`, serviceMonitorSelector and ruleSelector.",
    )


class _ScrapeValues(Section):
    namespace: str = Field(default="", description="Namespace of the object; the release's where it is empty.")
    additional_labels: Texts = Field(default={}, description="Labels beside monitoring.labels.")
    interval: str = Field(
        default="",
        pattern=DURATION,
        description="How often; Prometheus' own where it is empty. At most 1m: the rules take a publish for stale "
        "after 2m and three publish_interval.",
    )
    scrape_timeout: str = Field(default="", pattern=DURATION, description="How long a scrape may take.")
    tls_config: Mapping = Field(
        default={}, description="TLS of Prometheus; `https` is asked for where the web file has TLS."
    )
    basic_auth: Mapping = Field(default={}, description="Secrets with user and password, where the web file has users.")
    honor_labels: bool = Field(default=False, description="Whether our labels outrank those of the target.")
    relabelings: Objects = Field(
        default=[], description="Rules for the target; leave namespace, job, instance and pod."
    )
    metric_relabelings: Objects = Field(default=[], description="Rules for the metrics.")


class ServiceMonitorValues(_ScrapeValues):
    """A ServiceMonitor: Prometheus finds the pods by the Service."""

    enabled: Switch = Field(
        default="auto", description="auto: where the cluster knows the kind, and unless podMonitor is enabled."
    )


class PodMonitorValues(_ScrapeValues):
    """A PodMonitor, in the place of the ServiceMonitor."""

    enabled: bool = Field(default=False, description="Whether to make one.")


class PrometheusRuleValues(Section):
    """Alerts and recording rules: those of `klaxond rules`, for the windows of `config`."""

    enabled: Switch = Field(default="auto", description="auto: where the cluster knows the kind.")
    namespace: str = Field(default="", description="Namespace of the object; the release's where it is empty.")
    additional_labels: Texts = Field(default={}, description="Labels beside monitoring.labels.")
    hold: str = Field(
        default="5m",
        alias="for",
        pattern="^([0-9]+(ms|[smhdw]))+$",
        description="How long a drift must hold before it alarms; faults of the monitor 3 times that.",
    )
    runbook_url: str = Field(
        default="deploy/runbooks/", description="What stands before KlaxonDrift.md in runbook_url: where you keep them."
    )
    grafana_url: str = Field(
        default="", description="Grafana's address; with it each alert has a dashboard_url, to its own series."
    )
    disabled: dict[str, bool] = Field(default={}, description="Alerts to leave out, as `KlaxonLag: true`.")
    rule_labels: Texts = Field(default={}, description="Labels of every alert, for routes of Alertmanager.")


class DashboardsValues(Section):
    """Three Grafana dashboards as ConfigMaps, for Grafana's sidecar."""

    enabled: bool = Field(default=True, description="Whether to make them.")
    namespace: str = Field(default="", description="Namespace of the ConfigMaps; the release's where it is empty.")
    labels: Texts = Field(default={"grafana_dashboard": "1"}, description="Labels that the sidecar looks for.")
    annotations: Texts = Field(default={}, description="Annotations, such as the folder that the sidecar puts them in.")


class NetworkPolicyValues(Section):
    """Who may reach the pods, and whom they may reach."""

    enabled: bool = Field(
        default=False,
        description="Whether to make one. A wrong one looks like an outage of Kafka, so it is your choice.",
    )
    ingress_from: Objects = Field(
        default=_PROMETHEUS, description="Who may come to the web port; by default every Prometheus of the cluster."
    )
    kafka: Objects = Field(
        default=[],
        description="Where the brokers are, as peers of Kubernetes; anywhere where it is empty. Ports are those of "
        "`config.kafka.bootstrap_servers`.",
    )
    kafka_ports: list[int] = Field(default=[], description="Further ports at which brokers advertise themselves.")
    dns: Objects = Field(default=_DNS, description="Egress rules for names.")
    extra_egress: Objects = Field(default=[], description="Further egress rules, such as to a token endpoint.")


class PodDisruptionBudgetValues(Section):
    """How many pods an eviction may take at a time."""

    enabled: bool = Field(default=True, description="Whether to make one.")
    max_unavailable: int | str | None = Field(default=1, description="At most so many are away, as number or per cent.")
    min_available: int | str | None = Field(
        default=None, description="Or: at least so many are there. With one replica this stops every drain of its node."
    )

"""All values of the chart: the one source of values.yaml, of its schema and of the table in the chart's README."""

from typing import Any, Final, Literal

from pydantic import Field

from deploy.helm.source.kinds import Mapping, Objects, Section, Texts
from deploy.helm.source.values_others import KedaValues, StrimziValues
from deploy.helm.source.values_pod import PodValues
from deploy.helm.source.values_watch import (
    DashboardsValues,
    MonitoringValues,
    NetworkPolicyValues,
    PodDisruptionBudgetValues,
    PodMonitorValues,
    PrometheusRuleValues,
    ServiceMonitorValues,
    ServiceValues,
)

#: Where the chart's configuration differs from klaxond's own defaults.
CONFIG: Final[dict[str, Any]] = {
    "snapshot": {"kind": "changelog"},
    "export": {"moments": True},
    "web": {"listen_address": "0.0.0.0:9752"},
}


class WebValues(Section):
    """TLS and passwords of the HTTP side."""

    file: Mapping = Field(
        default={},
        description="The web configuration file, in the format of Prometheus' own exporters; kept in a Secret. "
        "Certificates come from secretFolders.",
    )
    existing_secret: str = Field(default="", description="Or a Secret that holds it, under the key web.yml.")
    scheme: Literal["", "http", "https"] = Field(
        default="", description="What existingSecret's file makes of it; of `file` the chart sees it."
    )
    client_certificates: bool = Field(
        default=False,
        description="Whether existingSecret's file asks every client for a certificate: then probes are plain TCP.",
    )


class TestsValues(Section):
    """`helm test`: a pod that asks the brokers, and one that asks a replica."""

    enabled: bool = Field(default=True, description="Whether there are any.")


class Values(PodValues):
    """Values of the chart."""

    name_override: str = Field(default="", description="Name in the place of the chart's.")
    fullname_override: str = Field(default="", description="Name in the place of release and chart.")
    common_labels: Texts = Field(default={}, description="Labels of every object.")
    config: Mapping = Field(
        default=CONFIG,
        description="klaxond's own configuration, passed on as it is: every key of deploy/reference/settings.md. "
        "`kafka.bootstrap_servers` and `streams` are yours to fill in; `kafka.group_id` is NAMESPACE-RELEASE unless "
        "written. Changes roll the pods. Secrets are not written here but come from files: see settingsSecret and "
        "secretFolders. changelog: the state survives pods, in a topic. moments: replicas are added up, and there are "
        "two in every rollout. 0.0.0.0: Prometheus comes from outside the pod.",
    )
    settings_secret: str = Field(
        default="",
        description="Secret whose keys are settings, such as `kafka.sasl.password`; they outrank `config`.",
    )
    secret_folders: Texts = Field(
        default={},
        description="Secrets to mount, by folder: `kafka: my-secret` gives /etc/klaxon/secrets/kafka/KEY, for keys "
        "such as `kafka.ssl.ca_file`.",
    )
    web: WebValues = WebValues()
    service: ServiceValues = ServiceValues()
    monitoring: MonitoringValues = MonitoringValues()
    service_monitor: ServiceMonitorValues = ServiceMonitorValues()
    pod_monitor: PodMonitorValues = PodMonitorValues()
    prometheus_rule: PrometheusRuleValues = PrometheusRuleValues()
    dashboards: DashboardsValues = DashboardsValues()
    pod_disruption_budget: PodDisruptionBudgetValues = PodDisruptionBudgetValues()
    network_policy: NetworkPolicyValues = NetworkPolicyValues()
    strimzi: StrimziValues = StrimziValues()
    keda: KedaValues = KedaValues()
    tests: TestsValues = TestsValues()
    extra_manifests: Objects = Field(default=[], description="Further objects, as templates of Helm.")


#: Keys that a reader looks for first.
FIRST: Final = ("config", "settingsSecret", "secretFolders", "replicaCount", "image", "resources", "web")

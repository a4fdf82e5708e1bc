"""Values of the pods: image, process, security, placement."""

from typing import Any, Final, Literal

from pydantic import Field

from deploy.helm.source.kinds import Mapping, Objects, Section, Texts

#: What the Pod Security Standard `restricted` asks of a pod; 65532 is the image's own user.
_RESTRICTED_POD: Final[dict[str, Any]] = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "runAsGroup": 65532,
    "fsGroup": 65532,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
_RESTRICTED_CONTAINER: Final[dict[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_RESOURCES: Final[dict[str, Any]] = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}
_STRATEGY: Final[dict[str, Any]] = {
    "type": "RollingUpdate",
    "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
}


class ImageValues(Section):
    """The container image."""

    registry: str = Field(default="", description="Registry that holds the image, with its port; the nodes' default.")
    repository: str = Field(default="klaxond", min_length=1, description="Name of the image within the registry.")
    tag: str = Field(default="", description="Tag; the chart's appVersion where it is empty.")
    digest: str = Field(
        default="", pattern="^(sha256:[0-9a-f]{64})?$", description="Digest, sha256:...; it outranks the tag."
    )
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = Field(
        default="IfNotPresent", description="When the image is pulled."
    )


class ServiceAccountValues(Section):
    """The pods' account: klaxond never talks to the Kubernetes API, so it has no token and no role."""

    create: bool = Field(default=True, description="Whether to make one.")
    name: str = Field(default="", description="Its name; the release's where it is empty.")
    annotations: Texts = Field(default={}, description="Annotations, for identities of clouds.")


class TopologySpreadValues(Section):
    """How replicas are spread, so that one node takes few partitions with it."""

    enabled: bool = Field(default=True, description="Whether to say anything about it.")
    constraints: Objects = Field(
        default=[],
        description="Constraints; each without a labelSelector gets the pods' own. Where there is none: over nodes, "
        "as far as it is possible.",
    )


class PodValues(Section):
    """Values about pods, at the top level."""

    replica_count: int = Field(
        default=1,
        ge=0,
        description="Replicas. They share the partitions as one consumer group; more than there are partitions idle.",
    )
    image: ImageValues = ImageValues()
    image_pull_secrets: Objects = Field(default=[], description="Secrets for the registry, as `- name: SECRET`.")
    resources: Mapping = Field(
        default=_RESOURCES,
        description="Measured: 85 MiB at rest; a series takes 32 kB in each partition that carries it with the default "
        "windows, so 66 MB a partition at the cap of 1,000 series (`klaxond check` says it for yours); a batch is "
        "decompressed into at most 32 MiB. No CPU limit: throttling makes lag, and one core decodes 170,000 pairs of "
        "JSON a second.",
    )
    pod_security_context: Mapping = Field(
        default=_RESTRICTED_POD, description="What the Pod Security Standard `restricted` asks; fsGroup reads Secrets."
    )
    security_context: Mapping = Field(
        default=_RESTRICTED_CONTAINER, description="The same of the container; it writes no file."
    )
    startup_probe: Mapping | None = Field(
        default={"periodSeconds": 2, "timeoutSeconds": 5, "failureThreshold": 30},
        description="When the others begin: /livez. The chart adds the handler, by TLS where the web file has it, and "
        "plain TCP where clients need a certificate. null: no such probe.",
    )
    liveness_probe: Mapping | None = Field(
        default={"periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
        description="/livez: the loop makes progress. It never depends on Kafka; klaxond's own watchdog is quicker.",
    )
    readiness_probe: Mapping | None = Field(
        default={"periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 3},
        description="/readyz: the group has answered and the partitions are restored.",
    )
    termination_grace_period_seconds: int = Field(
        default=30, ge=1, description="klaxond stores its state, commits and leaves the group within 10 s of SIGTERM."
    )
    strategy: Mapping = Field(
        default=_STRATEGY,
        description="A new pod first, then an old one goes: a version or a configuration that does not start leaves "
        "the old one at work.",
    )
    min_ready_seconds: int = Field(default=0, ge=0, description="How long a pod is ready before the next one goes.")
    progress_deadline_seconds: int = Field(
        default=1800,
        ge=1,
        description="How long a rollout may take until it has failed; the replay of a long log takes its time.",
    )
    revision_history_limit: int = Field(default=5, ge=0, description="Old ReplicaSets that are kept.")
    service_account: ServiceAccountValues = ServiceAccountValues()
    topology_spread: TopologySpreadValues = TopologySpreadValues()
    node_selector: Texts = Field(default={}, description="Nodes to run on.")
    tolerations: Objects = Field(default=[], description="Taints to run on.")
    affinity: Mapping = Field(default={}, description="Further rules of placement.")
    priority_class_name: str = Field(default="", description="Priority of the pods.")
    runtime_class_name: str = Field(default="", description="Runtime of the pods, such as gvisor.")
    host_aliases: Objects = Field(default=[], description="Names of hosts, for brokers that no DNS knows.")
    dns_config: Mapping = Field(default={}, description="DNS of the pods.")
    deployment_annotations: Texts = Field(default={}, description="Annotations of the Deployment.")
    pod_annotations: Texts = Field(default={}, description="Annotations of the pods.")
    pod_labels: Texts = Field(default={}, description="Further labels of the pods.")
    extra_args: list[str] = Field(default=[], description="Further flags of `klaxond run`.")
    extra_env: Objects = Field(
        default=[],
        description="Environment of the container, as Kubernetes has it. KLAXON_SECTION__KEY outranks `config`, and "
        "the chart does not see it.",
    )
    extra_env_from: Objects = Field(default=[], description="The same from ConfigMaps and Secrets.")
    extra_volumes: Objects = Field(default=[], description="Further volumes, such as one for `snapshot.kind: file`.")
    extra_volume_mounts: Objects = Field(default=[], description="Where they are mounted.")
    init_containers: Objects = Field(default=[], description="Containers that run first.")
    extra_containers: Objects = Field(default=[], description="Containers beside klaxond.")
    lifecycle: Mapping = Field(
        default={}, description="Hooks; `preStop: {sleep: {seconds: 15}}` allows a last scrape. There is no shell."
    )

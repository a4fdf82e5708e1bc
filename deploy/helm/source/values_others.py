"""Values of Strimzi and KEDA."""

from typing import Any, Final, Literal

from pydantic import Field

from deploy.helm.source.kinds import Mapping, Objects, Section, Texts

#: As klaxond itself makes its changelog.
_CHANGELOG: Final[dict[str, Any]] = {
    "cleanup.policy": "compact",
    "segment.ms": 600_000,
    "segment.bytes": 33_554_432,
    "min.cleanable.dirty.ratio": 0.1,
    "max.compaction.lag.ms": 3_600_000,
    "delete.retention.ms": 3_600_000,
    "min.insync.replicas": 2,
}
#: Scaling moves partitions, so it waits for what stays.
_BEHAVIOR: Final[dict[str, Any]] = {"scaleDown": {"stabilizationWindowSeconds": 600}}


class StrimziUserValues(Section):
    """A KafkaUser with the least rights that klaxond needs."""

    enabled: bool = Field(default=False, description="Whether to make one.")
    name: str = Field(default="", description="Its name, which is the Secret's too; the release's where it is empty.")
    authentication: Literal["tls", "scram-sha-512"] = Field(default="tls", description="How it logs in.")
    extra_acls: Objects = Field(default=[], description="Further ACLs.")


class StrimziTopicValues(Section):
    """A KafkaTopic that klaxond writes."""

    enabled: bool = Field(default=False, description="Whether to make it here.")
    partitions: int = Field(default=9, ge=1, description="Its partitions.")
    replicas: int = Field(default=3, ge=1, description="Copies of each.")
    config: Mapping = Field(default={}, description="Its configuration.")


class StrimziValues(Section):
    """User and topics of a Kafka that Strimzi runs."""

    cluster: str = Field(default="", description="Name of the Kafka resource.")
    namespace: str = Field(
        default="",
        description="Its namespace, where the operator looks for users and topics; the release's by default.",
    )
    user: StrimziUserValues = StrimziUserValues()
    changelog: StrimziTopicValues = StrimziTopicValues(config=_CHANGELOG)
    dead_letters: StrimziTopicValues = StrimziTopicValues(
        partitions=3, config={"retention.ms": 604_800_000, "cleanup.policy": "delete"}
    )


class KedaValues(Section):
    """A ScaledObject of KEDA: replicas by lag. HPAs by CPU know nothing of lag."""

    enabled: bool = Field(default=False, description="Whether to make one; then replicaCount is not used.")
    min_replica_count: int = Field(default=1, ge=1, description="Least replicas; a monitor is never scaled to zero.")
    max_replica_count: int = Field(default=12, ge=1, description="Most replicas; KEDA stops at the partitions anyway.")
    polling_interval: int = Field(default=30, ge=1, description="Seconds between two looks.")
    lag_threshold: int = Field(
        default=100_000, ge=1, description="Records of lag in all for each replica; about what one decodes in a second."
    )
    annotations: Texts = Field(default={}, description="Annotations of the ScaledObject.")
    authentication_ref: Mapping = Field(default={}, description="TriggerAuthentication with credentials for Kafka.")
    trigger_metadata: Texts = Field(
        default={}, description="Further metadata of each trigger, such as `sasl` or `tls`."
    )
    behavior: Mapping = Field(default=_BEHAVIOR, description="How quickly it scales, as in a HorizontalPodAutoscaler.")

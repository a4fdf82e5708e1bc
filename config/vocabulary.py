"""The words that settings may hold. The other packages have their own lists; tests compare them with these."""

from typing import Final, Literal

Format = Literal["json", "msgpack", "msgpack-f32", "msgpack-f64"]
Preset = Literal[
    "canonical", "open-bandit", "prime-rl", "nemo-rl", "verl", "vllm", "sglang", "openai-logprobs", "vw-dsjson"
]
Sampler = Literal["q", "p"]
DensityKind = Literal["discrete", "density"]
TimeUnit = Literal["auto", "s", "ms", "us", "ns"]
Direction = Literal["reverse", "forward"]
Estimator = Literal["naive", "fixed", "fitted", "adaptive"]

#: Label names that our own metrics or Prometheus itself give a meaning.
RESERVED_LABELS: Final = frozenset(
    {
        "stream",
        "window",
        "direction",
        "estimator",
        "versus",
        "moment",
        "severity",
        "reason",
        "topic",
        "partition",
        "le",
        "quantile",
        "job",
        "instance",
    }
)
#: Label names that scrape targets often carry: Prometheus would rename ours to `exported_...`.
TARGET_LABELS: Final = frozenset({"type", "service", "env", "region", "cluster", "stage", "owner", "customer"})

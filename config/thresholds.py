"""streams[].thresholds[]: when a series has drifted, in nats or by the name of a rule that somebody publishes."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from config.kinds import DefaultText, Number, Section, Unit
from config.vocabulary import Direction, Sampler

_UNWRITTEN: Any = None  # a validator puts the preset's value in its place, or refuses

ThresholdPreset = Literal["nemo-rl", "prime-rl", "spinning-up", "verl", "prime-rl-ci"]


@dataclass(frozen=True, slots=True)
class PublishedRule:
    """A limit of KL(sampler||other) per token that a project publishes, and where."""

    nats: float
    source: str


#: Only rules about a KL divergence: limits of a mean of |p - q| or of a share of tokens have no value in nats.
PUBLISHED: Final[dict[ThresholdPreset, PublishedRule]] = {
    "nemo-rl": PublishedRule(
        1e-3, "NeMo-RL's documentation: all KL metrics between generation and policy are acceptable below 1e-3"
    ),
    "prime-rl": PublishedRule(
        0.015, "prime-rl merges no new model unless its mismatch KL stays below 0.015 for 20 steps (pull request 2672)"
    ),
    "spinning-up": PublishedRule(
        0.015, "OpenAI Spinning Up's PPO ends its policy updates above 1.5 x target_kl, which is 0.01 by default"
    ),
    "verl": PublishedRule(0.1, "verl's documentation of rollout correction: alert where |kl| is above 0.1"),
    "prime-rl-ci": PublishedRule(0.15, "prime-rl's continuous integration allows a mismatch KL of at most 0.15"),
}


def typical_factor(nats: float) -> float:
    """Return by which factor the two probabilities of a typical outcome differ at a KL: e^sqrt(2 KL).

    That is e^(root mean square of u) for normal log ratios u of small variance, as E[u^2] is 2 KL then.
    """
    return math.exp(math.sqrt(2 * nats))


class ThresholdSettings(Section):
    """A drift threshold, exported as a metric so that alert rules compare with it and need no edit."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["nats"]}, {"required": ["preset"]}]})

    severity: Annotated[str, Field(pattern="^[a-zA-Z_][a-zA-Z0-9_-]*$")] = Field(
        default="warning", description="Becomes the alert's severity label; most routes know `warning` and `critical`."
    )
    preset: ThresholdPreset | None = Field(
        default=None,
        description="Limit that a project publishes, in the place of nats; see the table below. None by default: "
        "these are about language models in training, and yours may be quieter.",
    )
    direction: Annotated[Direction, DefaultText("`reverse`; of a preset the sampler's side")] = Field(
        default="reverse",
        description="reverse is KL(q||p), forward KL(p||q). reverse, since samples of q tell it best. "
        "Published limits are about KL(sampler||other), so a preset means `forward` where `sampled_from` is p.",
    )
    nats: Annotated[Number, Field(gt=0), Unit("nats"), DefaultText("the preset's, else required")] = Field(
        default=_UNWRITTEN,
        description="Divergence above which the series has drifted; no default, since it depends on the models.",
        examples=[0.05],
    )

    @field_validator("nats", mode="before")
    @classmethod
    def _own_or_published(cls, nats: object, info: ValidationInfo) -> object:
        if "preset" not in info.data:
            return 1.0 if nats is None else nats  # any: the preset's fault is told already
        preset: ThresholdPreset | None = info.data["preset"]
        if preset is None and nats is None:
            raise ValueError(
                f"is missing; write it, such as 0.05, or a preset in its place: {', '.join(get_args(ThresholdPreset))}"
            )
        if preset is not None and nats is not None:
            raise ValueError(f"write nats or preset, not both; preset {preset} is {PUBLISHED[preset].nats:g} nats")
        return nats if preset is None else PUBLISHED[preset].nats

    def of_sampler(self, sampler: Sampler) -> "ThresholdSettings":
        """Return the threshold as it stands in a stream: a preset takes the sampler's side unless told otherwise."""
        if self.preset is None or self.written("direction"):
            return self
        return self.model_copy(update={"direction": "reverse" if sampler == "q" else "forward"})

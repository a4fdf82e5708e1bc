"""Record shapes that producers write already: a name instead of paths, labels and precision."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from daemon.codec import Format
from daemon.errors import UsageError


@dataclass(frozen=True, slots=True)
class Preset:
    """Defaults for a stream; what is configured beside it holds instead.

    Attributes
    ----------
    name, description : str
    format : Format
        Paths, series labels and sampler.
    resolution : str
        Precision of the logged values, as `resolution` is configured.
    """

    name: str
    description: str
    format: Format
    resolution: str


_CANONICAL: Final = Preset(
    name="canonical",
    description="one record per message: logp and logq (or p and q), scalars or arrays; ts, weight, mask, labels",
    format=Format(),
    resolution="float32",
)

_OPEN_BANDIT: Final = Preset(
    name="open-bandit",
    description="logged bandit feedback: q is propensity_score, p is uniform_probability, one series per campaign",
    format=Format(
        paths={"p": "uniform_probability", "q": "propensity_score", "time": "timestamp"},
        label_names=("campaign",),
    ),
    # Propensities have 6 decimals, which adds the variance (1e-6 / q)^2 / 12 to their logarithms: 8.7e-9 on average
    # over the log that is shipped, and 3 decimals of a log-probability stand for 8.3e-8.
    resolution="decimals:3",
)

_PRIME_RL: Final = Preset(
    name="prime-rl",
    description="token export of prime-rl, one sequence a record: q is inference_logprobs, p is trainer_logprobs; "
    "prompts and padding are left out by loss_mask; the record's timestamp is the time",
    format=Format(
        paths={"log_p": "trainer_logprobs", "log_q": "inference_logprobs", "mask": "loss_mask"},
        label_names=("env_name",),
    ),
    resolution="float32",
)

#: By name. The trainer's `mismatch_kl` of prime-rl, averaged over loss_mask, is our reverse `fixed`.
PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {preset.name: preset for preset in (_CANONICAL, _OPEN_BANDIT, _PRIME_RL)}
)


def preset(name: str) -> Preset:
    """Return a preset by its name; UsageError (for people) where there is none."""
    if name not in PRESETS:
        raise UsageError(f"there is no preset `{name}`; there are {', '.join(PRESETS)}")
    return PRESETS[name]

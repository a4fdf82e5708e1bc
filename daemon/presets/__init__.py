"""Record shapes that producers write already: a name instead of paths, labels and precision."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from daemon.errors import UsageError
from daemon.presets.bandits import OPEN_BANDIT, VW_DSJSON
from daemon.presets.canonical import CANONICAL
from daemon.presets.preset import Counterpart, Preset
from daemon.presets.servers import OPENAI_LOGPROBS, SGLANG, VLLM
from daemon.presets.trainers import NEMO_RL, PRIME_RL, VERL

__all__ = ["PRESETS", "Counterpart", "Preset", "preset"]

#: By name, in the order in which they are tried and shown.
PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        each.name: each
        for each in (
            CANONICAL,
            OPEN_BANDIT,
            PRIME_RL,
            NEMO_RL,
            VERL,
            VLLM,
            SGLANG,
            OPENAI_LOGPROBS,
            VW_DSJSON,
        )
    }
)


def preset(name: str) -> Preset:
    """Return a preset by its name; UsageError (for people) where there is none."""
    if name not in PRESETS:
        raise UsageError(f"there is no preset `{name}`; there are {', '.join(PRESETS)}")
    return PRESETS[name]

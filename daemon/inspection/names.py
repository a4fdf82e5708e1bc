"""What producers call things: which side a field's name claims to be, and which role."""

import re
from typing import Final

from estimators.estimates import Sampler

#: Words of names such as inference_logprobs, generation_logprobs, rollout_log_probs, sampling_per_token_logps,
#: vllm_logprobs, pscore, propensity_score, _label_probability, logq.
_SAMPLER: Final = frozenset(
    {
        "inference",
        "generation",
        "rollout",
        "sampling",
        "sampler",
        "sampled",
        "vllm",
        "sglang",
        "behavior",
        "behaviour",
        "propensity",
        "pscore",
        "logging",
        "label",
        "serving",
        "logq",
        "q",
    }
)
#: trainer_logprobs, prev_logprobs, old_log_probs, old_per_token_logps, action_dist, ref_log_prob, logp.
_OTHER: Final = frozenset(
    {
        "trainer",
        "prev",
        "old",
        "ref",
        "reference",
        "target",
        "teacher",
        "learner",
        "dist",
        "evaluation",
        "uniform",
        "logp",
        "p",
    }
)
#: Words of names that hold probabilities at all.
_PROBABILITY: Final = frozenset(
    {
        "prob",
        "probs",
        "probability",
        "probabilities",
        "propensity",
        "pscore",
        "logprob",
        "logprobs",
        "logps",
        "logp",
        "logq",
        "p",
        "q",
    }
)
_LOSS: Final = frozenset({"nll", "loss", "losses", "ce", "entropy", "surprisal", "neglogp", "neg"})
MASKS: Final = frozenset({"mask", "loss_mask", "response_mask", "token_loss_mask", "completion_mask", "action_mask"})
LABELS: Final = (
    "model",
    "model_name",
    "model_id",
    "model_version",
    "version",
    "env_name",
    "agent_ref",
    "weight_version",
    "campaign",
)
TIMES: Final = ("ts", "timestamp", "time", "event_time", "created_at", "created", "@timestamp", "date")
WEIGHTS: Final = frozenset({"weight", "sample_weight", "importance_weight"})

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_STEPS: Final = re.compile(r"\\[.\[]|\[[^\]]*\]|\.")


def last_name(path: str) -> str:
    """Return the innermost field's name."""
    return next((name for name in reversed(_STEPS.split(path)) if name), path)


def side_of(path: str) -> Sampler | None:
    """Tell which side a path claims to be: q is the sampler. The innermost name that claims anything decides."""
    for name in reversed(_STEPS.split(path)):
        words = _words(name)
        sampler, other = bool(words & _SAMPLER), bool(words & _OTHER)
        if sampler != other:
            return "q" if sampler else "p"
    return None


def says_probability(path: str) -> bool:
    """Tell whether a name of the path speaks of probabilities."""
    return any(_words(name) & _PROBABILITY for name in _STEPS.split(path))


def says_loss(path: str) -> bool:
    """Tell whether a name of the path speaks of negated log-probabilities."""
    return any(_words(name) & _LOSS for name in _STEPS.split(path))


def _words(name: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(name)}

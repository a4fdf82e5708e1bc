"""Reinforcement learning of language models: what the inference engine drew, and the trainer's score of it."""

from typing import Final

from daemon.codec import Format
from daemon.presets.preset import Counterpart, Preset

PRIME_RL: Final = Preset(
    name="prime-rl",
    description="token export of prime-rl, one sequence a record: q is inference_logprobs, p is trainer_logprobs; "
    "prompts and padding are left out by loss_mask; the record's timestamp is the time",
    format=Format(
        paths={"log_p": "trainer_logprobs", "log_q": "inference_logprobs", "mask": "loss_mask"},
        label_names=("env_name",),
    ),
    resolution="float32",
    producer="The trainer's token export, `<run>/token_exports/step_<n>/rank_<r>.jsonl`; one line per sequence.",
    example='{"schema_version":1,"step":3,"rank":0,"env_name":"math","token_ids":[9,48,12],"loss_mask":[false,true,'
    'true],"inference_logprobs":[0.0,-0.11,-3.9],"trainer_logprobs":[0.0,-0.12,-3.4],"mismatch_kl":[0.0,0.00005,'
    "0.1487]}",
    sampler="The inference engine drew the tokens, so q is inference_logprobs.",
    advice=("Read the files of a step only once its `STABLE` file is there.",),
    counterparts=(
        Counterpart(
            "mismatch_kl", "reverse fixed", "the same sum over loss_mask, without an error and without labels."
        ),
        Counterpart(
            "the gauge mismatch_kl at 0",
            None,
            "a step without data is exported as 0, as if all were perfect. Our value is then absent.",
        ),
    ),
)

NEMO_RL: Final = Preset(
    name="nemo-rl",
    description="training data of NeMo-RL (train_data_step), lists over a batch, so several messages a record: q is "
    "generation_logprobs, p is prev_logprobs; token_loss_mask and sample_loss_mask leave out what is not trained on",
    format=Format(
        paths={
            "log_p": "prev_logprobs",
            "log_q": "generation_logprobs",
            "mask": "token_loss_mask",
            "message_mask": "sample_loss_mask",
        }
    ),
    resolution="float32",
    producer="GRPO in NeMo-RL writes `train_data_step<N>.jsonl` into its log directory: every field is a list over a "
    "batch. The trainer's logger writes one sample a line (lists of length 1); longer ones are read alike.",
    example='{"content":[["..."]],"rewards":[1.0],"input_lengths":[5],"token_ids":[[9,48,12,7,2]],'
    '"token_loss_mask":[[0,0,1,1,1]],"sample_loss_mask":[1.0],"advantages":[[0.0,0.0,0.7,0.7,0.7]],'
    '"generation_logprobs":[[0.0,0.0,-0.11,-3.9,-0.02]],"prev_logprobs":[[0.0,0.0,-0.12,-3.4,-0.02]],"idx":0}',
    sampler="The generation engine drew the tokens, so q is generation_logprobs.",
    advice=(
        (
            "Versions before the masks were logged hold only the log-probabilities, with 0.0 on both sides of every "
            "prompt token: then KL is too small by the share of prompts. Log token_loss_mask."
        ),
        (
            "sample_loss_mask is NeMo-RL's `loss_multiplier`; a value other than 0 and 1 rejects the record. A record "
            "of which every sample is left out is counted as rejected with reason `empty`."
        ),
        (
            "A line takes about 50 bytes a token, padding included: long contexts go beyond `max_record_bytes` (1MiB), "
            "and then beyond Kafka's own limit. Raise both, or write fewer columns."
        ),
    ),
    counterparts=(
        Counterpart("gen_kl_error", "reverse fixed", "the mean of k3 with r = prev / generation, over both masks."),
        Counterpart(
            "policy_kl_error",
            None,
            "documented as KL(policy || generation), but computed as k3 of the inverse ratio on tokens drawn from "
            "generation, which estimates E[q/p] - 1 - KL(q||p): no KL. One token with (-5, -15) counts 22,015, where "
            "the weighted term is 1.0. KL(policy || generation) is our forward direction.",
        ),
        Counterpart(
            "js_divergence_error", None, "both halves are averaged over generation's tokens: biased a little both ways."
        ),
        Counterpart(
            "token_mult_prob_error", None, "the mean of exp|log p - log q|: a size of differences, no divergence."
        ),
    ),
)

VERL: Final = Preset(
    name="verl",
    description="columns of verl's batch, one or several sequences a record: q is rollout_log_probs, p is "
    "old_log_probs; padding is left out by response_mask",
    format=Format(
        paths={"log_p": "old_log_probs", "log_q": "rollout_log_probs", "mask": "response_mask"},
    ),
    resolution="float32",
    producer="verl with `actor_rollout_ref.rollout.calculate_log_probs: true` holds these three columns in its "
    "batch. Its own rollout dump leaves them out, so write them in a few lines: `{name: batch.batch[name].tolist() "
    "for name in (...)}`.",
    example='{"step":12,"uid":"7f3a","responses":[48,12,2,0],"response_mask":[1,1,1,0],'
    '"rollout_log_probs":[-0.11,-3.9,-0.02,0.0],"old_log_probs":[-0.12,-3.4,-0.02,0.0]}',
    sampler="The rollout engine drew the tokens, so q is rollout_log_probs.",
    advice=(
        "Write response_mask too: padding holds 0.0 (or -1.0), which looks like perfect agreement where both sides do.",
        "ref_log_prob is another question: KL(q||reference) is `paths: {log_p: ref_log_prob}`.",
    ),
    counterparts=(
        Counterpart("rollout_corr/kl", "reverse naive", "the same mean over response_mask, for one batch."),
        Counterpart(
            "rollout_corr/k3_kl",
            "reverse fixed",
            "the same mean; with one -9999.0 on the rollout side it is infinite for the whole batch. Here that pair is "
            "counted as a sentinel.",
        ),
        Counterpart(
            "training/rollout_probs_diff_mean", None, "the mean of |p - q|: a size of differences, no divergence."
        ),
        Counterpart(
            "actor/kl_loss", None, "log-ratios are clamped to +-20 and k3 to +-10 before averaging, uncounted."
        ),
    ),
)

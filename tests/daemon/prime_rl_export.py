"""A token export as prime-rl's trainer writes it, schema version 1: float32 columns, one JSON line per sequence.

`python tests/daemon/prime_rl_export.py` writes tests/reference/prime_rl.jsonl anew.
"""

import json
from pathlib import Path

import numpy as np

FILE = Path(__file__).parents[1] / "reference" / "prime_rl.jsonl"
SEQUENCES = 24


def sequences():
    """Yield records whose trainer is a little off the inference server, and far off for a few tokens."""
    draw = np.random.default_rng(20_240_601)
    for index in range(SEQUENCES):
        prompt, length = int(draw.integers(2, 6)), int(draw.integers(8, 24))
        inference = -draw.exponential(1.2, length).astype(np.float32)
        spread = np.where(draw.random(length) < 0.05, 0.6, 0.02)
        trainer = np.minimum(inference + draw.normal(0, spread).astype(np.float32), np.float32(0))
        trainer[:prompt] = inference[:prompt] = 0  # nothing was drawn there: placeholders under the mask
        yield record(index, prompt, inference, trainer, draw)


def record(index, prompt, inference, trainer, draw):
    """One sequence with every column that the export has."""
    length = inference.size
    mask = np.arange(length) >= prompt
    log_ratio = trainer - inference
    ratio = np.exp(log_ratio)
    delta = np.exp(trainer) - np.exp(inference)
    high, low = mask & (delta > 0.2), mask & (delta < -0.2)
    advantages = np.full(length, draw.normal(), np.float32)
    return {
        "schema_version": 1,
        "step": 3,
        "export_step": 3,
        "rank": 0,
        "micro_step": index // 8,
        "micro_sequence_idx": index % 8,
        "export_sequence_idx": index,
        "run_id": None,
        "env_name": ("math", "code")[index % 2],
        "token_ids": draw.integers(0, 150_000, length).tolist(),
        "position_ids": list(range(length)),
        "loss_mask": mask.tolist(),
        "advantages": advantages.tolist(),
        "losses": [{"rl": {"advantage": float(a), "mask": bool(m)}} for a, m in zip(advantages, mask, strict=True)],
        "rewards": [None] * length,
        "inference_logprobs": inference.tolist(),
        "trainer_logprobs": trainer.tolist(),
        "entropy": draw.exponential(1, length).astype(np.float32).tolist(),
        "mismatch_kl": (ratio - log_ratio - np.float32(1)).tolist(),
        "log_importance_ratio": log_ratio.tolist(),
        "importance_ratio": ratio.tolist(),
        "prob_delta": delta.tolist(),
        "is_masked": (high | low).tolist(),
        "is_masked_high": high.tolist(),
        "is_masked_low": low.tolist(),
    }


def main():
    """Write the reference file."""
    lines = (json.dumps(each, separators=(",", ":"), allow_nan=False) for each in sequences())
    FILE.write_text("".join(line + "\n" for line in lines))


if __name__ == "__main__":
    main()

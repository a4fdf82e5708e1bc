"""Our own shape, for producers that are written or changed for it."""

from typing import Final

from daemon.codec import Format
from daemon.presets.preset import Preset

CANONICAL: Final = Preset(
    name="canonical",
    description="one record per message: logp and logq (or p and q), scalars or arrays; ts, weight, mask, labels",
    format=Format(),
    resolution="float32",
    producer="Any program that logs for Klaxon. A record is one decision (scalars) or one sequence (arrays).",
    example='{"model":"ranker","version":"7","ts":1700000000.123,"logp":[-0.12,-3.4],"logq":[-0.11,-3.9]}',
    sampler="x is drawn from q, the serving model; write `sampled_from: p` in the stream where it is the other way "
    "round.",
    advice=(
        "Give `series_labels`, such as [model, version]; without them the stream is one series.",
        "Log what was not drawn from the model (prompts, padding, tool output) with a `mask` of 0, or not at all.",
    ),
)

"""Model servers: a record holds two responses, the one that drew the tokens under `q`, the other's score under `p`."""

from typing import Final

from daemon.codec import Format
from daemon.presets.preset import Counterpart, Preset

VLLM: Final = Preset(
    name="vllm",
    description="two completions responses: q drew the tokens, p scored the same ones; tokens are compared, one series "
    "per model of q",
    format=Format(
        paths={
            "log_p": "p.choices[].logprobs.token_logprobs",
            "log_q": "q.choices[].logprobs.token_logprobs",
            "token_ids_p": "p.choices[].logprobs.tokens",
            "token_ids_q": "q.choices[].logprobs.tokens",
            "time": "q.created",
        },
        label_names=("model",),
        label_paths={"model": "q.model"},
    ),
    resolution="float32",
    producer="`/v1/completions` of vLLM (or another server of that shape) with `logprobs: 0`, once to generate and "
    "once, at the other model, to score the same tokens.",
    example='{"q":{"object":"text_completion","created":1772442000,"model":"qwen3-8b","choices":[{"index":0,"text":" '
    'Paris.","logprobs":{"text_offset":[24,30],"token_logprobs":[-0.11,-0.9],"tokens":[" '
    'Paris","."],"top_logprobs":[null,null]}}]},"p":{"object":"text_completion","created":1772442001,'
    '"model":"qwen3-8b-fp8","choices":[{"index":0,"text":" '
    'Paris.","logprobs":{"text_offset":[24,30],"token_logprobs":[-0.12,-0.8],"tokens":[" '
    'Paris","."],"top_logprobs":[null,null]}}]}}',
    sampler="The response under q drew the tokens; the one under p only scored them.",
    advice=(
        (
            "To score, send prompt and answer as token ids to the other model with `echo: true, max_tokens: 0, "
            "logprobs: 0`, and keep the last n entries of `tokens` and `token_logprobs`, n being the length of the "
            "answer: prompt tokens were not drawn by anybody, and the first has a null. Arrays of different length "
            "are rejected, never cut."
        ),
        "Ask both for `return_tokens_as_token_ids: true` where two tokens may have the same text.",
        (
            "Sample with temperature 1, without top_p, top_k and penalties, or serve with `--logprobs-mode "
            "processed_logprobs`: by default the logged probabilities are those before temperature and truncation, "
            "so they are not those that the token was drawn with."
        ),
    ),
    counterparts=(
        Counterpart(
            "cumulative_logprob", None, "a sum over one answer of one model; the difference of two is not a KL."
        ),
    ),
)

SGLANG: Final = Preset(
    name="sglang",
    description="two /generate responses: q drew the tokens (output_token_logprobs), p scored them as its input "
    "(input_token_logprobs without their first, which is null); token ids are compared",
    format=Format(
        paths={
            "log_p": "p.meta_info.input_token_logprobs[1:][0]",
            "log_q": "q.meta_info.output_token_logprobs[][0]",
            "token_ids_p": "p.meta_info.input_token_logprobs[1:][1]",
            "token_ids_q": "q.meta_info.output_token_logprobs[][1]",
        }
    ),
    resolution="float32",
    producer="`/generate` of SGLang with `return_logprob: true`, once to generate and once, at the other model, to "
    "score the same tokens. An entry is [log-probability, token id, text or null].",
    example='{"q":{"text":" Paris.","meta_info":{"prompt_tokens":5,"completion_tokens":2,'
    '"output_token_logprobs":[[-0.11,12366,null],[-0.9,13,null]]}},'
    '"p":{"text":"","meta_info":{"prompt_tokens":7,"completion_tokens":0,'
    '"input_token_logprobs":[[null,374,null],[-0.12,12366,null],[-0.8,13,null]]}}}',
    sampler="The response under q drew the tokens; the one under p only scored them.",
    advice=(
        (
            "To score, send `input_ids` = prompt and answer to the other model with `max_new_tokens: 0, "
            "return_logprob: true, logprob_start_len: <prompt tokens> - 1`. The first entry is then the last prompt "
            "token with a null; the rest is the answer. Log both responses as they are."
        ),
        (
            "Where both sides are generations of the same tokens (a server that is forced to follow), set `paths: "
            "{log_p: 'p.meta_info.output_token_logprobs[][0]', token_ids_p: 'p.meta_info.output_token_logprobs[][1]'}`."
        ),
        (
            "Log-probabilities of generated tokens follow the sampling parameters, those of input tokens do not: "
            "sample with temperature 1 and without top_p and top_k, or the pairs are not comparable."
        ),
    ),
    counterparts=(
        Counterpart("mismatch_k3_kl of slime", "reverse fixed", "the same mean where its loss_mask is applied."),
        Counterpart(
            "train_rollout_logprob_abs_diff of slime",
            None,
            "the mean of |log p - log q|: a size of differences, no divergence.",
        ),
    ),
)

OPENAI_LOGPROBS: Final = Preset(
    name="openai-logprobs",
    description="two chat completions responses: q drew the tokens, p scored the same ones; tokens are compared, one "
    "series per model of q",
    format=Format(
        paths={
            "log_p": "p.choices[].logprobs.content[].logprob",
            "log_q": "q.choices[].logprobs.content[].logprob",
            "token_ids_p": "p.choices[].logprobs.content[].token",
            "token_ids_q": "q.choices[].logprobs.content[].token",
            "time": "q.created",
        },
        label_names=("model",),
        label_paths={"model": "q.model"},
    ),
    resolution="float32",
    producer="`/v1/chat/completions` with `logprobs: true`, as OpenAI, vLLM, SGLang and most gateways answer.",
    example='{"q":{"object":"chat.completion","created":1772442000,"model":"gpt-4o-mini","choices":[{"index":0,'
    '"logprobs":{"content":[{"token":"Paris","logprob":-0.11,"bytes":[80,97,114,105,115],"top_logprobs":[]}]}}]},'
    '"p":{"object":"chat.completion","created":1772442001,"model":"distilled","choices":[{"index":0,'
    '"logprobs":{"content":[{"token":"Paris","logprob":-0.12,"bytes":[80,97,114,105,115],"top_logprobs":[]}]}}]}}',
    sampler="The response under q drew the tokens; the one under p only scored them.",
    advice=(
        (
            "p must be a score of q's tokens (teacher forcing), not a second answer: where the tokens differ the "
            "record is rejected as token_mismatch. A chat API that cannot score given tokens can only be q."
        ),
        (
            "-9999.0 stands for 'very unlikely' and is no value: such a pair is counted as a sentinel and left out. "
            "Watch its share, since what is left out is where the models differ most."
        ),
        "Sample with temperature 1 and top_p 1; the logged values do not follow every sampling parameter.",
    ),
    counterparts=(
        Counterpart("perplexity of an answer", None, "it is about one model; no distance of two models is printed."),
    ),
)

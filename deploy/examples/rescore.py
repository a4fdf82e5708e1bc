"""Score a share of what was served with another model: its log-probability of the very tokens that were drawn.

rescore.py http://127.0.0.1:8000/v1/completions MODEL 0.01 < served.jsonl > pairs.jsonl    (SGLang: .../generate)
"""

import json, random, sys
from urllib.request import Request, urlopen

url, model, share = sys.argv[1], sys.argv[2], float(sys.argv[3])
sglang = url.endswith("/generate")


def log_probs(tokens):
    if sglang:
        body = {"input_ids": tokens, "return_logprob": True, "logprob_start_len": 0}
        body["sampling_params"] = {"temperature": 1, "max_new_tokens": 1}
    else:
        body = {"model": model, "prompt": tokens, "prompt_logprobs": 0, "temperature": 1, "max_tokens": 1}
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    answer = json.load(urlopen(request, timeout=60))
    if sglang:
        return [log_prob for log_prob, *_ in answer["meta_info"]["input_token_logprobs"]]
    scored = answer["choices"][0]["prompt_logprobs"]
    return [here and here[str(token)]["logprob"] for token, here in zip(tokens, scored, strict=True)]


for line in sys.stdin:
    served = json.loads(line)
    for choice in served["choices"] if random.random() < share else []:
        prompt = choice.get("prompt_token_ids") or served["prompt_token_ids"]  # completions, or chat completions
        logq = choice["logprobs"].get("token_logprobs") or [token["logprob"] for token in choice["logprobs"]["content"]]
        try:
            logp = log_probs(prompt + choice["token_ids"])[len(prompt) :]
        except OSError as error:  # refused: longer than the model's context, or the server is gone
            print(f"not scored: {served.get('id')}: {error}", file=sys.stderr)
            continue
        event = {"model": served["model"], "version": model, "ts": served["created"], "logq": logq, "logp": logp}
        print(json.dumps(event))

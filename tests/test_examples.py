"""The scripts that the README shows, run as it says: the pairs that they write have the divergence that is known."""

import http.server
import itertools
import json
import math
import random
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.e2e.conftest import Klaxond, value

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "deploy/examples"
KLAXOND = Path(sys.executable).with_name("klaxond")
README = (ROOT / "README.md").read_text()
VOCABULARY, LENGTH, ANSWERS = 12, 20, 400
SENT = 2000
CONTEXT = 25  # tokens that the second model takes


class Bigram:
    """A language model small enough that every probability is known: token i follows j with rows[j, i]."""

    def __init__(self, seed, noise=None):
        generator = np.random.default_rng(seed)
        logits = generator.normal(size=(VOCABULARY, VOCABULARY))
        if noise is not None:
            logits = logits + np.random.default_rng(noise).normal(scale=0.3, size=logits.shape)
        self.rows = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    def log_prob(self, token, before):
        return math.log(self.rows[before, token])

    def score(self, tokens):
        """One log-probability a token, None for the first, as servers answer."""
        return [None, *(self.log_prob(token, before) for before, token in itertools.pairwise(tokens))]

    def draw(self, prompt, generator):
        tokens = list(prompt)
        for _ in range(LENGTH):
            tokens.append(generator.choices(range(VOCABULARY), self.rows[tokens[-1]])[0])
        return tokens[len(prompt) :]


def divergence(sampler, other):
    """KL(sampler||other) of a pair, in nats: the mean over LENGTH positions after a prompt token that is uniform."""
    of_row = np.sum(sampler.rows * np.log(sampler.rows / other.rows), axis=1)
    state, total = np.full(VOCABULARY, 1 / VOCABULARY), 0.0
    for _ in range(LENGTH):
        total += state @ of_row
        state = state @ sampler.rows
    return total / LENGTH


SERVED, SCORER = Bigram(7), Bigram(7, noise=8)


def completion(prompt, drawn, number):
    """What vLLM answers to /v1/completions with logprobs 0 and return_token_ids true."""
    log_probs = SERVED.score(prompt + drawn)[len(prompt) :]
    told = {"tokens": ["x"] * LENGTH, "token_logprobs": log_probs, "top_logprobs": [], "text_offset": []}
    choice = {"index": 0, "text": "", "logprobs": told, "prompt_token_ids": prompt, "token_ids": drawn}
    return {"id": f"cmpl-{number}", "created": 1_700_000_000 + number, "model": "small", "choices": [choice]}


def chat_completion(prompt, drawn, number):
    """The same answer from /v1/chat/completions with logprobs true."""
    log_probs = SERVED.score(prompt + drawn)[len(prompt) :]
    told = {"content": [{"token": "x", "logprob": log_prob, "top_logprobs": []} for log_prob in log_probs]}
    choice = {"index": 0, "message": {"content": ""}, "logprobs": told, "token_ids": drawn}
    head = {"id": f"chatcmpl-{number}", "created": 1_700_000_000 + number, "model": "small"}
    return {**head, "prompt_token_ids": prompt, "choices": [choice]}


def served_log(shape):
    """JSON lines of what the first model served: prompts of several lengths, tokens really drawn from it."""
    generator = random.Random(9)
    lines = []
    for number in range(ANSWERS):
        prompt = generator.choices(range(VOCABULARY), k=generator.randint(1, 5))
        lines.append(json.dumps(shape(prompt, SERVED.draw(prompt, generator), number)) + "\n")
    return "".join(lines)


class Engine(http.server.BaseHTTPRequestHandler):
    """The second model behind the two engines' interfaces, strict about what it is asked."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if len(asked.get("prompt", ())) > CONTEXT:
            self.send_error(400, "the prompt is longer than the context")
            return
        if self.path == "/v1/completions":
            assert asked.keys() == {"model", "prompt", "prompt_logprobs", "temperature", "max_tokens"}, asked
            told = self.of_vllm(asked["prompt"], asked["model"])
        else:
            assert asked.keys() == {"input_ids", "return_logprob", "logprob_start_len", "sampling_params"}, asked
            told = self.of_sglang(asked["input_ids"])
        text = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    @staticmethod
    def of_vllm(tokens, model):
        """Return a mapping of each position by token id as text; a likelier token may stand beside the asked one."""
        scored = [
            here if here is None else {"99": {"logprob": -0.1}, str(token): {"logprob": here, "rank": 2}}
            for token, here in zip(tokens, SCORER.score(tokens), strict=True)
        ]
        return {"model": model, "choices": [{"index": 0, "text": "", "prompt_logprobs": scored}]}

    @staticmethod
    def of_sglang(tokens):
        scored = [[here, token, None] for token, here in zip(tokens, SCORER.score(tokens), strict=True)]
        return {"text": "", "meta_info": {"input_token_logprobs": scored, "output_token_logprobs": [[-1.0, 3, None]]}}

    def log_message(self, *_):
        """Keep the test's output quiet."""


@pytest.fixture(scope="module")
def engine():
    """Address of a real HTTP server that scores with the second model."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def run(script, *arguments, **options):
    """Run one script as the README says and return what it printed."""
    command = [sys.executable, EXAMPLES / script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, **options).stdout


def replay(pairs):
    """The first series that replay finds in pairs as JSON lines, told nothing about them."""
    command = [KLAXOND, "replay", "--input", "-", "--output", "json"]
    done = subprocess.run(command, input=pairs, capture_output=True, text=True, timeout=60, check=True)
    found = json.loads(done.stdout)
    assert found["rejected"] == {}
    return found["series"][0]


@pytest.mark.parametrize("shape", [completion, chat_completion])
@pytest.mark.parametrize("route", ["/v1/completions", "/generate"])
def test_rescored_answers_have_the_divergence_of_the_two_models(engine, shape, route):
    log = served_log(shape)
    pairs = run("rescore.py", engine + route, "small-4bit", "1", input=log)
    first, answer = (json.loads(text.splitlines()[0]) for text in (pairs, log))
    prompt = answer["choices"][0].get("prompt_token_ids") or answer["prompt_token_ids"]
    tokens = prompt + answer["choices"][0]["token_ids"]
    assert first == {
        "model": "small",
        "version": "small-4bit",
        "ts": 1_700_000_000,
        "logq": SERVED.score(tokens)[len(prompt) :],
        "logp": SCORER.score(tokens)[len(prompt) :],
    }
    found = replay(pairs)
    assert (found["messages"], found["pairs"]) == (ANSWERS, ANSWERS * LENGTH)
    reverse = found["reverse"]["adaptive"]
    truth = divergence(SERVED, SCORER)
    assert abs(reverse["value"] - truth) < 4 * reverse["standard_error"] < 0.2 * truth


def test_a_model_that_scores_its_own_answers_is_no_distance_away(engine, monkeypatch):
    monkeypatch.setitem(globals(), "SCORER", SERVED)
    pairs = run("rescore.py", f"{engine}/v1/completions", "small", "1", input=served_log(completion))
    assert replay(pairs)["reverse"]["adaptive"]["value"] == 0


def test_the_share_that_is_asked_for_is_scored(engine):
    scored = run("rescore.py", f"{engine}/v1/completions", "small", "0.25", input=served_log(completion)).splitlines()
    # Six standard errors of a binomial around a quarter.
    assert abs(len(scored) - ANSWERS / 4) < 6 * math.sqrt(ANSWERS * 0.25 * 0.75)


def test_an_answer_that_the_server_refuses_is_told_and_left_out(engine):
    generator = random.Random(10)
    answers = [completion([3] * length, SERVED.draw([3] * length, generator), length) for length in (5, 6, 4)]
    command = [sys.executable, EXAMPLES / "rescore.py", f"{engine}/v1/completions", "small", "1"]
    log = "".join(json.dumps(answer) + "\n" for answer in answers)
    done = subprocess.run(command, input=log, capture_output=True, text=True, timeout=60, check=True)
    assert [json.loads(line)["ts"] - 1_700_000_000 for line in done.stdout.splitlines()] == [5, 4]
    assert done.stderr == "not scored: cmpl-6: HTTP Error 400: the prompt is longer than the context\n"


@pytest.mark.kafka
def test_what_the_producer_sends_is_measured_by_the_smallest_configuration_of_the_readme(kafka_broker, tmp_path):
    topic = f"pairs-{time.time_ns()}"
    kafka_broker.create_topic(topic)
    assert run("producer.py", kafka_broker.bootstrap_servers, topic) == ""
    block = re.search(r"^```yaml\n(kafka: .*?)^```", README, re.MULTILINE | re.DOTALL)[1]
    settings = yaml.safe_load(block)
    settings["kafka"] |= {"bootstrap_servers": [kafka_broker.bootstrap_servers], "group_id": topic}
    settings["streams"][0] |= {"topic": topic, "name": "pairs"}
    daemon = Klaxond(tmp_path, "klaxond", settings | {"publish_interval": "1s"})
    try:
        samples = daemon.wait_until(
            lambda found: sum(v for (name, key), v in found.items() if name == "klaxon_window_messages") == 3 * SENT,
            "every window with every message",
        )
    finally:
        daemon.stop()
    where = {"model": "colours", "version": "7", "window": "5m", "direction": "reverse"}
    measured = value(samples, "klaxon_kl_nats", estimator="adaptive", **where)
    error = value(samples, "klaxon_kl_standard_error_nats", **where)
    truth = 0.7 * math.log(0.7 / 0.6) + 0.2 * math.log(0.2 / 0.25) + 0.1 * math.log(0.1 / 0.15)
    assert abs(measured - truth) < 5 * error < 0.5 * truth


@pytest.mark.parametrize("script", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_the_readme_shows_each_script_as_it_is(script):
    blocks = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert (EXAMPLES / script).read_text() in blocks

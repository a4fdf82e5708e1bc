"""`klaxond replay --input FILE` with no other option, on a log of every producer: the verdict is right."""

import json

import pytest

from tests.fixtures.presets.make import FOLDER, TRUTHS, lines

KNOWN = json.loads(TRUTHS.read_text())
NAMES = sorted(KNOWN)
OPPOSITE = {"q": "p", "p": "q"}
#: Of many estimates, one would be this far away by chance once in 150,000.
FAR = 4.5


@pytest.fixture
def verdict(klaxond):
    """Replay a file with no other option: (JSON, the words below the table)."""

    def replay(path):
        status, out, err = klaxond("replay", "--input", path, "--output", "json")
        assert status == 0, err
        found = json.loads(out)
        assert "found by inspection" in err
        return found, " ".join([*found["conclusion"], *found["notes"]])

    return replay


def assert_right(found, words, name, sampler):
    """What is told of a log is what its maker knows."""
    truth = KNOWN[name]
    assert (found["read_as"]["preset"], found["read_as"]["by"]) == (name, "inspection")
    assert found["read_as"]["sampled_from"] == sampler
    side = "reverse" if sampler == "q" else "forward"
    formula = "KL(q||p)" if sampler == "q" else "KL(p||q)"
    assert sum(series["messages"] for series in found["series"]) == truth["messages"]
    assert sum(series["pairs"] for series in found["series"]) == truth["pairs"]
    for series in found["series"]:
        assert series["comparable"] is truth["comparable"]
        assert series["verdict"] == truth["state"]
        told = series[side]["naive" if truth["comparable"] is False else "adaptive"]
        assert abs(told["value"] - truth["kl_reverse_nats"]) < FAR * told["standard_error"]
        assert series["placeholders"] is False
    furthest = max(series[side]["naive" if truth["comparable"] is False else "adaptive"]["value"]
                   for series in found["series"])  # fmt: skip
    assert f"{formula} is {furthest:.3g} nats a pair" in words
    opening = {True: "Self-check passed", None: "Self-check undecided", False: "Self-check FAILED"}
    assert opening[truth["comparable"]] in words
    assert ("Read adaptive" in words) is (truth["comparable"] is not False)
    missing = 100 * (1 - truth["kept_mass"])
    assert ("never produce outcomes" in words) is (missing > 0)
    if missing:
        gap = 100 * found["series"][0]["support_gap"]
        assert gap == pytest.approx(missing, abs=0.3)
        assert f"carry {gap:.3g} % of the other model's mass" in words
    sentinels = found["rejected"].get("sentinel", 0)
    assert sentinels / (sentinels + truth["pairs"]) == pytest.approx(truth["sentinel_share"], abs=1e-6)
    assert ("sentinel" in words) is (sentinels > 0)
    assert found["rejected"].get("empty", 0) == truth["empty_records"]
    for fault in ("mask is missing", "swapped", "infinite:"):
        assert fault not in words


@pytest.mark.parametrize("name", NAMES)
def test_a_log_of_every_producer_gets_the_verdict_that_is_true(verdict, name):
    assert_right(*verdict(FOLDER / KNOWN[name]["file"]), name, KNOWN[name]["sampler"])


@pytest.mark.parametrize("name", ["canonical", "open-bandit", "sglang", "verl", "vllm"])
def test_a_log_with_its_sides_swapped_gets_the_same_verdict_from_the_other_side(verdict, tmp_path, name):
    path = tmp_path / f"swapped{''.join(FOLDER.joinpath(KNOWN[name]['file']).suffixes).removesuffix('.gz')}"
    path.write_bytes(b"\n".join(lines(name, swapped=True)) + b"\n")
    assert_right(*verdict(path), name, OPPOSITE[KNOWN[name]["sampler"]])


@pytest.mark.parametrize(("name", "base"), [("vllm", 2), ("openai-logprobs", 10)])
def test_logarithms_of_another_base_are_found_and_give_the_same_verdict(verdict, tmp_path, name, base):
    path = tmp_path / "base.jsonl"
    path.write_bytes(b"\n".join(lines(name, log_base=base)) + b"\n")
    assert_right(*verdict(path), name, KNOWN[name]["sampler"])


@pytest.mark.parametrize("name", ["prime-rl", "verl"])
def test_a_log_without_its_mask_is_said_to_lack_one_and_what_the_divergence_is_without_the_placeholders(
    verdict, tmp_path, name
):
    path = tmp_path / "unmasked.jsonl"
    path.write_bytes(b"\n".join(lines(name, masked=False)) + b"\n")
    found, words = verdict(path)
    worst = max(found["series"], key=lambda series: series["certain_pairs"] / series["pairs"])
    share, diluted = worst["certain_pairs"] / worst["pairs"], worst["reverse"]["adaptive"]
    assert f"{100 * share:.3g} % of the pairs" in words
    assert "a mask is missing; without them KL is " in words
    told, wrong = (float(each) for each in words.split("without them KL is ")[1].split(". ")[0].split(", not "))
    assert wrong == pytest.approx(diluted["value"], rel=0.005)
    truth = KNOWN[name]["kl_reverse_nats"]
    assert abs(told - truth) < FAR * diluted["standard_error"] / (1 - share)
    assert abs(wrong - truth) > FAR * diluted["standard_error"]


def test_standard_input_is_inspected_and_then_read_from_its_start(klaxond):
    path = FOLDER / KNOWN["verl"]["file"]
    status, out, _ = klaxond("replay", "--input", path, "--output", "json")
    piped = klaxond("replay", "--input", "-", "--output", "json", stdin=path.read_bytes())
    assert status == piped[0] == 0
    assert json.loads(piped[1]) == json.loads(out)


def test_a_file_that_is_no_log_at_all_is_not_sent_to_the_presets(klaxond, tmp_path):
    path = tmp_path / "else.jsonl"
    path.write_text("hello\nworld\n" * 50)
    status, out, err = klaxond("replay", "--input", path)
    assert (status, out) == (2, "")
    assert "neither JSON" in err
    assert "--preset" not in err


def test_a_side_that_never_varies_is_told_by_its_mean(klaxond, tmp_path):
    path = tmp_path / "zero.jsonl"
    path.write_text('{"p": 0.0, "q": 0.4}\n' * 200)
    _, out, _ = klaxond("replay", "--input", path)
    assert "fits 1" not in out
    assert "infinite: 200 outcomes" in out


def test_a_file_of_something_else_says_what_was_found_and_what_to_do(klaxond, tmp_path):
    path = tmp_path / "else.jsonl"
    path.write_text('{"user": "u1", "clicks": 3, "page": "home"}\n{"user": "u2", "clicks": 5, "page": "cart"}\n' * 50)
    status, out, err = klaxond("replay", "--input", path)
    assert (status, out) == (2, "")
    assert "no two fields of" in err
    assert "clicks" in err
    assert "--preset NAME" in err
    assert "--config.file" in err
    assert "u1" not in err

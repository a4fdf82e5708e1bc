"""The sentences of a replay: each number against its closed form, each fault of a log named and no other."""

import json
import math
import random
import re

import numpy as np
import pytest

from daemon.replay.meaning import messages_for_interval, messages_for_self_check, missed_ratio, typical_ratio
from estimators.arrays import summarize

Q = (0.4, 0.3, 0.2, 0.1)
P = (0.3, 0.3, 0.2, 0.2)
CANONICAL = ("--preset", "canonical")


def reverse(p, q):
    """KL(q||p) of two distributions."""
    return sum(b * math.log(b / a) for a, b in zip(p, q, strict=True) if b)


def records(p=P, q=Q, *, sampler=None, count=4000, tokens=1, seed=1):
    """Canonical records of outcomes drawn from `sampler` (q unless told)."""
    draw = random.Random(seed)
    for _ in range(count):
        drawn = draw.choices(range(len(q)), sampler or q, k=tokens)
        yield {"logp": [math.log(p[x]) for x in drawn], "logq": [math.log(q[x]) for x in drawn]}


@pytest.fixture
def said(klaxond, tmp_path):
    """Replay records; (the words below the table, the JSON)."""

    def replay(lines, *arguments):
        path = tmp_path / "log.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        arguments = ("replay", "--input", path, *(arguments or CANONICAL))
        status, out, err = klaxond(*arguments)
        assert status == 0, err
        found = json.loads(klaxond(*arguments, "--output", "json")[1])
        words = out.strip().split("\n\n")[-1]
        assert words.splitlines() == [*found["conclusion"], *found["notes"]]
        return words, found

    return replay


# Pure parts


def test_the_typical_ratio_is_e_to_the_root_mean_square_of_the_log_ratio():
    log_p, log_q = np.array([-1.0, -2.0, -0.5]), np.array([-1.3, -1.6, -0.5])
    found = typical_ratio(summarize(log_p, log_q), "q")
    assert found == pytest.approx(math.exp(math.sqrt((0.3**2 + 0.4**2 + 0) / 3)))
    assert typical_ratio(summarize(log_p, log_p), "q") == 1
    assert typical_ratio(summarize(log_q, log_p, sampled_from="p"), "p") == pytest.approx(found)


def test_four_times_the_messages_halve_the_error_so_as_many_more_are_asked_for():
    value, error = 0.5, 0.05 / 1.959963984540054  # an interval of +-10 %
    assert messages_for_interval(1000, value, error) == 0
    assert messages_for_interval(1000, value, 2 * error) == 3000
    assert messages_for_interval(1000, value, error / 2) == 0
    for unknown in (0.0, -1.0, math.nan, math.inf):
        assert messages_for_interval(1000, unknown, error) is None
    assert messages_for_interval(1, value, math.nan) is None


def test_the_self_check_decides_when_five_errors_fit_into_a_tenth_of_the_divergence_or_the_resolution():
    assert messages_for_self_check(100, 0.01, 0.5, 1e-13) == 0
    assert messages_for_self_check(100, 0.02, 0.5, 1e-13) == 300
    assert messages_for_self_check(100, 0.02, 0.001, 0.05) == 300
    assert messages_for_self_check(100, math.nan, 0.5, 1e-13) is None
    assert messages_for_self_check(100, 0.01, math.inf, 1e-13) is None


def test_the_messages_that_are_asked_for_do_decide(said):
    """The prediction, tried: a log that cannot tell, and the same traffic with as many messages more."""
    words, found = said(records(count=1000))
    assert found["series"][0]["comparable"] is None
    asked = int(words.split("About ")[1].split(" ")[0].replace(",", ""))
    _, longer = said(records(count=1000 + int(1.1 * asked), seed=2))
    assert longer["series"][0]["comparable"] is True
    _, shorter = said(records(count=1000 + asked // 2, seed=3))
    assert shorter["series"][0]["comparable"] is None


def test_a_failure_that_chance_explains_is_said_to_be():
    """The few right logs that fail, for want of rare outcomes, are all told so; a truncated sampler is not."""
    draw = np.random.default_rng(3)
    failed = []
    for kl in (0.5, 1.5, 3.0):
        for _ in range(300):
            u = draw.normal(-kl, math.sqrt(2 * kl), 100)
            found = summarize(u - 60, np.full(100, -60.0))
            failed += [found] if found.comparable is False else []
    assert len(failed) > 20
    assert all(found.ratio_mean < 1 and missed_ratio(found, "q") is not None for found in failed)
    cut = summarize(draw.normal(math.log(0.9) - 0.02, 0.2, 4000) - 60, np.full(4000, -60.0))
    assert cut.comparable is False
    assert missed_ratio(cut, "q") is None


# Whole replays


def test_a_right_log_says_how_far_apart_how_sure_and_what_to_read(said):
    words, found = said(records(count=12_000))
    series = found["series"][0]
    adaptive, variation = series["reverse"]["adaptive"], series["total_variation"]
    assert adaptive["lower"] < reverse(P, Q) < adaptive["upper"]
    assert variation["lower"] < 0.1 < variation["upper"]
    assert f"KL(q||p) is {adaptive['value']:.3g} nats a pair" in words
    assert f"between {adaptive['lower']:.3g} and {adaptive['upper']:.3g}" in words
    ratio = math.exp(math.sqrt(2 * series["reverse"]["k2"]))
    assert f"a factor of {ratio:.3g} (root mean square of the log ratio)" in words
    assert f"If p drew instead of q, at least {100 * variation['value']:.3g} % of outcomes would differ" in words
    assert "Self-check undecided" in words or "Self-check passed" in words
    assert "Read adaptive" in words
    for fault in ("mask", "swapped", "never produce", "infinite", "naive", "wide"):
        assert fault not in words


def test_the_share_that_differs_is_right_for_a_truncated_sampler_too(said):
    # Within the support both models nearly agree: what is left of naive is the missing outcomes' -log .9.
    cut, other = (0.5, 0.3, 0.2, 0.0), (0.46, 0.27, 0.17, 0.1)
    words, found = said(records(p=other, q=cut, count=6000))
    variation = found["series"][0]["total_variation"]
    truth = sum(abs(a - b) for a, b in zip(cut, other, strict=True)) / 2
    assert variation["lower"] - 1e-9 <= truth <= variation["upper"] + 1e-9
    assert found["series"][0]["verdict"] == "not_comparable"
    assert "carry 10 % of the other model's mass" in words
    assert "KL(p||q) is infinite in truth" in words
    assert re.search(r"account for about 0\.10[4-6] of naive KL\(q\|\|p\)", words)
    naive = found["series"][0]["reverse"]["naive"]
    assert naive["lower"] < reverse(other, cut) < naive["upper"]
    assert f"is {naive['value']:.3g} nats a pair by naive, with 95 % confidence between {naive['lower']:.3g}" in words
    assert "Read sampler-side naive first" in words
    assert "swapped" not in words
    assert "chance" not in words


def test_a_right_log_that_fails_by_chance_is_told_that_it_may(said):
    """So short that the outcome with p/q = 2 was never drawn."""
    words, found = said([line for line in records(count=60) if line["logq"][0] > math.log(0.15)])
    assert found["series"][0]["comparable"] is False
    assert "Or it is chance: that no outcome with p/q of " in words


def test_sides_that_are_swapped_are_said_to_be_and_which_key_mends_it(said):
    far = (0.1, 0.1, 0.2, 0.6)
    words, found = said(records(p=far, sampler=far, count=6000))
    assert found["series"][0]["comparable"] is False
    assert "The sides look swapped: the mean of q/p is " in words
    assert "Set sampled_from: p." in words
    assert "would differ" not in words, "the share is of outcomes of the wrong side"
    assert "never produce" not in words
    right, _ = said(records(p=far, count=6000))
    assert "swapped" not in right


def test_a_mean_above_one_that_no_swap_explains_is_said_to_be_another_sampler(said):
    hot = (0.25, 0.25, 0.25, 0.25)  # drawn at a high temperature, logged before it
    words, found = said(records(p=(0.1, 0.2, 0.3, 0.4), q=Q, sampler=hot, count=6000))
    assert found["series"][0]["ratio_mean"] > 1.2
    assert "x was not drawn from the q that was logged" in words
    assert "no estimate is of KL(q||p): mend the log first" in words
    assert re.match(
        r"In model unknown, version unknown, naive KL\(q\|\|p\) comes to \S+ nats a pair, but the self", words
    )
    assert "confidence" not in words
    assert "would differ" not in words, "the share is of outcomes that q did not draw"
    assert "swapped" not in words
    assert "naive first" not in words


def placeholders(lines, share):
    """The same records with 0.0 on both sides before the answer."""
    for line in lines:
        prompt = [0.0] * round(len(line["logp"]) * share / (1 - share))
        yield {side: prompt + line[side] for side in ("logp", "logq")}


def test_a_missing_mask_is_said_with_the_divergence_without_the_placeholders(said):
    plain = list(records(count=300, tokens=20))
    right, masked = said(plain)
    words, found = said(placeholders(plain, 0.5))
    value, truth = (each["series"][0]["reverse"]["adaptive"]["value"] for each in (found, masked))
    assert value == pytest.approx(truth / 2, rel=1e-9)
    assert "50 % of the pairs are exact zeros on both sides" in words
    assert f"a mask is missing; without them KL is {truth:.3g}, not {value:.3g}" in words
    assert "paths.mask" in words
    assert found["series"][0]["placeholders"] is True
    assert found["series"][0]["certain_pairs"] == 300 * 20
    assert "mask" not in right


def test_outcomes_that_were_certain_are_no_missing_mask(said):
    lines = [{"logp": [0.0], "logq": [0.0]} for _ in range(500)]
    words, found = said([*records(count=500), *lines])
    assert found["series"][0]["certain_pairs"] == 500
    assert "mask" not in words


def test_a_mask_that_is_there_leaves_nothing_to_say(said):
    lines = [line | {"mask": [int(q != 0) for q in line["logq"]]} for line in
             placeholders(records(count=300, tokens=20), 0.5)]  # fmt: skip
    assert "mask" not in said(lines)[0]


def test_too_little_data_says_how_much_more_is_needed(said):
    words, found = said(records(count=60))
    adaptive = found["series"][0]["reverse"]["adaptive"]
    more = 60 * ((1.96 * adaptive["standard_error"] / (0.1 * adaptive["value"])) ** 2 - 1)
    assert more > 100
    asked = int(words.split("The interval is wide: about ")[1].split(" ")[0].replace(",", ""))
    assert asked == pytest.approx(more, rel=0.06)


def test_an_outcome_that_the_other_side_excludes_is_counted_and_the_other_direction_named(said):
    lines = [*records(count=100), {"p": 0.0, "q": 0.3}]
    words, found = said(lines)
    assert found["series"][0]["verdict"] == "infinite"
    assert "KL(q||p) is infinite: an outcome was drawn that p gives probability 0." in words
    assert "KL(p||q) stays finite" in words
    assert "factor" not in words


def test_of_several_series_the_furthest_apart_is_told_and_the_broken_ones_are_named(said):
    far = (0.1, 0.1, 0.2, 0.6)
    cut = (0.55, 0.45, 0.0, 0.0)
    lines = [
        *({**line, "model": "near"} for line in records(count=2000)),
        *({**line, "model": "far"} for line in records(p=far, count=2000)),
        *({**line, "model": "cut"} for line in records(q=cut, p=(0.4, 0.4, 0.1, 0.1), count=2000)),
    ]
    words, _ = said(lines)
    assert words.startswith("In model far, version unknown, the furthest apart of 3, KL(q||p) is ")
    assert "The pairs of model cut, version unknown are not comparable either way" in words
    assert "near" not in words


def test_of_several_series_those_that_this_side_did_not_draw_are_named_without_a_value_to_read(said):
    hot = (0.25, 0.25, 0.25, 0.25)
    lines = [
        *({**line, "model": "far"} for line in records(p=(0.001, 0.099, 0.3, 0.6), count=2000)),
        *({**line, "model": "hot"} for line in records(p=(0.1, 0.2, 0.3, 0.4), q=Q, sampler=hot, count=6000)),
    ]
    words, _ = said(lines)
    assert words.startswith("In model far, ")
    assert "The pairs of model hot, version unknown were not drawn from the q that was logged" in words
    assert "so no value of them can be read until the log is right" in words
    assert "naive first" not in words


def test_a_series_of_a_few_messages_is_not_the_furthest_apart_by_chance(said):
    far = (0.1, 0.1, 0.2, 0.6)
    lines = [
        *({**line, "model": "many"} for line in records(count=2000)),
        *({**line, "model": "few"} for line in records(p=far, count=9)),
    ]
    words, found = said(lines)
    few, many = (series["reverse"]["adaptive"]["value"] for series in found["series"])
    assert few > many
    assert words.startswith("In model many, version unknown, the furthest apart of 2, ")


def test_a_ratio_that_never_varies_and_is_not_one_is_no_reason_to_read_adaptive(said):
    """One context, truncated, and else the same model: every ratio is the kept mass."""
    words, found = said(records(q=(0.5, 0.3, 0.2, 0.0), p=(0.45, 0.27, 0.18, 0.1), count=500))
    assert found["series"][0]["comparable"] is False
    assert "the mean of p/q is 0.9000, and should be 1, the same in each message." in words
    assert "KL(q||p) is 0.105 nats a pair by naive" in words
    assert "Read adaptive" not in words


def test_a_mean_that_is_off_by_little_for_so_large_a_divergence_is_said_to_be(said):
    """Nothing of the other side is where the sampler is, and of a divergence of 62 nats that 1 is a detail."""
    words, found = said([{"logp": -60.0 - k % 7, "logq": -0.5 - k % 3 / 9} for k in range(900)])
    assert found["series"][0]["comparable"] is True
    assert "so trust it" not in words
    assert "off by no more than a tenth of the divergence" in words


def test_a_small_difference_is_told_in_percent(said):
    words, _ = said([{"logp": -1.0 - 0.02 * (-1) ** k, "logq": -1.0} for k in range(100)])
    assert f"differ by {100 * math.expm1(0.02):.2g} % (root" in words


def test_a_share_of_nothing_seen_is_not_told(said):
    """What q does more often than p is in no record: the share is 0 in this sample, and not in truth."""
    words, found = said([{"p": 0.6, "q": 0.59} if k % 2 else {"p": 0.4, "q": 0.399} for k in range(200)])
    assert found["series"][0]["total_variation"]["value"] == 0
    assert "would differ" not in words


def test_sides_that_are_equal_everywhere_are_no_proof_of_anything(said):
    words, found = said(records(p=Q, count=500))
    assert found["series"][0]["comparable"] is True
    assert "KL(q||p) is 0 nats a pair" in words
    assert "Both sides are the same number in every pair" in words
    for promise in ("trust", "typical", "would differ", "never", "not comparable"):
        assert promise not in words


def test_a_few_messages_foretell_nothing_and_accuse_nobody(said):
    """Of logs this short many would fail by the error that they show, though they are right."""
    for seed in range(12):
        words, found = said(records(count=3, seed=seed))
        assert found["series"][0]["comparable"] is None
        for claim in ("FAILED", "would decide", "more messages for", "would differ", "odd"):
            assert claim not in words
        assert "Self-check undecided: the mean of p/q is " in words


@pytest.mark.parametrize("excluded", [1.0, 0.3])
def test_a_log_whose_other_side_excludes_much_names_no_estimate_to_read(said, excluded):
    lines = [{"p": 0.0 if k < 400 * excluded else 0.3, "q": 0.3} for k in range(400)]
    words, found = said(lines)
    assert found["series"][0]["comparable"] is False
    assert f"{400 * excluded:.0f} outcomes were drawn that p gives probability 0" in words
    assert "Self-check FAILED" in words
    assert "naive KL(q||p)" not in words
    assert "nan" not in words


def test_one_message_gives_no_share_and_no_interval(said):
    words, _ = said(records(count=1))
    assert "would differ" not in words
    assert "confidence" not in words


def test_sampled_from_p_is_told_with_its_own_sides(said, tmp_path):
    config = tmp_path / "p.yaml"
    config.write_text(
        "kafka: {bootstrap_servers: ['127.0.0.1:9092'], group_id: k}\nstreams: [{topic: pairs, sampled_from: p}]\n"
    )
    cut = (0.5, 0.3, 0.2, 0.0)
    words, found = said(records(p=cut, q=(0.46, 0.27, 0.17, 0.1), sampler=cut), "--config.file", config, "--window",
                        "all")  # fmt: skip
    assert found["read_as"] == {"preset": "canonical", "by": "configuration", "sampled_from": "p"}
    assert f"KL(p||q) is {found['series'][0]['forward']['naive']['value']:.3g} nats a pair by naive" in words
    assert "the mean of q/p is 0.8" in words or "the mean of q/p is 0.90" in words
    assert "KL(q||p) is infinite in truth" in words


def test_a_threshold_of_the_configuration_is_judged_as_the_daemon_judges_it(said, tmp_path):
    config = tmp_path / "thresholds.yaml"
    config.write_text(
        "kafka: {bootstrap_servers: ['127.0.0.1:9092'], group_id: k}\n"
        "streams: [{topic: pairs, thresholds: [{nats: 0.005}, {severity: critical, nats: 0.2}]}]\n"
    )
    words, found = said(records(count=4000), "--config.file", config, "--window", "all")
    assert found["series"][0]["verdict"] == "drift"
    assert "Drift (warning): KL(q||p) over all is 0.0" in words
    assert "times the threshold of 0.005" in words

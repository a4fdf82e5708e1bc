"""Logs as newcomers have them: another sign or scale, columns that are no pairs, names that are data, several kinds."""

import math
import time

import numpy as np
import pytest

from tests.daemon.inspection_worlds import World, inspected

MAIL = "someone@example.com"


def pairs(count=3000, seed=1):
    """Log-probabilities of single outcomes."""
    return [(p[0], q[0]) for p, q in World(seed).sequences(count, 1)]


@pytest.mark.parametrize(
    ("names", "written", "words"),
    [
        (("model_nll", "ref_nll"), lambda log: -log, "other sign"),
        (("logp", "logq"), lambda log: -log, "other sign"),
        (("a", "b"), lambda log: -log, "other sign"),
        (("p", "q"), lambda log: 100 * math.exp(log), "divide them by 100"),
        (("score_a", "score_b"), lambda log: 100 * math.exp(log), "divide them by 100"),
        (("logp", "logq"), str, "numbers in quotes"),
        (("logp", "logq"), lambda log: str(log).replace(".", ","), "decimal comma"),
    ],
)
def test_pairs_in_another_form_are_called_what_they_are(names, written, words):
    finding = inspected([dict(zip(names, map(written, each), strict=True)) for each in pairs()])
    assert not finding.fits
    assert words in finding.problem
    assert f"`{names[0]}`" in finding.problem or f"`{names[1]}`" in finding.problem


def test_negated_arrays_are_found_too():
    finding = inspected([{"x": [-each for each in p], "y": [-each for each in q]} for p, q in World().sequences()])
    assert "other sign" in finding.problem


def test_one_side_of_the_other_sign_is_named():
    finding = inspected([{"logp": -p, "logq": q} for p, q in pairs()])
    assert "`logp` is positive" in finding.problem


def test_measurements_are_neither_losses_nor_percent_nor_probabilities():
    draw = np.random.default_rng(3)
    for _ in range(30):
        scale = draw.exponential(10, 6)
        records = [
            {f"m{at}": each for at, each in enumerate(row)} | {"share": draw.random(), "part": draw.random() / 10}
            for row in (draw.gamma(2, 1, (600, 6)) * scale).tolist()
        ]
        finding = inspected(records)
        assert not finding.fits
        assert "sign" not in finding.problem
        assert "100" not in finding.problem


def test_two_shares_that_have_nothing_to_do_with_each_other_are_no_pairs():
    for seed in range(20):
        draw = np.random.default_rng(seed)
        records = [{"entropy": draw.random(), "clipped": draw.random() / 10, "kl": draw.random()} for _ in range(1500)]
        assert not inspected(records).fits


def test_a_few_long_messages_refute_no_side():
    wrong = 0
    for seed in range(40):
        world = World(seed, scale=0.3)
        finding = inspected([{"a": p, "b": q} for p, q in world.sequences(5, 400)])
        assert finding.fits
        wrong += "above" in (finding.sampler.q.fit, finding.sampler.p.fit)
    assert wrong == 0


@pytest.mark.parametrize(
    "name", [MAIL, "8a6e0804-2bd0-4672-b79d-d97027f9071a", 'alpha"b', "alpha\\", "alpha\x1b[31m", "x" * 5000]
)
def test_what_is_no_name_is_neither_shown_nor_read(name):
    for records in (
        [{name: p, name[:-1] + "z" + name[-1]: q} for p, q in pairs(300)],
        [{"users": {name: {"logp": p, "logq": q}}} for p, q in pairs(300)],
        [{"logp": p, "logq": q, "by": {name: 1}} for p, q in pairs(300)],
    ):
        finding = inspected(records)
        part = name.split(".")[0].encode("unicode_escape").decode()  # a path writes a dot in another way
        assert part not in repr(finding)


def test_records_whose_keys_are_all_different_take_no_longer_than_others():
    records = [{f"user{i * 50 + at}": {"p": 0.5, "q": 0.4} for at in range(50)} for i in range(2000)]
    started = time.perf_counter()
    assert not inspected(records).fits
    assert time.perf_counter() - started < 15


def test_pairs_among_records_of_other_kinds_are_named():
    records = [{"logp": p, "logq": q} if at % 3 == 0 else {"kind": "other"} for at, (p, q) in enumerate(pairs())]
    assert "`logp` and `logq` are in" in inspected(records).problem


def test_records_that_are_too_long_are_called_so():
    p, q = World().sequence(80_000)
    assert "max_record_bytes" in inspected([{"logp": p, "logq": q}] * 2).problem


def test_column_names_of_a_few_words_are_names():
    finding = inspected([{"prob new model": math.exp(p), "prob old model": math.exp(q)} for p, q in pairs()])
    assert finding.stream["paths"] == {"p": "prob new model", "q": "prob old model"}


@pytest.mark.parametrize(("zone", "told"), [("", "when"), ("Z", None), ("+02:00", None)])
def test_times_that_do_not_say_their_zone_are_named(zone, told):
    records = [
        {"logp": p, "logq": q, "when": f"2024-05-01T12:{at % 60:02}:00{zone}"} for at, (p, q) in enumerate(pairs())
    ]
    time_found = inspected(records).time
    assert (time_found.zoneless, time_found.path) == (told, None if told else "when")


@pytest.mark.parametrize(("mean", "spread"), [(1.1, 0.5), (0.93, 0.3)])
def test_shares_that_only_look_like_pairs_in_a_few_records_are_none_in_all_of_them(mean, spread):
    for seed in range(4):
        draw = np.random.default_rng(seed)
        one = draw.random(20_000) ** 0.5 * 0.4 + 0.05
        other = np.clip(one * mean * np.exp(draw.normal(0, spread, one.size) - spread**2 / 2), 0, 1)
        records = [{"f": a, "g": b} for a, b in zip(one.tolist(), other.tolist(), strict=True)]
        assert not inspected(records).fits


@pytest.mark.parametrize(("names", "mask"), [(("logp", "logq"), "mask"), (("trainer", "sampler"), "loss_mask")])
def test_a_mask_that_leaves_out_everything_is_named(names, mask):
    records = [{**dict(zip(names, each, strict=True)), mask: [0] * 40} for each in World().sequences()]
    problem = inspected(records).problem
    assert f"`{mask}` is 0 for every pair in every record" in problem
    assert problem.endswith("this may be the other way round.")


def test_a_mask_that_leaves_out_whole_records_is_named_with_their_share():
    records = [
        {"logp": p, "logq": q, "mask": [int(number % 4 == 0)] * 40} for number, (p, q) in enumerate(World().sequences())
    ]
    assert "`mask` is 0 for every pair in 75 % of the records" in inspected(records).problem


@pytest.mark.parametrize(("weight", "where"), [(0, "for the whole record"), ([0.0] * 40, "for every pair")])
def test_weights_that_are_all_0_are_named(weight, where):
    records = [{"logp": p, "logq": q, "weight": weight} for p, q in World().sequences()]
    problem = inspected(records).problem
    assert f"`weight` is 0 {where} in every record" in problem
    assert "Write 1" in problem


def test_a_mask_of_zeros_beside_no_two_sides_is_not_blamed():
    records = [{"logp": p, "mask": [0] * 40} for p, _ in World().sequences()]
    assert "no second side" in inspected(records).problem

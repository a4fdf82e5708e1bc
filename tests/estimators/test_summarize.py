"""One call over arrays: numbers, words and errors that people can use."""

import doctest
import json
import math

import numpy as np
import pytest

import estimators.arrays
from estimators import Summary, summarize
from estimators.estimates import ESTIMATORS
from estimators.evaluation import estimate
from estimators.summary import summary_of

KEYS = {
    *("messages", "pairs", "blocks", "ratio_mean", "ratio_zscore", "support_gap", "comparable", "infinite"),
    *("effective_sample_ratio", "reverse", "forward"),
}
DIRECTION_KEYS = {"naive", "fixed", "fitted", "adaptive", "k2", "lambda", "pane_standard_error", "variance_ratio"}
ESTIMATE_KEYS = {"value", "standard_error", "lower", "upper"}


def shifted(count=30_000, shift=0.8):
    x = np.random.default_rng(21).normal(0, 1, count)
    return -((x - shift) ** 2) / 2, -(x**2) / 2


def test_the_example_in_the_docstring_is_true():
    assert doctest.testmod(estimators.arrays).attempted == 6
    assert doctest.testmod(estimators.arrays).failed == 0


def test_the_real_log_has_its_known_figures(real_log):
    summary = summarize(*real_log["all"])
    reverse = summary.reverse
    assert reverse.naive.value == pytest.approx(1.4206, abs=6e-5)
    assert (reverse.fixed.value, reverse.fixed.standard_error) == pytest.approx((1.4317, 0.0495), abs=6e-5)
    assert (reverse.fitted.value, reverse.fitted.standard_error) == pytest.approx((1.4218, 0.0129), abs=6e-5)
    assert (reverse.adaptive.value, reverse.adaptive.standard_error) == pytest.approx((1.4105, 0.0142), abs=6e-5)
    assert summary.ratio_mean == pytest.approx(1.0111, abs=6e-5)
    assert summary.comparable is None
    assert "inconclusive" in repr(summary)


def test_pairs_of_one_message_count_as_one():
    log_p, log_q = shifted()
    ids = np.repeat(np.arange(3000), 10)
    summary = summarize(log_p, log_q, messages=ids)
    assert (summary.messages, summary.pairs) == (3000, 30_000)
    assert summary.reverse.fixed.value == pytest.approx(summarize(log_p, log_q).reverse.fixed.value)
    assert summarize(log_p, log_q, messages=[str(i) for i in ids]).to_dict() == summary.to_dict()


def test_names_follow_the_sampler():
    log_p, log_q = shifted()
    assert (
        summarize(log_p, log_q).to_dict()["reverse"] == (summarize(log_q, log_p, sampled_from="p").to_dict()["forward"])
    )


def test_weights_count():
    log_p, log_q = shifted(2000)
    twice = summarize(np.repeat(log_p, 2), np.repeat(log_q, 2), messages=np.repeat(np.arange(2000), 2))
    weighted = summarize(log_p, log_q, weights=np.full(2000, 2.0))
    assert weighted.forward.fitted.value == pytest.approx(twice.forward.fitted.value)
    assert weighted.forward.fitted.standard_error == pytest.approx(twice.forward.fitted.standard_error)


def test_rejected_pairs_are_counted_and_left_out():
    log_p, log_q = shifted(100)
    log_p[3], log_q[5], log_p[7] = np.nan, -np.inf, 0.7
    summary = summarize(log_p, log_q)
    assert summary.rejected == {"nan": 1, "sampler_zero": 1, "positive": 1}
    assert summary.pairs == 97
    assert "1 nan, 1 positive, 1 sampler_zero" in repr(summary)


def test_the_dictionary_has_the_documented_keys_and_is_json():
    summary = summarize(*shifted())
    tree = json.loads(json.dumps(summary.to_dict(), allow_nan=False))
    assert tree.keys() == KEYS
    for direction in ("reverse", "forward"):
        assert tree[direction].keys() == DIRECTION_KEYS
        assert tree[direction]["variance_ratio"].keys() == {"naive", "fixed"}
        for estimator in ESTIMATORS:
            assert tree[direction][estimator].keys() == ESTIMATE_KEYS
    assert tree["reverse"]["adaptive"]["value"] == summary.reverse.adaptive.value
    assert tree["reverse"]["lambda"] == summary.reverse.control_variate_lambda
    assert tree["comparable"] is True


def test_what_is_absent_or_infinite_is_null():
    log_p, log_q = shifted(50)
    log_p[0] = -math.inf
    summary = summarize(log_p, log_q)
    tree = json.loads(json.dumps(summary.to_dict(), allow_nan=False))
    assert summary.reverse.adaptive.value == math.inf
    assert tree["reverse"]["adaptive"] == dict.fromkeys(ESTIMATE_KEYS)
    assert tree["infinite"] is True
    assert tree["forward"]["k2"] is None
    assert "INFINITE: 1 pairs have p(x) = 0" in repr(summary)


def test_nothing_usable_is_said_so():
    assert summarize([], []).to_dict()["pairs"] == 0
    text = repr(summarize([0.2, 0.9], [-1.0, -1.0]))
    assert "were probabilities given instead?" in text
    assert "nothing to estimate" in text


def test_incomparable_pairs_point_to_the_value_to_read():
    rng = np.random.default_rng(2)
    u = rng.normal(-0.105, 0.01, 5000)
    assert "read reverse naive first" in repr(summarize(u - 5, np.full(5000, -5.0)))
    assert "read forward naive first" in repr(summarize(np.full(5000, -5.0), u - 5, sampled_from="p"))


@pytest.mark.parametrize("side", ["q", "p"])
def test_a_mean_above_one_is_of_no_sampler_so_that_no_value_is_to_be_read(side):
    ours, other = np.full(5000, -5.0), np.random.default_rng(2).normal(-4.8, 0.01, 5000)
    columns = (other, ours) if side == "q" else (ours, other)
    text = repr(summarize(*columns, sampled_from=side))
    assert f"x was not drawn from this {side}, or a fault of the log" in text
    assert "no value can be read until the log is right" in text
    assert "naive first" not in text


def test_the_table_shows_value_error_and_interval_of_every_estimator():
    text = repr(summarize(*shifted()))
    lines = {line.split()[0]: line for line in text.split("forward  KL(p||q)")[0].splitlines() if line.startswith("  ")}
    adaptive = summarize(*shifted()).reverse.adaptive
    assert f"{adaptive.value:.5g}" in lines["adaptive"]
    assert f"{adaptive.standard_error:.5g}" in lines["adaptive"]
    assert f"{adaptive.lower:.5g} to {adaptive.upper:.5g}" in lines["adaptive"]
    assert set(lines) == {*ESTIMATORS, "k2", "lambda"}
    assert max(map(len, text.splitlines())) <= 100
    assert "verdict: comparable" in text


def test_a_sliding_window_gives_the_same_structure(oracle):
    u = np.random.default_rng(5).normal(-0.02, 0.2, 300)
    panes = oracle.panes_of(u, panes=10)
    estimates = estimate(panes, first=3, panes_per_window=7, sampled_from="p", resolution=1e-13, min_messages=30)
    summary = summary_of(estimates, 0, "p", {"nan": 2})
    assert isinstance(summary, Summary)
    assert summary.to_dict().keys() == KEYS
    assert (summary.messages, summary.blocks, summary.rejected) == (210, 7, {"nan": 2})
    assert summary.of("forward").of("adaptive").value == estimates.forward.adaptive.value[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"log_p": [-1.0, -2.0], "log_q": [-1.0]}, "log_q has 1 values, log_p has 2"),
        ({"log_p": [[-1.0]], "log_q": [-1.0]}, "log_p must have one dimension"),
        ({"log_p": -1.0, "log_q": -1.0}, "log_p must have one dimension"),
        ({"log_p": [-1.0], "log_q": ["x"]}, "log_q must be numbers"),
        ({"log_p": [-1.0], "log_q": [-1.0], "weights": [1.0, 2.0]}, "weights has 2 values"),
        ({"log_p": [-1.0], "log_q": [-1.0], "messages": [[1]]}, "messages must have one dimension"),
        ({"log_p": [-1.0], "log_q": [-1.0], "messages": [1, 2]}, "messages has 2 values"),
        ({"log_p": [-1.0], "log_q": [-1.0], "sampled_from": "r"}, "sampled_from is 'p' or 'q', not 'r'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        summarize(**arguments)

"""The mean of r: what the self-check sees, what it lets pass, and what it says in words of 0, 1 and nothing."""

import math

import numpy as np
import pytest

from estimators.evaluation import estimate
from estimators.kernel import cell_rows
from estimators.moments import Moments
from estimators.selfcheck import resolution_of, verdict

NAN = math.nan


@pytest.mark.parametrize(
    ("precision", "resolution"),
    [("bf16", 4e-4), ("float16", 6e-6), ("float32", 1e-13), ("decimals:4", 1e-8 / 12), ("decimals:0", 1 / 12)],
)
def test_the_resolution_follows_from_the_precision(precision, resolution):
    assert resolution_of(precision) == pytest.approx(resolution)


@pytest.mark.parametrize("precision", ["", "bf17", "decimals", "decimals:", "decimals:-1", "decimals:18", "decimals:٣"])
def test_an_unknown_precision_is_refused_by_name(precision):
    with pytest.raises(ValueError, match="is none of bf16"):
        resolution_of(precision)


@pytest.mark.parametrize(
    ("deviation", "error", "fixed", "resolution", "expected"),
    [
        (0.10, 0.01, 0.01, 1e-13, 0.0),  # ten errors away, and more than a tenth of the divergence
        (-0.10, 0.01, 0.01, 1e-13, 0.0),
        (0.049, 0.01, 0.01, 1e-13, NAN),  # below five errors
        (0.10, 0.01, 2.0, 1e-13, 1.0),  # ten errors, but within a tenth of the divergence, and known well
        (0.10, 0.01, 0.0, 0.2, 1.0),  # the same by the resolution
        (0.10, 0.05, 2.0, 1e-13, NAN),  # within the bound, but not known well enough
        (0.3, 0.04, 2.0, 1e-13, 0.0),  # known well enough for a pass, but failed
        (0.0, 0.0, 0.0, 1e-13, 1.0),  # nothing varies
        (0.5, 0.0, 0.1, 1e-13, 0.0),  # nothing varies, and nothing fits
        (-0.1, 0.0, 0.005, 1e-13, 0.0),  # a greedy sampler with one ratio for all
        (0.5, NAN, 0.1, 1e-13, NAN),  # one message
    ],
)
def test_the_verdict_follows_the_rule(deviation, error, fixed, resolution, expected):
    actual = verdict(np.array([deviation]), np.array([error]), np.array([fixed]), resolution, np.array([30.0]))[0]
    assert actual == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(("deviation", "error"), [(0.5, 0.0), (0.0, 0.0), (0.5, 0.001), (0.001, 0.0001)])
def test_fewer_than_30_messages_are_no_evidence(deviation, error):
    columns = (np.full(2, deviation), np.full(2, error), np.full(2, 0.1))
    few, enough = verdict(*columns, 1e-13, np.array([29.0, 30.0]))
    assert np.isnan(few)
    assert not np.isnan(enough)


def test_of_right_logs_of_a_few_messages_none_fails(oracle):
    """Two messages lie five of their own errors away in one of eight logs."""
    rng = np.random.default_rng(3)
    estimates = [oracle.estimate_of(gaussian_u(rng, 0.05, 2)) for _ in range(200)]
    assert sum(abs(each.ratio_zscore[0]) > 5 for each in estimates) > 10
    assert all(np.isnan(each.comparable[0]) for each in estimates)


def test_a_greedy_sampler_with_one_ratio_for_all_is_not_comparable(oracle):
    """Its messages vary in nothing, so there is no z; the mean of .9 is its kept mass all the same."""
    assert oracle.estimate_of(np.full(30, math.log(0.9))).comparable[0] == 0
    assert np.isnan(oracle.estimate_of(np.full(29, math.log(0.9))).comparable[0])


def gaussian_u(rng, kl, shape):
    sd = math.sqrt(2 * kl)
    return rng.normal(-kl, sd, shape)


def test_exchanged_columns_are_seen_within_5000_pairs(oracle):
    u = gaussian_u(np.random.default_rng(6), 0.02, 5000)
    right, exchanged = oracle.estimate_of(u), oracle.estimate_of(-u)
    assert exchanged.ratio_zscore[0] > 5
    assert exchanged.comparable[0] == 0
    assert abs(right.ratio_zscore[0]) < 5
    assert right.comparable[0] != 0


def test_one_column_in_base_two_is_seen_at_once(oracle):
    rng = np.random.default_rng(9)
    log_q = -rng.exponential(3, 300)
    log_p = np.minimum(log_q + gaussian_u(rng, 0.005, 300), 0)
    assert oracle.estimate_of(log_p / math.log(2) - log_q).comparable[0] == 0


@pytest.mark.parametrize("kl", [5e-4, 0.02, 0.125])
def test_a_thousand_windows_of_correct_logs_stay_quiet(kl):
    u = gaussian_u(np.random.default_rng(12), kl, (1000, 1000))
    index = np.arange(u.size)
    rows = cell_rows(u.ravel(), None, index, index // 1000, index, 0)
    estimates = estimate(
        rows.moments[None], first=0, panes_per_window=1, sampled_from="q", resolution=1e-13, min_messages=1
    )
    assert np.abs(estimates.ratio_zscore).max() < 5
    assert not (estimates.comparable == 0).any()


def distributions(rng, vocabulary, entropy_range, noise):
    """One context: log-probabilities of two softmaxes over a vocabulary, of a given entropy, apart by noise."""
    logits = rng.standard_normal(vocabulary)
    target = rng.uniform(*entropy_range)
    low, high = 0.0, 60.0
    for _ in range(30):  # bisect the temperature; the flattest softmax has the largest entropy
        scale = (low + high) / 2
        log_q = logits * scale - np.logaddexp.reduce(logits * scale)
        entropy = -np.exp(log_q) @ log_q
        low, high = (scale, high) if entropy > target else (low, scale)
    moved = log_q + rng.normal(0, noise, vocabulary)
    return moved - np.logaddexp.reduce(moved), log_q


def drawn(rng, log_probability, count):
    """Draw outcomes by inversion."""
    steps = np.cumsum(np.exp(log_probability))
    return np.minimum(steps.searchsorted(rng.random(count) * steps[-1]), log_probability.size - 1)


def test_a_truncated_sampler_shows_its_kept_mass_in_naive_and_as_support_gap(oracle):
    rng = np.random.default_rng(20)
    contexts = []
    for _ in range(100):
        _, log_p = distributions(rng, 2000, (3, 5), 0)
        nucleus = np.argsort(-log_p)[: int(np.searchsorted(np.cumsum(np.sort(np.exp(log_p))[::-1]), 0.9)) + 1]
        kept = math.log(np.exp(log_p[nucleus]).sum())
        log_q = np.full(2000, -np.inf)
        log_q[nucleus] = log_p[nucleus] - kept
        contexts.append((log_p, log_q, kept))
    log_kept = np.array([kept for _, _, kept in contexts])
    u = []
    for context in rng.integers(0, 100, 20_000):
        log_p, log_q, _ = contexts[context]
        token = drawn(rng, log_q, 1)
        u.append(float(log_p[token[0]] - log_q[token[0]]))
    reverse = (estimates := oracle.estimate_of(u, panes=30)).reverse
    truth = -log_kept.mean()
    assert abs(reverse.naive.value[0] - truth) < 4 * reverse.naive.standard_error[0]
    gap = 1 - np.exp(log_kept).mean()
    assert estimates.support_gap[0] == pytest.approx(gap, abs=5e-4)
    assert reverse.fixed.value[0] == pytest.approx(truth - gap, abs=1e-3)
    assert reverse.fixed.value[0] < 0.1 * truth
    assert estimates.comparable[0] == 0


def to_bf16(x):
    """Round to nearest, ties to even, to eight significant bits."""
    bits = x.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32).astype(np.float64)


@pytest.mark.slow
def test_ten_million_tokens_of_correct_bf16_logs_are_never_called_incomparable():
    """KL 2e-4, entropies of 5 to 9 nats: rounding alone moves the mean of r, and a bare z would call it a fault."""
    rng = np.random.default_rng(31)
    total = Moments.zero(1)
    verdicts, bare, exact, zscores = [], [], [], []
    for _ in range(100):
        chunk = []
        for _ in range(10):
            log_p, log_q = distributions(rng, 8192, (5, 9), 0.02)
            exact.append(np.exp(log_q) @ (log_q - log_p))
            chunk.append((to_bf16(log_p) - to_bf16(log_q))[drawn(rng, log_q, 10_000)])
        u = np.concatenate(chunk)
        index = np.arange(u.size)
        total = total.merge(cell_rows(u, None, index, np.zeros_like(index), index, 0).moments)
        for precision, into in (("bf16", verdicts), ("float32", bare)):
            estimates = estimate(
                total[None],
                first=0,
                panes_per_window=1,
                sampled_from="q",
                resolution=resolution_of(precision),
                min_messages=1,
            )
            into.append(estimates.comparable[0])
        zscores.append(abs(estimates.ratio_zscore[0]))
    assert total.count_of("messages")[0] == 10_000_000
    assert np.mean(exact) == pytest.approx(2e-4, rel=0.05)
    assert 0 not in verdicts
    assert verdicts[-1] == 1
    # The control: without the resolution these very logs fail, and z alone passes its limit.
    assert zscores[-1] > 5
    assert bare[-1] == 0

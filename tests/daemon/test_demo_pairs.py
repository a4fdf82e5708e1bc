"""The demo's traffic: its truth is summed from its own distributions, and its real log is the real log."""

import csv
import gzip
import json
import math
from pathlib import Path

import numpy as np
import pytest

from daemon.demo.pairs import LOG_CAMPAIGNS, WRITER_MODEL, WRITER_VERSIONS, RealLog, TokenWriter

LOG = Path(__file__).parents[2] / "daemon" / "data" / "open_bandit_bts.csv.gz"


@pytest.fixture(scope="module", params=sorted(WRITER_VERSIONS))
def writer(request):
    return TokenWriter(request.param, seed=5)


def test_the_truth_is_the_mean_over_contexts_of_each_contexts_divergence(writer):
    ((labels, truth),) = writer.truths().items()
    assert labels[0] == WRITER_MODEL
    for direction, a, b in (("reverse", writer.log_q, writer.log_p), ("forward", writer.log_p, writer.log_q)):
        contexts = [
            math.fsum(math.exp(x) * (x - y) for x, y in zip(one, two, strict=True))
            for one, two in zip(a.tolist(), b.tolist(), strict=True)
        ]
        assert truth.kl_nats[direction] == pytest.approx(math.fsum(contexts) / len(contexts), rel=1e-12)
    assert 5e-4 < truth.kl_nats["reverse"] < 5e-2


def test_both_models_are_distributions_over_the_whole_vocabulary(writer):
    for log_probabilities in (writer.log_p, writer.log_q):
        assert np.exp(log_probabilities).sum(axis=1) == pytest.approx(1, abs=1e-12)


def test_drawn_tokens_estimate_the_truth_within_its_error(writer):
    """Tokens are drawn from q: had they been drawn from p, naive would come to minus the forward divergence."""
    u = np.concatenate([p - q for p, q in (writer.sequence() for _ in range(2500))])
    reverse = writer.truths()[WRITER_MODEL, writer._version].kl_nats["reverse"]
    forward = writer.truths()[WRITER_MODEL, writer._version].kl_nats["forward"]
    ratio = np.exp(u)
    for values, truth in ((-u, reverse), (ratio - 1 - u, reverse), (ratio * u - (ratio - 1), forward), (ratio, 1.0)):
        assert abs(values.mean() - truth) < 4 * values.std() / math.sqrt(u.size)


def test_a_sequence_is_one_canonical_record_of_20_to_60_tokens(writer):
    lengths = set()
    for _ in range(300):
        record = json.loads(writer.next_value(1700000000.25))
        assert record["ts"] == 1700000000.25
        assert (record["model"], record["version"]) in writer.truths()
        assert len(record["logp"]) == len(record["logq"])
        lengths.add(len(record["logp"]))
    assert (min(lengths), max(lengths)) == (20, 60)


def test_the_real_log_is_played_in_order_looped_and_stamped_with_the_time_of_sending():
    with gzip.open(LOG, "rt") as lines:
        rows = list(csv.DictReader(lines))
    source = RealLog()
    assert source.rate == 100
    for index in range(len(rows) + 3):
        record, row = json.loads(source.next_value(index + 0.5)), rows[index % len(rows)]
        assert record["timestamp"] == index + 0.5
        assert record["campaign"] == row["campaign"]
        assert record["propensity_score"] == float(row["propensity_score"])
        assert record["uniform_probability"] == float(row["uniform_probability"])


def test_the_real_log_has_a_known_ratio_mean_and_no_known_divergence():
    truths = RealLog().truths()
    assert set(truths) == {(campaign,) for campaign in LOG_CAMPAIGNS}
    assert all(
        truth.ratio_mean == 1 and truth.kl_nats == {"reverse": None, "forward": None} for truth in truths.values()
    )

"""The demo's messages: drawn from the sampler, what is written is what the ledger is told, and bad ones are bad."""

import csv
import gzip
import json
import math
from pathlib import Path

import numpy as np
import pytest

from daemon.demo import real_log
from daemon.demo.real_log import RealLog
from daemon.demo.writer import RAMP_SECONDS, RATES, TokenWriter

LOG = Path(__file__).parents[2] / "daemon" / "data" / "open_bandit_bts.csv.gz"
NOW_US = 1_700_000_000_000_000


@pytest.fixture
def writer():
    return TokenWriter("2", seed=5)


@pytest.mark.parametrize("traffic", ["calm", "truncated", "shifted"])
def test_drawn_tokens_estimate_the_truth_within_their_error(writer, traffic):
    """Tokens are drawn from q: had they been drawn from p, naive would come to minus the forward divergence."""
    writer.change(traffic, NOW_US)
    messages = [writer.next_message(NOW_US) for _ in range(400)]
    pairs = sum(message.pairs for message in messages)
    truth = messages[0].truth
    assert all(message.truth is truth for message in messages)
    reverse, gap = truth.kl_nats["reverse"], truth.ratio_mean - 1
    for sums, expected in (("naive_sum", reverse), ("fixed_sum", reverse + gap)):
        values = [getattr(message, sums) for message in messages]
        error = math.sqrt(sum((v - expected * m.pairs) ** 2 for v, m in zip(values, messages, strict=True))) / pairs
        assert abs(sum(values) / pairs - expected) < 4 * error


def test_a_record_is_canonical_and_its_sums_are_those_of_the_numbers_that_it_holds(writer):
    lengths = set()
    for index in range(60):
        message = writer.next_message(NOW_US + index)
        record = json.loads(message.value)
        assert (record["model"], record["version"], record["ts"]) == ("writer", "2", NOW_US + index)
        assert message.series == ("tokens", ("writer", "2"))
        u = [p - q for p, q in zip(record["logp"], record["logq"], strict=True)]
        assert message.pairs == len(u)
        assert message.naive_sum == pytest.approx(-sum(u), rel=1e-12)
        assert message.fixed_sum == pytest.approx(sum(math.exp(x) - 1 - x for x in u), rel=1e-9)
        lengths.add(len(u))
    assert 120 <= min(lengths) < max(lengths) <= 240


def test_a_seed_draws_the_same_tokens_again_and_another_seed_others():
    first, second, other = (TokenWriter("2", seed).next_message(NOW_US).value for seed in (5, 5, 6))
    assert first == second != other


def test_a_ramp_moves_the_truth_evenly_from_calm_to_shifted(writer):
    writer.change("ramp", NOW_US)
    shares = (-0.1, 0.0, 0.25, 0.5, 1.0, 2.0)
    truths = [writer.next_message(NOW_US + int(share * RAMP_SECONDS * 1e6)).truth for share in shares]
    expected = [0.05, 0.05, 0.1, 0.15, 0.25, 0.25]
    assert [truth.kl_nats["reverse"] for truth in truths] == pytest.approx(expected, rel=1e-9)


def test_of_bad_values_one_record_in_four_holds_nan_one_holds_null_and_the_truth_stays(writer):
    writer.change("bad_values", NOW_US)
    messages = [writer.next_message(NOW_US) for _ in range(40)]
    kinds = [message.bad[0][0] if message.bad else None for message in messages]
    assert kinds == ["syntax", None, "sentinel", None] * 10
    for message in messages:
        assert message.truth is writer.calm.truth
        record = json.loads(message.value)
        bad = [p is None or math.isnan(p) for p in record["logp"]]
        if not message.bad:
            assert not any(bad)
        elif message.bad[0][0] == "syntax":
            assert b"NaN" in message.value
            assert (message.pairs, message.bad[0][1]) == (0, 1)
        else:
            assert message.bad[0][1] == sum(bad) == len(bad) - message.pairs
            u = [p - q for p, q in zip(record["logp"], record["logq"], strict=True) if p is not None]
            assert message.naive_sum == pytest.approx(-sum(u), rel=1e-12)


def test_a_silent_writer_sends_nothing_until_it_speaks_again(writer):
    writer.change("silent", NOW_US)
    assert writer.next_message(NOW_US) is None
    writer.change("calm", NOW_US)
    assert writer.next_message(NOW_US) is not None


def test_the_self_check_gets_the_pairs_that_it_needs_within_the_long_window(writer):
    """5 standard errors of the ratio mean within a tenth of the divergence, DESIGN.md section 4: else never passed."""
    q, r = np.exp(writer.calm.log_q), np.exp(writer.calm.log_p - writer.calm.log_q)
    variance = (q * (r - 1) ** 2).sum() / len(q)
    needed = 25 * variance / (0.1 * writer.calm.truth.kl_nats["reverse"]) ** 2
    assert needed < 0.9 * 15 * RATES["2"] * 180


def test_the_real_log_is_played_in_order_looped_and_stamped_with_the_time_of_sending():
    with gzip.open(LOG, "rt") as lines:
        rows = list(csv.DictReader(lines))
    source = RealLog()
    assert source.rate == 100
    for index in range(len(rows) + 3):
        message, row = source.next_message(NOW_US + index), rows[index % len(rows)]
        record = json.loads(message.value)
        assert record["timestamp"] == message.event_us == NOW_US + index
        assert message.series == ("bandit", (row["campaign"],))
        q, p = record["propensity_score"], record["uniform_probability"]
        assert (q, p) == (float(row["propensity_score"]), float(row["uniform_probability"]))
        assert (message.pairs, message.naive_sum) == (1, pytest.approx(math.log(q / p), abs=1e-12))
        assert message.fixed_sum == pytest.approx(p / q - 1 - math.log(p / q), abs=1e-12)


def test_the_real_log_has_a_known_ratio_mean_and_no_known_divergence():
    assert real_log.TRUTH.kl_nats == {"reverse": None, "forward": None}
    assert real_log.TRUTH.ratio_mean == 1
    assert {RealLog().next_message(0).series[1][0]} <= set(real_log.CAMPAIGNS)

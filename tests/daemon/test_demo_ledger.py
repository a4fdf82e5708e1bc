"""What was sent in a window: counted, summed and mixed here once more, message by message."""

import math
import random

import pytest

from daemon.demo.ledger import Ledger, mixture
from daemon.demo.messages import Message
from daemon.demo.models import Truth

SERIES, OTHER = ("tokens", ("writer", "2")), ("tokens", ("writer", "1"))
CALM = Truth({"reverse": 0.05, "forward": 0.04})
CUT = Truth({"reverse": 0.15, "forward": math.inf}, ratio_mean=0.9)
SHIFTED = Truth({"reverse": 0.25, "forward": 0.2})
UNKNOWN = Truth({"reverse": None, "forward": None})
SECOND = 1_000_000


def message(event_us, pairs=10, truth=CALM, series=SERIES, bad=()):
    draw = random.Random(event_us)
    return Message(b"", series, event_us, pairs, pairs * draw.random(), pairs * draw.random(), truth, bad)


@pytest.fixture
def sent():
    """300 messages, one each 100 ms, through three regimes, with another series between."""
    draw = random.Random(8)
    truths = [CALM] * 120 + [CUT] * 90 + [SHIFTED] * 90
    messages = [message(index * 100_000, draw.randint(1, 50), truth) for index, truth in enumerate(truths)]
    ledger = Ledger()
    for each in messages:
        ledger.add(each)
        ledger.add(message(each.event_us, 7, series=OTHER))
    return ledger, messages


@pytest.mark.parametrize("span", [(0, 30), (2, 3), (11.95, 12.05), (10, 22), (0, 5.1), (29.9, 40)])
def test_a_window_holds_the_events_from_its_start_to_before_its_end_and_the_truth_of_their_mixture(sent, span):
    ledger, messages = sent
    start, end = (round(limit * SECOND) for limit in span)
    inside = [each for each in messages if start <= each.event_us < end]
    found, pairs = ledger.between(SERIES, start, end), sum(each.pairs for each in inside)
    assert (found.messages, found.pairs) == (len(inside), pairs)
    assert found.naive_nats == pytest.approx(sum(each.naive_sum for each in inside) / pairs, rel=1e-12)
    assert found.fixed_nats == pytest.approx(sum(each.fixed_sum for each in inside) / pairs, rel=1e-12)
    for direction in ("reverse", "forward"):
        one_by_one = sum(each.truth.kl_nats[direction] * each.pairs for each in inside) / pairs
        assert found.truth.kl_nats[direction] == pytest.approx(one_by_one, rel=1e-12)
    ratio_mean = sum(each.truth.ratio_mean * each.pairs for each in inside) / pairs
    assert found.truth.ratio_mean == pytest.approx(ratio_mean, rel=1e-12)


def test_nothing_sent_is_none_and_no_zero(sent):
    assert sent[0].between(SERIES, 31 * SECOND, 60 * SECOND) is None
    assert sent[0].between(("tokens", ("reader", "1")), 0, 60 * SECOND) is None


def test_a_mixture_with_an_unknown_part_is_unknown_and_a_part_without_weight_does_not_count():
    assert mixture([(CALM, 1), (UNKNOWN, 1)]).kl_nats["reverse"] is None
    assert mixture([(CALM, 1), (UNKNOWN, 0), (CUT, 0)]).kl_nats == CALM.kl_nats


def test_the_moment_is_known_when_the_truth_passed_a_threshold(sent):
    assert sent[0].first_above(SERIES, 0, 0.1) == 12 * SECOND
    assert sent[0].first_above(SERIES, 0, 0.2) == 21 * SECOND
    assert sent[0].first_above(SERIES, 25 * SECOND, 0.2) == 25 * SECOND
    assert sent[0].first_above(SERIES, 0, 0.3) is None


def test_lost_records_are_counted_by_reason_and_are_in_no_window():
    ledger = Ledger()
    ledger.add(message(1, 0, bad=(("syntax", 1),)))
    ledger.add(message(2, 0, bad=(("syntax", 1),)))
    ledger.add(message(3, 4, bad=(("sentinel", 6),)))
    assert ledger.bad("tokens") == {"syntax": 2, "sentinel": 6}
    assert ledger.bad("bandit") == {}
    assert ledger.between(SERIES, 0, 10).messages == 1


def test_what_is_older_than_any_window_is_forgotten_and_nothing_else():
    ledger = Ledger()
    for second in range(1200):
        now = second * SECOND
        ledger.add(message(now))
        assert ledger.between(SERIES, now - 299 * SECOND, now + 1).messages == min(300, second + 1)
        assert ledger.between(SERIES, 0, now + 1).messages <= 601

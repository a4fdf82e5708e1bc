"""Which pairs may enter a sum, one case a line; and that the quick way agrees with the thorough one."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimators.pairs import NULL_LOG_PROB
from estimators.validation import PAIR_REASONS, WEIGHT_MAX, WEIGHT_MIN, Rules, reasons_of, validate

INF, NAN = math.inf, math.nan
DENSITY = Rules(kind="density")
FROM_P = Rules(sampled_from="p")

CASES = [
    # log_p, log_q, weight, rules, reason (None: accepted)
    (-1.0, -2.0, 1.0, Rules(), None),
    (0.0, 0.0, 1.0, Rules(), None),
    (NAN, -1.0, 1.0, Rules(), "nan"),
    (-1.0, NAN, 1.0, Rules(), "nan"),
    (NAN, -INF, 1.0, Rules(), "nan"),
    (INF, -1.0, 1.0, Rules(), "nan"),
    (-1.0, INF, 1.0, Rules(), "nan"),
    (-INF, -INF, 1.0, Rules(), "nan"),
    (INF, -1.0, 1.0, DENSITY, "nan"),
    (-1.0, -INF, 1.0, Rules(), "sampler_zero"),
    (-INF, -1.0, 1.0, FROM_P, "sampler_zero"),
    (0.5, -INF, 1.0, Rules(), "sampler_zero"),
    (-INF, -1.0, 1.0, Rules(), None),
    (-1.0, -INF, 1.0, FROM_P, None),
    (0.5, -1.0, 1.0, Rules(), "positive"),
    (-1.0, 0.5, 1.0, Rules(), "positive"),
    (-INF, 0.5, 1.0, Rules(), "positive"),
    (0.0011, -1.0, 1.0, Rules(), "positive"),
    (0.0009, -1.0, 1.0, Rules(), None),
    (0.5, -1.0, 1.0, Rules(positive_tolerance=0.6), None),
    (0.5, -1.0, 1.0, DENSITY, None),
    (1e70, -1.0, 1.0, DENSITY, "positive"),
    (0.5, -1.0, NAN, Rules(), "positive"),
    (-1.0, -2.0, NAN, Rules(), "weight"),
    (-1.0, -2.0, INF, Rules(), "weight"),
    (-1.0, -2.0, -1.0, Rules(), "weight"),
    (-1.0, -2.0, 2 * WEIGHT_MAX, Rules(), "weight"),
    (-1.0, -2.0, WEIGHT_MAX, Rules(), None),
    (-1.0, -2.0, 0.0, Rules(), "zero_weight"),
    (-1.0, -2.0, -0.0, Rules(), "zero_weight"),
    (-1.0, -2.0, WEIGHT_MIN / 2, Rules(), "zero_weight"),
    (-1.0, -2.0, WEIGHT_MIN, Rules(), None),
    (-9000.0, -1.0, 1.0, Rules(), "sentinel"),
    (-1.0, -9999.0, 1.0, Rules(), "sentinel"),
    (-8999.0, -1.0, 1.0, Rules(), None),
    (-1.0, -100.0, 1.0, Rules(sentinel_below=-100.0), "sentinel"),
    (NULL_LOG_PROB, -1.0, 1.0, Rules(), "sentinel"),
    (-1.0, NULL_LOG_PROB, 1.0, Rules(sentinel_below=-1e300), "sentinel"),
    (-1e70, -1.0, 1.0, Rules(sentinel_below=-1e300), "sentinel"),
    (NULL_LOG_PROB, NAN, 1.0, Rules(), "sentinel"),
    (NULL_LOG_PROB, -INF, 1.0, Rules(), "sentinel"),
    # In base 2 the sentinel is told in the log's own unit, the tolerance in nats.
    (-8999.0, -1.0, 1.0, Rules(nats_per_unit=math.log(2)), None),
    (-9000.0, -1.0, 1.0, Rules(nats_per_unit=math.log(2)), "sentinel"),
    (0.0014, -1.0, 1.0, Rules(nats_per_unit=math.log(2)), None),
    (0.0015, -1.0, 1.0, Rules(nats_per_unit=math.log(2)), "positive"),
]


@pytest.mark.parametrize(("log_p", "log_q", "weight", "rules", "reason"), CASES)
def test_the_first_reason_that_hits_decides(log_p, log_q, weight, rules, reason):
    valid = validate(np.array([log_p]), np.array([log_q]), np.array([weight]), np.array([0]), rules)
    assert valid.rejected == ({reason: 1} if reason else {})
    (index,) = reasons_of(np.array([log_p]), np.array([log_q]), np.array([weight]), rules)
    assert (PAIR_REASONS[index] if index >= 0 else None) == reason
    assert valid.u.size == valid.message.size == valid.first_pair.size == (0 if reason else 1)


def test_every_reason_has_a_case():
    assert {case[-1] for case in CASES} == {None, *PAIR_REASONS}


def test_u_is_log_other_minus_log_sampler_in_nats():
    p, q, first = np.array([-1.0, -2.0]), np.array([-3.0, -INF]), np.array([0])
    assert validate(p[:1], q[:1], None, first, Rules()).u.tolist() == [2.0]
    assert validate(p, q, None, first, FROM_P).u.tolist() == [-2.0, -INF]
    assert validate(p[:1], q[:1], None, first, Rules(nats_per_unit=0.5)).u.tolist() == [1.0]


def test_a_message_keeps_its_good_pairs_and_vanishes_without_one():
    p = np.array([-1.0, NAN, NAN, NAN, -2.0, -3.0])
    q = np.array([-1.5, -1.0, -1.0, -1.0, -2.5, -3.5])
    weight = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    valid = validate(p, q, weight, np.array([0, 2, 4]), Rules())
    assert valid.rejected == {"nan": 3}
    assert valid.message.tolist() == [0, 2]
    assert valid.first_pair.tolist() == [0, 1]
    assert valid.weight.tolist() == [1.0, 5.0, 6.0]
    assert valid.u.tolist() == [0.5, 0.5, 0.5]


def test_no_pair_at_all_is_no_error():
    empty = np.empty(0)
    valid = validate(empty, empty, None, np.empty(0, np.int64), Rules())
    assert (valid.u.size, valid.message.size, valid.rejected) == (0, 0, {})


logs = st.one_of(st.floats(-50, 0), st.sampled_from([NAN, INF, -INF, 0.5, -9500.0, NULL_LOG_PROB]))
pairs = st.tuples(logs, logs, st.one_of(st.floats(0.1, 3), st.sampled_from([NAN, -1.0, 0.0])))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(pairs, min_size=1, max_size=12), st.data())
def test_many_pairs_are_judged_as_each_alone(rows, data):
    first = [
        0,
        *data.draw(st.lists(st.integers(1, len(rows) - 1), unique=True).map(sorted) if rows[1:] else st.just([])),
    ]
    log_p, log_q, weight = map(np.array, zip(*rows, strict=True))
    together = validate(log_p, log_q, weight, np.array(first), Rules())
    alone = [validate(*(np.array([x]) for x in row), np.array([0]), Rules()) for row in rows]
    assert together.u.tolist() == [u for one in alone for u in one.u.tolist()]
    expected = [next(iter(one.rejected), None) for one in alone]
    found = reasons_of(log_p, log_q, weight, Rules()).tolist()
    assert [PAIR_REASONS[index] if index >= 0 else None for index in found] == expected
    assert sum(together.rejected.values()) == sum(not one.u.size for one in alone)
    for reason in PAIR_REASONS:
        assert together.rejected.get(reason, 0) == sum(one.rejected.get(reason, 0) for one in alone)
    bounds = [*first, len(rows)]
    kept = [sum(one.u.size for one in alone[a:b]) for a, b in pairwise(bounds)]
    assert together.message.tolist() == [index for index, count in enumerate(kept) if count]
    assert np.diff(together.first_pair, append=together.u.size).tolist() == [count for count in kept if count]

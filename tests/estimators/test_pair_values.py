"""Per-pair values against 25-digit references and arbitrary precision."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimators.values import SERIES_LIMIT, pair_values

ULP = 2.0**-52


@pytest.mark.parametrize("neighbour", [0.0, 0.1, 0.4, 0.9, 1.9, 5.0], ids="largest {}".format)
@pytest.mark.parametrize("name", ["c", "kl_so", "kl_os", "k1", "k2"])
def test_every_value_of_the_reference_is_met_whatever_else_is_in_the_block(estimator_reference, name, neighbour):
    rows = estimator_reference["rows"]
    assert len(rows) == 50
    tolerance = {"c": 8 * ULP, "kl_so": 8 * ULP}.get(name, 1e-14)
    for row in rows:
        actual = getattr(pair_values(np.array([float.fromhex(row["ell_hex"]), neighbour])), name)[0]
        truth = mpmath.mpf(row["values"][name]["decimal"])
        assert abs(mpmath.mpf(actual) - truth) <= tolerance * abs(truth), row["ell_repr"]


def test_the_naive_value_of_the_other_side_is_fixed_plus_the_control_variate(estimator_reference):
    for row in estimator_reference["rows"]:
        values = pair_values(np.array([float.fromhex(row["ell_hex"])]))
        truth = row["values"]["kl_os_naive"]["float"]
        size = abs(values.kl_os[0]) + abs(values.c[0])
        assert values.kl_os[0] + values.c[0] == pytest.approx(truth, rel=0, abs=1e-15 * size)


def test_a_pair_with_no_probability_on_the_other_side_is_infinite_on_the_samplers_side_only(estimator_reference):
    values = pair_values(np.array([-math.inf, 0.5]))
    for name in ("c", "kl_so", "kl_os", "k1", "k2"):
        assert getattr(values, name)[0] == float(estimator_reference["neg_inf"]["values"][name])


near = st.floats(-SERIES_LIMIT, SERIES_LIMIT)
# Below 1e-15 sixty digits would not be enough for the truth.
anywhere = st.one_of(near, near.map(lambda u: u * 1e-6), st.floats(-700, 300)).filter(lambda u: not 0 < abs(u) < 1e-15)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(anywhere, min_size=1, max_size=20))
def test_values_keep_fourteen_digits_at_any_log_ratio(ratios):
    values = pair_values(np.array(ratios))
    with mpmath.workdps(60):
        for index, u in enumerate(map(mpmath.mpf, ratios)):
            c = mpmath.expm1(u)
            for actual, truth in ((values.c, c), (values.kl_so, c - u), (values.kl_os, u * (c + 1) - c)):
                assert abs(mpmath.mpf(actual[index]) - truth) <= 1e-14 * abs(truth)


def test_subtracting_from_expm1_would_not_have_met_the_reference():
    u = np.array([1e-9])
    assert abs((np.expm1(u) - u)[0] / pair_values(u).kl_so[0] - 1) > 1e-9

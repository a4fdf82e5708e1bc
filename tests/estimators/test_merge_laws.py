"""Moments are a commutative monoid, and summing is a homomorphism: what windows, replicas and restores rest on."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from estimators.kernel import cell_rows
from estimators.moments import COUNTS, SUMS, Moments

seeded = settings(max_examples=200, deadline=None, derandomize=True)
# Sums are multiples of 1/8 below 2^40, so that every order of addition gives the same double.
dyadic = st.integers(-(2**40), 2**40).map(lambda n: n / 8)
maxima = st.one_of(st.floats(-10, 300), st.just(-np.inf))


@st.composite
def moments(draw):
    return Moments(
        np.array(draw(st.lists(dyadic, min_size=len(SUMS), max_size=len(SUMS)))),
        np.array(draw(st.lists(st.integers(0, 2**64 - 1), min_size=len(COUNTS), max_size=len(COUNTS))), np.uint64),
        np.array(draw(maxima)),
    )


def equal(left, right):
    return (
        np.array_equal(left.sums, right.sums)
        and np.array_equal(left.counts, right.counts)
        and np.array_equal(left.max_u, right.max_u)
    )


@seeded
@given(moments(), moments(), moments())
def test_merging_is_associative(a, b, c):
    assert equal(a.merge(b).merge(c), a.merge(b.merge(c)))


@seeded
@given(moments(), moments())
def test_merging_is_commutative(a, b):
    assert equal(a.merge(b), b.merge(a))


@seeded
@given(moments())
def test_the_empty_moments_are_the_identity(a):
    assert equal(a.merge(Moments.zero()), a)


@seeded
@given(st.lists(moments(), min_size=1, max_size=6))
def test_merging_along_an_axis_is_merging_one_by_one(many):
    stacked = Moments(*(np.stack([getattr(one, name) for one in many]) for name in ("sums", "counts", "max_u")))
    one_by_one = Moments.zero()
    for one in many:
        one_by_one = one_by_one.merge(one)
    assert equal(stacked.merged(), one_by_one)


@seeded
@given(st.lists(st.floats(-2, 2), max_size=20), st.lists(st.floats(-2, 2), max_size=20))
def test_moments_of_two_samples_together_are_the_merge_of_both(left, right):
    def of(ratios, first_offset):
        index = np.arange(len(ratios))
        rows = cell_rows(np.array(ratios, float), None, index, np.zeros_like(index), index + first_offset, 0)
        return rows.moments.merged()

    merged, together = of(left, 0).merge(of(right, len(left))), of(left + right, 0)
    assert np.array_equal(merged.counts, together.counts)
    assert merged.max_u == together.max_u
    terms = sum(np.abs(of([u], 0).sums) for u in left + right) if left + right else np.zeros(len(SUMS))
    assert np.all(np.abs(merged.sums - together.sums) <= 1e-12 * terms)

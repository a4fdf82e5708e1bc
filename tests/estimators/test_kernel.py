"""Rows of moments against a plain program in 40 digits, and against themselves cut another way."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimators.kernel import cell_rows
from estimators.moments import COUNT, Moments
from estimators.scratch import BLOCK

ratios = st.one_of(
    st.integers(-300, 300).map(lambda n: n / 997),
    st.integers(-300, 300).map(lambda n: n / 97),
    st.floats(1e-9, 1e-8),
    st.sampled_from([-math.inf, 0.0, 2.0, -2.0, 300.0, 301.0, 1e9, -50.0, -8000.0]),
)
cells = st.one_of(st.integers(0, 5), st.sampled_from([300, 255, 256, 65_535, 65_536, 2**40, 2**62]))


@st.composite
def logs(draw):
    """Messages [(cell, offset, [(u, weight)])]; half of the logs have one pair of weight 1 a message."""
    single = draw(st.booleans())
    weights = st.just(1.0) if draw(st.booleans()) or single else st.floats(0.01, 100)
    pairs = st.lists(st.tuples(ratios, weights), min_size=1, max_size=1 if single else 5)
    return draw(st.lists(st.tuples(cells, st.integers(0, 2**50), pairs), min_size=1, max_size=12))


def columns(messages):
    """Columns of a log; the weights are left out where all are 1."""
    lengths = np.array([len(pairs) for _, _, pairs in messages])
    u = np.array([u for _, _, pairs in messages for u, _ in pairs])
    weight = np.array([w for _, _, pairs in messages for _, w in pairs])
    return (
        u,
        None if (weight == 1).all() else weight,
        np.cumsum(lengths) - lengths,
        np.array([cell for cell, _, _ in messages]),
        np.array([offset for _, offset, _ in messages]),
    )


@settings(max_examples=250, deadline=None, derandomize=True)
@given(messages=logs(), partition=st.integers(0, 100))
def test_each_row_holds_what_a_plain_program_finds_in_its_cell(oracle, messages, partition):
    rows = cell_rows(*columns(messages), partition)
    assert rows.cell.tolist() == sorted({cell for cell, _, _ in messages})
    for row, cell in enumerate(rows.cell):
        mine = [(offset, pairs) for where, offset, pairs in messages if where == cell]
        ratios = [u for _, pairs in mine for u, _ in pairs]
        oracle.assert_sums(rows.moments.sums[row], [pairs for _, pairs in mine])
        assert rows.moments.max_u[row] == min(max(ratios), 300.0)
        assert rows.moments.counts[row].tolist() == [
            len(mine),
            len(ratios),
            ratios.count(-math.inf),
            sum(u > 300 for u in ratios),
            sum(offset for offset, _ in mine) % 2**64,
            sum(oracle.splitmix(partition, offset) & (2**48 - 1) for offset, _ in mine) % 2**64,
        ]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(messages=logs(), data=st.data())
def test_rows_of_two_batches_add_up_to_the_rows_of_one(oracle, messages, data):
    cut = data.draw(st.integers(0, len(messages)))
    whole = cell_rows(*columns(messages), 7)
    merged: dict[int, Moments] = {}
    for part in filter(None, (messages[:cut], messages[cut:])):
        rows = cell_rows(*columns(part), 7)
        for row, cell in enumerate(rows.cell.tolist()):
            merged[cell] = merged[cell].merge(rows.moments[row]) if cell in merged else rows.moments[row]
    assert sorted(merged) == whole.cell.tolist()
    for row, cell in enumerate(whole.cell.tolist()):
        assert np.array_equal(merged[cell].counts, whole.moments.counts[row])
        assert merged[cell].max_u == whole.moments.max_u[row]
        oracle.assert_sums(merged[cell].sums, [pairs for where, _, pairs in messages if where == cell])


def random_log(rng, lengths, sd=0.3):
    u = rng.normal(0, sd, int(lengths.sum()))
    return u, None, np.cumsum(lengths) - lengths, rng.integers(0, 5, lengths.size), np.arange(lengths.size)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "lengths",
    [
        np.array([3, 2 * BLOCK + 5, 1, 7]),
        np.array([BLOCK - 1, 2, BLOCK]),
        np.full(2 * BLOCK + 3, 1),
        np.full(BLOCK // 2 + 1, 3),
    ],
    ids=["longer than a block", "on the border", "many messages", "many of three"],
)
def test_a_message_is_one_cluster_wherever_the_blocks_are_cut(lengths, weighted):
    rng = np.random.default_rng(5)
    u, weight, first, cell, offset = random_log(rng, lengths)
    if weighted:
        weight = rng.uniform(0.5, 2, u.size)
    rows = cell_rows(u, weight, first, cell, offset, 1)
    w = np.ones_like(u) if weight is None else weight
    bounds = [*first, u.size]
    c = [math.fsum(w[a:b] * np.expm1(u[a:b])) for a, b in pairwise(bounds)]
    naive = [math.fsum(w[a:b] * u[a:b]) for a, b in pairwise(bounds)]
    for row, where in enumerate(rows.cell):
        mine = np.flatnonzero(cell == where)
        assert rows.moments.count_of("messages")[row] == mine.size
        assert rows.moments.count_of("pairs")[row] == lengths[mine].sum()
        for name, terms in (
            ("CC", [c[m] ** 2 for m in mine]),
            ("UU", [naive[m] ** 2 for m in mine]),
            ("C", [c[m] for m in mine]),
        ):
            size = math.fsum(np.abs(terms)) + math.sqrt(u.size)
            assert rows.moments.sum_of(name)[row] == pytest.approx(math.fsum(terms), rel=0, abs=1e-12 * size), name


def test_no_message_makes_no_row():
    none = np.empty(0, np.int64)
    rows = cell_rows(np.empty(0), None, none, none, none, 0)
    assert rows.cell.size == 0
    assert rows.moments.shape == (0,)


def test_the_kernel_leaves_its_input_alone():
    u, cell = np.array([400.0, -math.inf, 0.1]), np.zeros(3, np.int64)
    for first in (np.array([0, 1, 2]), np.array([0, 2])):
        cell_rows(u, None, first, cell[: first.size], first, 0)
    assert u.tolist() == [400.0, -math.inf, 0.1]


def test_a_doubled_record_shows_in_the_audit():
    one, cell = np.zeros(3), np.zeros(3, np.int64)
    seen = [
        cell_rows(one, None, np.arange(3), cell, np.array(offsets), 0).moments.counts[0]
        for offsets in ([5, 6, 7], [5, 5, 7], [6, 6, 6])
    ]
    assert len({tuple(counts.tolist()) for counts in seen}) == 3
    assert seen[0][COUNT["offset_sum"]] == seen[2][COUNT["offset_sum"]]

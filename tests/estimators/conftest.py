"""What several tests of the statistics need: reference values, the real log, and an oracle that shares no code."""

import csv
import gzip
import json
import math
from pathlib import Path
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest

from estimators.evaluation import estimate
from estimators.kernel import cell_rows
from estimators.moments import COUNT, SUM, Moments

ROOT = Path(__file__).resolve().parents[2]
MASK = (1 << 64) - 1


def _reference(name):
    return json.loads((ROOT / "tests" / "reference" / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def estimator_reference():
    """Per-pair values to 25 digits."""
    return _reference("estimator_reference")


@pytest.fixture(scope="session")
def gaussian_cases():
    """Closed forms of twelve pairs of normal distributions, by name."""
    return {case["name"]: case for case in _reference("gaussian_cases")["cases"]}


@pytest.fixture(scope="session")
def pipeline_golden():
    """Twelve messages in three panes, and every merged estimate to 20 digits."""
    return _reference("pipeline_golden")


@pytest.fixture(scope="session")
def real_log():
    """Campaign -> (log_p, log_q) of the shipped log of a recommender, in the order of the file."""
    with gzip.open(ROOT / "daemon" / "data" / "open_bandit_bts.csv.gz", "rt") as lines:
        rows = list(csv.DictReader(lines))
    return {
        campaign: tuple(
            np.log([float(row[column]) for row in rows if row["campaign"] == campaign])
            for column in ("uniform_probability", "propensity_score")
        )
        for campaign in ("all", "men")
    }


def splitmix(partition, offset):
    """Hash of a record in plain integers."""
    z = (((partition << 44) ^ offset) + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def _values(u):
    """C, kl_so, kl_os and u of one pair, in 40 digits."""
    if u == -math.inf:
        return mpmath.mpf(-1), mpmath.mpf(0), mpmath.mpf(1), mpmath.mpf(0)
    with mpmath.workdps(40):
        u = mpmath.mpf(min(u, 300.0))
        c = mpmath.expm1(u)
        return c, c - u, u * (c + 1) - c, u


def oracle_sums(messages):
    """Sums by name of messages [[(u, weight), ...], ...], each with the size of its terms: {name: (sum, size)}."""
    totals = {name: [mpmath.mpf(0), mpmath.mpf(0)] for name in SUM}

    def add(name, term, size=None):
        totals[name][0] += term
        totals[name][1] += abs(term) if size is None else size

    with mpmath.workdps(40):
        for pairs in messages:
            whole = dict.fromkeys(("W", "C", "SF", "OF", "U"), mpmath.mpf(0))
            sizes = dict(whole)
            for u, weight in pairs:
                w = mpmath.mpf(weight)
                c, so, os, plain = _values(u)
                for name, value in (("W", 1), ("C", c), ("SF", so), ("OF", os), ("U", plain)):
                    whole[name] += w * value
                    sizes[name] += abs(w * value)
                add("W2", w * w)
                add("W2C", w * w * c)
                add("W2CC", w * w * c * c)
                add("K2", w * plain * plain / 2)
                add("WZ", w if u == -math.inf else 0)
            for name in whole:
                add(name, whole[name], sizes[name])
            for name, left, right in PRODUCTS:
                add(name, whole[left] * whole[right], sizes[left] * sizes[right])
    return totals


PRODUCTS = [
    *(("WW", "W", "W"), ("WC", "W", "C"), ("CC", "C", "C"), ("UU", "U", "U"), ("UW", "U", "W")),
    *((f"{side}F{letter}", f"{side}F", name) for side in "SO" for letter, name in (("W", "W"), ("C", "C"))),
    *((f"{side}FF", f"{side}F", f"{side}F") for side in "SO"),
]


def _assert_sums(actual, messages, tolerance=1e-12):
    """Assert that each column agrees to 1e-12 of the size of its terms."""
    for name, (value, size) in oracle_sums(messages).items():
        assert abs(float(actual[SUM[name]]) - value) <= tolerance * size, name


def _panes_of(u, *, panes=1, weight=None, lengths=None, pane=None):
    """Moments [panes, 1] of messages of the given lengths (1) in panes of equal numbers of messages, or as given."""
    lengths = np.ones(len(u), np.int64) if lengths is None else np.asarray(lengths)
    first_pair = np.cumsum(lengths) - lengths
    if pane is None:
        pane = np.arange(lengths.size) * panes // lengths.size
    rows = cell_rows(np.asarray(u, float), weight, first_pair, np.asarray(pane), np.arange(lengths.size), 0)
    moments = Moments.zero(panes, 1)
    moments.sums[rows.cell, 0] = rows.moments.sums
    moments.counts[rows.cell, 0] = rows.moments.counts
    moments.max_u[rows.cell, 0] = rows.moments.max_u
    return moments


def _estimate_of(u, *, first=0, sampled_from="q", resolution=1e-13, min_messages=1, panes=1, **kinds):
    """Estimates of one series."""
    return estimate(
        _panes_of(u, panes=panes, **kinds),
        first=first,
        panes_per_window=panes - first,
        sampled_from=sampled_from,
        resolution=resolution,
        min_messages=min_messages,
    )


@pytest.fixture(scope="session")
def oracle():
    """Plain programs to hold the arrays against."""
    return SimpleNamespace(
        sums=oracle_sums,
        assert_sums=_assert_sums,
        splitmix=splitmix,
        count=COUNT,
        panes_of=_panes_of,
        estimate_of=_estimate_of,
    )

"""Every column of `estimate` against a second program: lists, loops and the formulas as they are written down."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimators.estimates import ESTIMATORS

T_QUANTILE = {3: 4.302652729749, 10: 2.262157162799, 24: 2.068657610419, 60: 2.000995378089}


def plain_messages(pane):
    """(W, C, F of S, F of O, sum w u) of each message [(u, w), ...]."""
    for pairs in pane:
        yield tuple(
            math.fsum(w * value(u) for u, w in pairs)
            for value in (
                lambda _: 1.0,
                math.expm1,
                lambda u: math.expm1(u) - u,
                lambda u: u * math.exp(u) - math.expm1(u),
                lambda u: u,
            )
        )


def slope(messages, side):
    """(-Sfc / Scc) over messages with weights of their own."""
    total, c = (math.fsum(m[0] * m[5] for m in messages), math.fsum(m[1] * m[5] for m in messages))
    f = math.fsum(m[side] * m[5] for m in messages)
    sfc = math.fsum(m[5] * (m[side] - f / total * m[0]) * (m[1] - c / total * m[0]) for m in messages)
    scc = math.fsum(m[5] * (m[1] - c / total * m[0]) ** 2 for m in messages)
    return -sfc / scc if scc else 0.0


def heavy(maxima):
    ranked = sorted(maxima, reverse=True)
    m = min(12, len(ranked) // 2)
    return m >= 3 and sum(ranked[:m]) / m - ranked[m] >= 0.5


def plain_estimate(panes, first, k):
    """{(side, estimator): (value, error)}, and lambda, pane error and guarded panes per side."""
    sums = [list(plain_messages(pane)) for pane in panes]
    window = [m for pane in sums[first:] for m in pane]
    weight, count = math.fsum(m[0] for m in window), len(window)

    def result(rows, lost=1):
        """Value and error from rows of (Y, W)."""
        value = math.fsum(y for y, _ in rows) / weight
        square = math.fsum((y - value * w) ** 2 for y, w in rows)
        return value, math.sqrt(count / (count - lost) * square) / weight

    found, extra = {}, {}
    for side, column, naive, limit in (("S", 2, -1.0, 1.0), ("O", 3, 1.0, 2.0)):
        fitted = slope([(*m, 1.0) for m in window], column)
        for name, delta, lost in (("naive", naive, 1), ("fixed", 0.0, 1), ("fitted", fitted, 2)):
            found[side, name] = result([(m[column] + delta * m[1], m[0]) for m in window], lost)
        rows, per_pane, guarded, delta = [], [], 0, 0.0
        for t in range(first, len(panes)):
            past = [(*m, 2.0 ** (-(t - 1 - s) / k)) for s in range(t) for m in sums[s]]
            messages = math.fsum(m[5] for m in past)
            delta = 0.0
            if messages >= 2:
                delta = slope(past, column) * messages / (messages + 100)
                delta = min(max(delta, -limit), limit)
            if side == "S" and heavy([max(u for p in pane for u, _ in p) for pane in panes[:t] if pane]):
                delta, guarded = -1.0, guarded + 1
            mine = [(m[column] + delta * m[1], m[0]) for m in sums[t]]
            rows += mine
            if mine:
                per_pane.append((math.fsum(y for y, _ in mine), math.fsum(w for _, w in mine)))
        found[side, "adaptive"] = result(rows)
        value, n = found[side, "adaptive"][0], len(per_pane)
        spread = math.fsum((y - value * w) ** 2 for y, w in per_pane)
        extra[side] = SideExtra(
            (1.0 if side == "S" else -1.0) + delta,
            math.sqrt(n / (n - 1) * spread) / weight if n >= 8 else math.nan,
            guarded,
        )
    return found, extra


class SideExtra:
    def __init__(self, coefficient, pane_error, guarded):
        self.coefficient, self.pane_error, self.guarded = coefficient, pane_error, guarded


@st.composite
def windows(draw):
    """Panes of messages; light and heavy traffic, empty panes, weights or none."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count, first = draw(st.integers(1, 26)), draw(st.integers(0, 8))
    mean, sd = draw(st.sampled_from([(-0.02, 0.2), (0.3, 0.6), (-0.5, 1.0), (-2.0, 2.0)]))
    weighted = draw(st.booleans())
    panes = [
        [
            [(rng.normal(mean, sd), rng.exponential() if weighted else 1.0) for _ in range(rng.integers(1, 4))]
            for _ in range(rng.poisson(draw(st.sampled_from([0, 1, 3]))))
        ]
        for _ in range(first + count)
    ]
    panes[-1] += [[(rng.normal(mean, sd), 1.0)] for _ in range(3)]
    return panes, first


def run(oracle, panes, first):
    messages = [(index, pairs) for index, pane in enumerate(panes) for pairs in pane]
    return oracle.estimate_of(
        [u for _, pairs in messages for u, _ in pairs],
        weight=np.array([w for _, pairs in messages for _, w in pairs]),
        lengths=[len(pairs) for _, pairs in messages],
        pane=[index for index, _ in messages],
        panes=len(panes),
        first=first,
    )


def assert_equal(estimates, panes, first):
    found, extra = plain_estimate(panes, first, len(panes) - first)
    for side, direction in (("S", estimates.reverse), ("O", estimates.forward)):
        for estimator in ESTIMATORS:
            value, error = found[side, estimator]
            columns = direction.of(estimator)
            scale = abs(value) + 1e-9
            assert columns.value[0] == pytest.approx(value, rel=1e-8, abs=1e-9), (side, estimator)
            assert columns.standard_error[0] == pytest.approx(error, rel=1e-6, abs=1e-7 * scale), (side, estimator)
        assert direction.control_variate_lambda[0] == pytest.approx(extra[side].coefficient, rel=1e-8, abs=1e-9)
        assert direction.pane_standard_error[0] == pytest.approx(
            extra[side].pane_error, rel=1e-7, abs=1e-12, nan_ok=True
        )
    return extra


@settings(max_examples=150, deadline=None, derandomize=True)
@given(windows())
def test_every_estimate_is_what_the_formulas_say(oracle, window):
    panes, first = window
    assert_equal(run(oracle, panes, first), panes, first)


def test_the_tail_guard_acts_on_heavy_traffic_and_not_on_light(oracle):
    rng = np.random.default_rng(8)
    for sd, mean, acts in ((2.5, -2.0, True), (0.05, 0.0, False)):
        panes = [[[(u, 1.0)] for u in rng.normal(mean, sd, 5)] for _ in range(30)]
        estimates = run(oracle, panes, 10)
        extra = assert_equal(estimates, panes, 10)
        assert (extra["S"].guarded > 0) == acts
        assert (estimates.reverse.control_variate_lambda[0] == 0) == acts


def test_a_pane_is_never_corrected_by_what_it_holds_itself(oracle):
    panes = [[[(u, 1.0)] for u in np.random.default_rng(pane).normal(0, 0.5, 6)] for pane in range(12)]
    before = run(oracle, panes, 0).reverse.control_variate_lambda[0]
    panes[-1] = [[(3.0, 1.0)], [(-4.0, 1.0)]]
    assert run(oracle, panes, 0).reverse.control_variate_lambda[0] == before
    panes[-2] = panes[-1]
    assert run(oracle, panes, 0).reverse.control_variate_lambda[0] != before


@pytest.mark.parametrize(("messages", "quantile"), T_QUANTILE.items())
def test_the_interval_is_log_t_but_for_sampler_side_naive(oracle, messages, quantile):
    u = np.random.default_rng(messages).normal(-0.02, 0.2, messages)
    estimates = oracle.estimate_of(u)
    for direction in ("reverse", "forward"):
        for estimator in ESTIMATORS:
            columns = estimates.of(direction).of(estimator)
            value, error = columns.value[0], columns.standard_error[0]
            if (direction == "reverse" and estimator == "naive") or value <= 0:
                expected = value - quantile * error, value + quantile * error
            else:
                expected = value * math.exp(-quantile * error / value), value * math.exp(quantile * error / value)
            assert (columns.lower[0], columns.upper[0]) == pytest.approx(expected, rel=1e-6)

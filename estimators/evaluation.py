"""Panes of moments to estimates: one window, many series at once."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from estimators.control_variates import (
    FIXED_LAMBDA,
    NAIVE_DELTA,
    Corrected,
    Side,
    TailGuard,
    adaptive_delta,
    corrected,
    optimal_delta,
)
from estimators.estimates import Columns, DirectionEstimates, Estimates, Sampler
from estimators.intervals import log_interval, plain_interval
from estimators.moments import SUM, SUMS, Moments
from estimators.pairs import Floats, Ints
from estimators.ratios import ROUNDING, centred_square, standard_error
from estimators.selfcheck import verdict

_SIDES: Final[tuple[Side, ...]] = ("S", "O")
#: Panes with a message that a between-pane error needs.
_PANES_MIN: Final = 8
#: A fitted value of this part of its terms is rounding, not an estimate.
_FIT_CANCELS: Final = 1e-12


def estimate(
    panes: Moments,
    *,
    first: int,
    panes_per_window: int | Ints,
    sampled_from: Sampler,
    resolution: float,
    min_messages: int,
) -> Estimates:
    """Estimate both divergences of a window, with their errors and the self-check.

    Parameters
    ----------
    panes : Moments [panes, series]
        In order of event time; the last one is the open pane.
    first : int
        Panes before it are history: adaptive learns from them, nothing else uses them.
    panes_per_window : int, or int64 [series]
        K: the history's weight halves over this many panes.
    sampled_from : "q" or "p"
    resolution : float
        Of the log, from `resolution_of`.
    min_messages : int
        A series with fewer messages in the window has its counts only; the rest is NaN.

    Returns
    -------
    Estimates
        A standard error needs 2 messages, that of fitted 3. With 3 messages or more no value, error or interval of
        finite input is NaN, but: where a pair has O(x) = 0 the sampler-side values are +inf and their errors and
        intervals absent. Ratios of two quantities (z, effective sample ratio, variance ratios) are NaN where the
        lower one is 0.

    Notes
    -----
    DESIGN.md, section 4. Cost: about 0.2 microseconds a pane and series.
    """
    total = panes[first:].merged()
    sums = np.moveaxis(total.sums, -1, 0)
    messages = total.count_of("messages").astype(np.float64)
    with np.errstate(all="ignore"):
        shown = (messages >= max(min_messages, 1)) & (sums[SUM["W"]] > 0)
        window = _Window(sums, messages, shown, total.count_of("zero_other") > 0)
        learnt = _learn(panes, first, panes_per_window)
        sampler_side = _direction(window, learnt["S"], "S")
        other_side = _direction(window, learnt["O"], "O")
        deviation = sums[SUM["C"]] / sums[SUM["W"]]
        error = _error(window, Corrected(sums[SUM["C"]], sums[SUM["CC"]], sums[SUM["WC"]]))
        comparable = verdict(deviation, error, sums[SUM["SF"]] / sums[SUM["W"]], resolution, messages)
        return Estimates(
            total=total,
            blocks=np.count_nonzero(panes[first:].count_of("messages"), axis=0).astype(np.float64),
            ratio_mean=window.show(1 + deviation),
            ratio_zscore=window.show(deviation / np.where(error > 0, error, np.nan)),
            support_gap=window.show(-deviation),
            comparable=window.show(comparable),
            infinite=window.infinite.astype(np.float64),
            effective_sample_ratio=window.show(_effective_sample_ratio(sums, total.count_of("pairs"))),
            reverse=sampler_side if sampled_from == "q" else other_side,
            forward=other_side if sampled_from == "q" else sampler_side,
        )


@dataclass(frozen=True, slots=True)
class _Window:
    """The merged window, and what may be shown of it."""

    sums: Floats  # [len(SUMS), series]
    messages: Floats
    shown: NDArray[np.bool_]
    infinite: NDArray[np.bool_]

    def show(self, column: Floats) -> Floats:
        """Withhold the series with too few messages."""
        return np.where(self.shown, column, np.nan)

    def show_finite(self, column: Floats, side: Side) -> Floats:
        """Withhold also what an infinite divergence does not have."""
        column = self.show(column)
        return np.where(self.infinite, np.nan, column) if side == "S" else column

    def show_value(self, column: Floats, side: Side) -> Floats:
        """Show an infinite divergence as such."""
        return self.show(np.where(self.infinite, np.inf, column) if side == "S" else column)


@dataclass(frozen=True, slots=True)
class _Learnt:
    """Adaptive sums of one side over the window, each pane with its own delta."""

    corrected: Corrected
    pane_y: Floats  # [panes, series]
    pane_weight: Floats
    last_delta: Floats


def _learn(panes: Moments, first: int, panes_per_window: int | Ints) -> dict[Side, _Learnt]:
    """Walk through the panes in order; each is corrected by what the earlier ones taught, never by itself."""
    count, series = panes.shape
    keep = 2.0 ** (-1.0 / np.broadcast_to(panes_per_window, series))
    history, history_messages = np.zeros((len(SUMS), series)), np.zeros(series)
    messages = panes.count_of("messages").astype(np.float64)
    guard = TailGuard(series)
    weight = panes.sum_of("W")[first:]
    parts: dict[Side, Floats] = {side: np.zeros((3, count - first, series)) for side in _SIDES}
    delta: dict[Side, Floats] = {side: np.zeros(series) for side in _SIDES}
    for pane in range(count):
        sums = np.ascontiguousarray(panes.sums[pane].T)
        if pane >= first:
            heavy = guard.heavy()
            for side in _SIDES:
                delta[side] = adaptive_delta(history, history_messages, side, heavy)
                part = corrected(sums, delta[side], side)
                parts[side][:, pane - first] = part.y, part.yy, part.yw
        history *= keep
        history += sums
        history_messages = history_messages * keep + messages[pane]
        guard.observe(panes.max_u[pane])
    return {side: _Learnt(Corrected(*parts[side].sum(axis=1)), parts[side][0], weight, delta[side]) for side in _SIDES}


def _direction(window: _Window, learnt: _Learnt, side: Side) -> DirectionEstimates:
    """Every estimator of one side."""
    sums = window.sums
    weight = sums[SUM["W"]]
    zero = np.zeros_like(weight)
    naive = corrected(sums, zero + NAIVE_DELTA[side], side)
    fixed = corrected(sums, zero, side)
    fitted = corrected(sums, _fitted_delta(sums, side), side)
    errors = {
        name: _error(window, part, fitted=2 if name == "fitted" else 1)
        for name, part in (("naive", naive), ("fixed", fixed), ("fitted", fitted), ("adaptive", learnt.corrected))
    }
    adaptive_error = np.where(errors["adaptive"] > 0, errors["adaptive"], np.nan)
    return DirectionEstimates(
        naive=_columns(window, naive, errors["naive"], side, plain=side == "S"),
        fixed=_columns(window, fixed, errors["fixed"], side),
        fitted=_columns(window, fitted, errors["fitted"], side),
        adaptive=_columns(window, learnt.corrected, errors["adaptive"], side),
        k2=window.show_value(sums[SUM["K2"]] / weight, side) if side == "S" else np.full(weight.shape, np.nan),
        control_variate_lambda=window.show(FIXED_LAMBDA[side] + learnt.last_delta),
        pane_standard_error=window.show_finite(_pane_error(learnt, weight), side),
        variance_ratio_naive=window.show_finite((errors["naive"] / adaptive_error) ** 2, side),
        variance_ratio_fixed=window.show_finite((errors["fixed"] / adaptive_error) ** 2, side),
        adaptive_sums=np.stack([learnt.corrected.y, learnt.corrected.yy, learnt.corrected.yw], axis=-1),
    )


def _fitted_delta(sums: Floats, side: Side) -> Floats:
    """Coefficient from the window itself.

    One huge r can be fitted away so well that only rounding is left of the value: then the side's value with the
    lighter tail, naive for the sampler's side and fixed for the other, is the fit.
    """
    delta = optimal_delta(sums, side)
    f, c = sums[SUM[f"{side}F"]], delta * sums[SUM["C"]]
    lighter = NAIVE_DELTA["S"] if side == "S" else 0.0
    return np.where(np.abs(f + c) < _FIT_CANCELS * (np.abs(f) + np.abs(c)), lighter, delta)


def _error(window: _Window, part: Corrected, fitted: int = 1) -> Floats:
    """Cluster-robust standard error of a ratio of sums."""
    weight, ww = window.sums[SUM["W"]], window.sums[SUM["WW"]]
    return standard_error(centred_square(part.yy, part.yw, ww, part.y / weight), weight, window.messages, fitted)


def _columns(window: _Window, part: Corrected, error: Floats, side: Side, *, plain: bool = False) -> Columns:
    """Value, error and interval; the log form covers worse where a value may as well be negative."""
    value = part.y / window.sums[SUM["W"]]
    lower, upper = (plain_interval if plain else log_interval)(value, error, window.messages)
    return Columns(
        value=window.show_value(value, side),
        standard_error=window.show_finite(error, side),
        lower=window.show_finite(lower, side),
        upper=window.show_finite(upper, side),
    )


def _pane_error(learnt: _Learnt, weight: Floats) -> Floats:
    """Between-pane standard error of adaptive: it also holds what the messages of one pane share."""
    residual = learnt.pane_y - learnt.corrected.y / weight * learnt.pane_weight
    panes = np.count_nonzero(learnt.pane_weight, axis=0).astype(np.float64)
    error = standard_error(np.sum(residual**2, axis=0), weight, panes)
    return np.where(panes >= _PANES_MIN, error, np.nan)


def _effective_sample_ratio(sums: Floats, pairs: NDArray[np.uint64]) -> Floats:
    """Kish's effective sample size of the importance weights w r over the pairs: 1 where all are equal."""
    terms = sums[SUM["W2"]], 2 * sums[SUM["W2C"]], sums[SUM["W2CC"]]
    square = np.sum(terms, axis=0)
    known = square > ROUNDING * np.sum(np.abs(terms), axis=0)
    ratio: Floats = (sums[SUM["W"]] + sums[SUM["C"]]) ** 2 / np.where(known, square, np.nan) / pairs
    return ratio

"""A second program that recomputes any window from the raw records: plain Python, math.fsum, no code of the daemon.

Two code paths can't share a bug. It follows DESIGN.md sections 4 and 5, from the records' own text.
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Message:
    """One accepted message: where it stands in the log, when it happened, and its pairs (u, weight)."""

    partition: int
    offset: int
    key: tuple
    event_us: int
    pairs: tuple

    @property
    def sums(self):
        """W, C, F of the sampler side, F of the other side, for the message as one cluster."""
        w = math.fsum(weight for _, weight in self.pairs)
        c = math.fsum(weight * math.expm1(u) for u, weight in self.pairs)
        sampler = math.fsum(weight * (math.expm1(u) - u) for u, weight in self.pairs)
        other = math.fsum(weight * (u * math.exp(u) - math.expm1(u)) for u, weight in self.pairs)
        return w, c, sampler, other


@dataclass(frozen=True)
class Ring:
    """A window's geometry: length, panes a window, burn-in, and what retains panes longer (skew and delay)."""

    length_us: int
    panes: int = 30
    burn_in: int = 15
    max_skew_us: int = 60_000_000
    delay_us: int = 0

    def pane(self, time_us):
        """Index of the pane that holds a time."""
        return time_us * self.panes // self.length_us

    @property
    def retained(self):
        """Panes that a ring keeps."""
        return (
            self.panes
            + self.burn_in
            + math.ceil(Fraction((self.max_skew_us + self.delay_us) * self.panes, self.length_us))
        )

    def open_pane(self, end_seconds):
        """Index of the newest pane of the window that ends (exclusive) at the exported time."""
        return round(Fraction(end_seconds) * 1_000_000 * self.panes / self.length_us) - 1


def moments(rows):
    """Return the first and second moments of clusters (W, C, F): each sum on its own, exactly rounded."""
    w, c, f = zip(*rows, strict=True)
    product = lambda a, b: math.fsum(x * y for x, y in zip(a, b, strict=True))  # noqa: E731
    return {
        "G": len(rows), "W": math.fsum(w), "C": math.fsum(c), "F": math.fsum(f),
        "WW": product(w, w), "WC": product(w, c), "CC": product(c, c),
        "FF": product(f, f), "FW": product(f, w), "FC": product(f, c),
    }  # fmt: skip


def centred(m):
    """Centred second moments Sff, Sfc, Scc with the means of F and C."""
    mu, cbar = m["F"] / m["W"], m["C"] / m["W"]
    sff = m["FF"] - 2 * mu * m["FW"] + mu * mu * m["WW"]
    scc = m["CC"] - 2 * cbar * m["WC"] + cbar * cbar * m["WW"]
    sfc = m["FC"] - mu * m["WC"] - cbar * m["FW"] + mu * cbar * m["WW"]
    return mu, cbar, sff, sfc, scc


def _root(g, lost, squares):
    """Root of the corrected sum of squares; NaN where so few clusters tell no error."""
    return math.sqrt(g / (g - lost) * max(0.0, squares)) if g > lost else math.nan


def closed_form(rows):
    """Naive, fixed, fitted and ratio mean of clusters (W, C, F sampler side), with the errors of fixed and fitted."""
    m = moments(rows)
    mu, cbar, sff, sfc, scc = centred(m)
    g = m["G"]
    delta = -sfc / scc if scc else 0.0
    spread = max(0.0, sff + 2 * delta * sfc + delta * delta * scc)
    return {
        "messages": g, "weight": m["W"], "ratio_mean": 1 + cbar,
        "naive": mu - cbar, "fixed": mu, "fitted": mu + delta * cbar,
        "fixed_se": _root(g, 1, sff) / m["W"],
        "fitted_se": _root(g, 2, spread) / m["W"],
    }  # fmt: skip


def adaptive(panes, first, half_life):
    """The adaptive estimate of the sampler side from the rows of each pane; those before `first` are history only."""
    names = ("G", "W", "C", "F", "WW", "WC", "CC", "FF", "FW", "FC")
    history = dict.fromkeys(names, 0.0)
    maxima, total, y, yy, yw = [], [], 0.0, 0.0, 0.0
    for index, rows in enumerate(panes):
        delta = _delta(history)
        seen = sorted((value for value in maxima if value > -math.inf), reverse=True)
        m = min(12, len(seen) // 2)
        if m >= 3 and math.fsum(seen[:m]) / m - seen[m] >= 0.5:
            delta = -1.0
        now = moments([row[:3] for row in rows]) if rows else dict.fromkeys(names, 0.0)
        if index >= first and rows:
            y += now["F"] + delta * now["C"]
            yy += now["FF"] + 2 * delta * now["FC"] + delta * delta * now["CC"]
            yw += now["FW"] + delta * now["WC"]
            total += [row[:3] for row in rows]
        history = {name: history[name] * 2 ** (-1 / half_life) + now[name] for name in names}
        if rows:
            maxima.append(max(row[3] for row in rows))
    whole = moments(total)
    g, value = whole["G"], y / whole["W"]
    error = _root(g, 1, yy - 2 * value * yw + value * value * whole["WW"]) / whole["W"]
    return value, error


def _delta(history):
    if history["G"] < 2 or not history["W"]:
        return 0.0
    _, _, _, sfc, scc = centred(history)
    if scc <= 0:
        return 0.0
    return min(1.0, max(-1.0, -sfc / scc * history["G"] / (history["G"] + 100)))


def window(messages, ring, end_seconds):
    """Per series, what the window that ends at `end_seconds` must show; adaptive too, from the panes still retained."""
    newest = ring.open_pane(end_seconds)
    clocks = defaultdict(int)
    for message in messages:
        clocks[message.partition] = max(clocks[message.partition], message.event_us)
    inside, panes = defaultdict(list), defaultdict(lambda: defaultdict(list))
    for message in messages:
        pane = ring.pane(message.event_us)
        if pane > newest or pane <= ring.pane(clocks[message.partition]) - ring.retained:
            continue
        w, c, sampler, _ = message.sums
        panes[message.key][pane].append((w, c, sampler, max(u for u, _ in message.pairs)))
        if pane > newest - ring.panes:
            inside[message.key].append((w, c, sampler))
    oldest = newest - ring.retained - ring.panes
    expected = {}
    for key, rows in inside.items():
        expected[key] = closed_form(rows)
        run = [panes[key].get(index, []) for index in range(oldest, newest + 1)]
        first = len(run) - ring.panes
        expected[key]["adaptive"], expected[key]["adaptive_se"] = adaptive(run, first, ring.panes)
    return expected

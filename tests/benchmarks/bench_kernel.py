"""The kernel as a ratio to np.expm1 on the same block, so that the number means the same on any machine.

    python tests/benchmarks/bench_kernel.py

The law (DESIGN.md, section 9): at most 14 on 16,384 one-pair messages of 100 series. All rows are timed in turn, again
and again, and the smallest time of each is kept: load of the machine only adds.
"""

import sys
from time import perf_counter_ns

import numpy as np

from estimators.kernel import cell_rows
from estimators.validation import Rules, validate

PAIRS = 16_384
SERIES = 100
REPEATS = 400
LAW = 14.0


def cases():
    """Yield name and call; every call works on PAIRS pairs."""
    rng = np.random.default_rng(20_240_607)
    one = np.arange(PAIRS)
    for sigma in (0.02, 0.1, 1.0):
        u = rng.normal(-sigma * sigma / 2, sigma, PAIRS)
        cell = rng.integers(0, SERIES, PAIRS)
        offset = one + 1_000_000_000
        yield f"np.expm1, log ratio sd {sigma}", lambda u=u: np.expm1(u)
        yield f"kernel, 1 pair a message, sd {sigma}", lambda u=u, c=cell, o=offset: cell_rows(u, None, one, c, o, 3)
    u = rng.normal(-0.005, 0.1, PAIRS)
    weight = rng.exponential(1.0, PAIRS)
    yield "kernel, 1 pair, one series", lambda: cell_rows(u, None, one, np.zeros_like(one), one, 3)
    yield "kernel, 1 weighted pair", lambda: cell_rows(u, weight, one, cell, one, 3)
    for length in (8, 64, 512):
        first = one[::length]
        where = rng.integers(0, SERIES, first.size)
        yield (
            f"kernel, {length} pairs a message",
            lambda first=first, where=where: cell_rows(u, None, first, where, first, 3),
        )
    log_q = -rng.exponential(3.0, PAIRS)
    log_p = np.minimum(log_q + u, 0.0)
    yield "validation, nothing wrong", lambda: validate(log_p, log_q, None, one, Rules())
    broken = np.where(rng.random(PAIRS) < 0.01, np.nan, log_p)
    yield "validation, 1 % rejected", lambda: validate(broken, log_q, None, one, Rules())


def measure():
    """Return the smallest time of each case, in ns a pair."""
    calls = list(cases())
    best = {name: float("inf") for name, _ in calls}
    for _ in range(REPEATS):
        for name, call in calls:
            begun = perf_counter_ns()
            call()
            best[name] = min(best[name], (perf_counter_ns() - begun) / PAIRS)
    return best


def main():
    """Print the table; exit with 1 if the law is broken."""
    best = measure()
    unit = best["np.expm1, log ratio sd 0.1"]
    print(f"{PAIRS:,} pairs a call, {SERIES} series; smallest of {REPEATS} interleaved repeats\n")
    print(f"{'':<38}{'ns a pair':>10}{'x expm1':>9}")
    for name, nanoseconds in best.items():
        print(f"{name:<38}{nanoseconds:>10.2f}{nanoseconds / unit:>9.2f}")
    ratio = best["kernel, 1 pair a message, sd 0.1"] / unit
    print(f"\nlaw: 1 pair a message, sd 0.1: {ratio:.1f} x expm1, at most {LAW:g}")
    return int(ratio > LAW)


if __name__ == "__main__":
    sys.exit(main())

"""Coefficients of the series behind `pair_values`, derived in exact rationals when the module is imported."""

from fractions import Fraction
from math import comb, factorial

_TERMS = 20


def _bernoulli_series() -> list[Fraction]:
    """Coefficients of Q(t) = sum_k B_(2k+2) / (2k+2)! t^k, B the Bernoulli numbers; it converges for t < 4 pi^2."""
    bernoulli = [Fraction(1)]
    for m in range(1, 2 * _TERMS + 1):
        bernoulli.append(-sum((comb(m + 1, k) * b for k, b in enumerate(bernoulli)), Fraction(0)) / (m + 1))
    return [bernoulli[k] / factorial(k) for k in range(2, 2 * _TERMS + 1, 2)]


def _shifted_chebyshev(terms: int) -> list[list[Fraction]]:
    """Coefficients of T_n(2 x - 1) for n below `terms`: they stay within [-1, 1] for x in [0, 1]."""
    polynomials = [[Fraction(1)], [Fraction(-1), Fraction(2)]]
    while len(polynomials) < terms:
        last, before = polynomials[-1], [*polynomials[-2], Fraction(0), Fraction(0)]
        grown = [4 * up - 2 * here for up, here in zip([Fraction(0), *last], [*last, Fraction(0)], strict=True)]
        polynomials.append([a - b for a, b in zip(grown, before, strict=True)])
    return polynomials


def economised_bernoulli(largest_u: float, degree: int) -> tuple[float, ...]:
    """Coefficients of Q, lowest first, near-minimax for t in [0, largest_u^2].

    Chebyshev economisation: a leading term of the Taylor polynomial is replaced by what is left of it after a
    multiple of T_n, which never exceeds that multiple, is taken away (C. Lanczos, "Applied Analysis", 1956, chapter 7).
    """
    width = Fraction(largest_u) ** 2
    chebyshev = _shifted_chebyshev(_TERMS)
    scaled = [a * width**k for k, a in enumerate(_bernoulli_series())]
    for n in range(_TERMS - 1, degree, -1):
        share = scaled[n] / chebyshev[n][n]
        scaled = [a - share * b for a, b in zip(scaled[:n], chebyshev[n], strict=False)]
    return tuple(float(a / width**k) for k, a in enumerate(scaled))

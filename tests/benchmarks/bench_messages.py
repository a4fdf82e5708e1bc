"""How many messages a divergence takes to be known to 10 %, with 95 %, by each estimator. Nothing is measured here.

    python -m tests.benchmarks messages

A mean of N values is within 10 % of the truth with 95 % where 1.96 cv / sqrt(N) = 0.1, cv being the standard deviation
of one value over the divergence. Here cv is exact: 64 contexts of a vocabulary of 32,000, drawn once from a seed, each
with the full distribution of both models, so that the moments of a pair's value are sums and no simulation. A pair's
context is any of the 64, so its variance holds what differs between contexts.

A message of n tokens tells as much as n / (1 + (n - 1) rho) tokens of messages of their own, rho being the correlation
of two tokens' values within a message (Kish, Survey Sampling, 1965, section 5.4).
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

VOCABULARY = 32_000
CONTEXTS = 64
SEED = 20
PRECISION, QUANTILE = 0.1, 1.959963984540054
TOKENS, CORRELATION = 500, 0.05


@dataclass(frozen=True)
class Figures:
    """What one pair's value comes to: the divergence in nats, and the cv of each estimator of KL(sampler || other)."""

    kl: float
    naive: float
    fixed: float
    adaptive: float  # with the best lambda, which the learned one comes close to
    best_lambda: float


def bf16(logits):
    """Logits rounded to bfloat16."""
    bits = np.asarray(logits, np.float32).view(np.uint32)
    return ((bits + 0x8000) & 0xFFFF0000).astype(np.uint32).view(np.float32).astype(np.float64)


def noise(logits, context, size=0.1):
    """Add normal noise to the logits."""
    return logits + size * np.random.default_rng([SEED, 2, context]).standard_normal(VOCABULARY)


def quantised(median):
    """Noise of a size of its own in each context, so that their divergences are lognormal around `median` nats.

    A log-sd of 1.8 is what tables of 4-bit checkpoints show (median 0.006, mean 0.03, 95th percentile 0.12).
    """

    def perturb(logits, context):
        # The middles of equal parts of the normal distribution, so that few contexts tell of its tail.
        part = np.random.default_rng(SEED).permutation(CONTEXTS)[context]
        wanted = median * np.exp(1.8 * NormalDist().inv_cdf((part + 0.5) / CONTEXTS))
        size, sampler = np.sqrt(wanted), log_softmax(logits)
        for _ in range(8):  # the divergence grows about with the square of the size
            found = np.exp(sampler) @ (sampler - log_softmax(noise(logits, context, size)))
            size *= np.sqrt(wanted / found)
        return noise(logits, context, size)

    return perturb


SITUATIONS = {
    "symmetric noise on the logits, 0.1": noise,
    "logits rounded to bf16": lambda logits, _: bf16(logits - logits.max()),
    "realistic quantisation, size of a backend mismatch": quantised(4e-5),
    "the same, size of 4-bit weights": quantised(0.007),
    "temperature 1.2": lambda logits, _: logits / 1.2,
}


def contexts(situation):
    """Yield the sampler's and the other's log-probabilities [VOCABULARY] of each context, flat to sharply peaked."""
    for context, spread in enumerate(np.linspace(3.0, 10.0, CONTEXTS)):
        logits = spread * np.random.default_rng([SEED, 1, context]).standard_normal(VOCABULARY)
        yield log_softmax(logits), log_softmax(SITUATIONS[situation](logits, context))


def figures(situation):
    """Sum the moments of a pair's values over every outcome of every context."""
    rows = []
    for sampler, other in contexts(situation):
        u = other - sampler
        c = np.expm1(u)
        rows.append(np.exp(sampler) @ np.stack([c - u, -u, (c - u) ** 2, u * u, (c - u) * c, c * c, c], axis=1))
    fixed, naive, fixed_square, naive_square, product, c_square, c_mean = np.mean(rows, axis=0)
    variance, covariance, c_variance = fixed_square - fixed**2, product - fixed * c_mean, c_square - c_mean**2
    return Figures(
        kl=fixed,
        naive=np.sqrt(naive_square - naive**2) / fixed,
        fixed=np.sqrt(variance) / fixed,
        adaptive=np.sqrt(variance - covariance**2 / c_variance) / fixed,
        best_lambda=1 - covariance / c_variance,
    )


def pairs_needed(cv):
    """Messages of one pair for the precision that the table names."""
    return (QUANTILE * cv / PRECISION) ** 2


def messages_needed(cv, tokens=TOKENS, correlation=CORRELATION):
    """Messages of so many tokens for the same."""
    return pairs_needed(cv) * (1 + (tokens - 1) * correlation) / tokens


def log_softmax(logits):
    """Logarithms of the probabilities that logits stand for."""
    shifted = logits - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


def two_digits(number):
    """A number above 0.1 as a person reads it."""
    if number < 10:
        return f"{number:.1f}"
    digits = int(np.log10(number)) - 1
    return f"{round(number / 10**digits) * 10**digits:,}"


def main():
    """Print the table as the README has it."""
    print("| situation | KL, nats | naive / fixed | fixed / best | lambda | naive | `fixed` | `adaptive` | sequences |")
    print("|---|---|---|---|---|---|---|---|---|")
    for situation in SITUATIONS:
        found = figures(situation)
        cells = [
            f"{found.kl:.1g}",
            two_digits((found.naive / found.fixed) ** 2),
            f"{(found.fixed / found.adaptive) ** 2:.2f}",
            f"{found.best_lambda:.2f}",
            *(two_digits(pairs_needed(cv)) for cv in (found.naive, found.fixed, found.adaptive)),
            two_digits(messages_needed(found.adaptive)),
        ]
        print(f"| {situation} | {' | '.join(cells)} |")
    print(
        f"\nnaive, `fixed`, `adaptive`: messages of one pair for +-{PRECISION:.0%} with 95 %; sequences: the same for "
        f"`adaptive`\nin messages of {TOKENS} tokens whose values are correlated by {CORRELATION} within a message."
    )


if __name__ == "__main__":
    main()

"""Which side the outcomes were drawn from, as far as a sample of pairs can tell.

Let d = log q - log p of a pair, and Lambda the sum of d over the sample: the log-likelihood of the outcomes under q
minus that under p. If they were drawn from p, e^Lambda has mean 1 at most (each factor q(x)/p(x) has, given what came
before), so that P(Lambda >= log(1/a)) <= a for any sample size and any tails (Markov; J. Ville, 1939; the likelihood
ratio is also the most powerful test: Neyman and Pearson, 1933). The other way round likewise. So the side with the
larger likelihood is named once |Lambda| >= log(1/a), a = 1e-5.

That needs exact numbers: rounding adds noise of mean zero to d, whose sum passes any bound in a long log; and pairs of
one message need not be independent. So a second statistic, with a message for a cluster, has to agree. Either the mean
of d, which estimates +KL(q||p) or -KL(p||q) and cannot be of the wrong sign, is 4 of its standard errors away from 0:
noise of any size is in that error. Or, where the noise of Lambda is below one nat by the precision of the log, the mean
of r = other / side is 5 errors above 1 for the side that is refused: no sampler has E[r] > 1. And since rounding is
the same wherever a pair of logs stands again, the mean of d must be more than it explains in so many different pairs.

Whether the named side *fits* is another question: E[r] = 1. Below 1 is what a truncated sampler has (kept mass), above
1 none can have. The swapped side has 1 + chi^2, always above 1.

How many pairs are needed: with v the variance of a message's sum of d and k its mean, which is a divergence and
estimated by the mean of (r - 1) - log r, the mean of d is k sqrt(M / v) errors from 0 after M messages, and that of
r - 1, which is 2 k for small divergences with the same v, twice as many. With 1.28 errors more than asked, nine of ten
samples tell: M = 5.28^2 v / k^2, or 6.28^2 v / (2 k)^2 for exact numbers. The bound on Lambda is then met as well.
"""

import math
from dataclasses import replace
from typing import Final

import numpy as np

from daemon.inspection.finding import Decided, Fit, SamplerEvidence, SideEvidence
from daemon.inspection.ratios import Ratios
from estimators.estimates import Sampler
from estimators.pairs import Floats
from estimators.selfcheck import DIVERGENCE_SHARE, MESSAGES_MIN, Z_LIMIT, verdict

#: log(1/a): the wrong side reaches it in one of 100,000 samples at most.
LOG_ODDS_MIN: Final = math.log(1e5)
ZSCORE_MIN: Final = 4.0
#: Normal quantile of 0.9: nine of ten samples of the size that is asked for will tell.
_POWER: Final = 1.2815515655446004
#: Rounding of doubles and float32; the noise of coarser logs is looked at.
_EXACT: Final = 1e-12
_MESSAGES_MIN: Final = 10
#: |z| of the ratio mean from which it is not 1, as in the self-check.
FIT_ZSCORE: Final = Z_LIMIT
#: A message with more than this part of all ratios: their mean rests on it, and the error is not to be believed.
HEAVY_SHARE: Final = 0.1


def sampler_evidence(
    ratios: Ratios, nats_per_unit: float, resolution: float, named: Sampler | None, paths: tuple[str, str]
) -> SamplerEvidence:
    """Weigh both sides.

    Parameters
    ----------
    ratios : Ratios
        At least one pair.
    nats_per_unit : float
        Natural logarithm of the base of the logs.
    resolution : float
        Deviation of the ratio mean that rounding explains, from `resolution_of`.
    named : "q", "p" or None
        What the fields' names say.
    paths : of q and of p, for people
    """
    d = ratios.d * nats_per_unit
    mean = ratios.mean(d, 0.0)
    log_odds = _log_odds(ratios, d)
    q, p = (_side(ratios, sign * d, path, resolution) for sign, path in ((-1, paths[0]), (1, paths[1])))
    likelier, refused = (q[0], p[0]) if log_odds > 0 else (p[0], q[0])
    evident: Sampler | None = "q" if log_odds > 0 else "p"
    exact = _is_exact(ratios.pairs, resolution)
    sure = abs(mean.zscore) >= ZSCORE_MIN or (exact and refused.fit == "above")
    sure &= abs(mean.value) >= rounding_of(ratios, resolution) and not ratios.censored
    if not sure or abs(log_odds) < LOG_ODDS_MIN or ratios.messages < _MESSAGES_MIN or likelier.fit == "above":
        evident = None  # where both means are above 1, neither can be the sampler
    sampled_from, decided_by = _decision(evident, named)
    side, comparable, heavy = q if sampled_from == "q" else p
    identical = not d.any()
    return SamplerEvidence(
        sampled_from=sampled_from,
        decided_by=decided_by,
        evident=evident,
        named=named,
        log_odds=log_odds,
        zscore=mean.zscore,
        q=_named_fit(q[0], evident == "q", q[2]),
        p=_named_fit(p[0], evident == "p", p[2]),
        pairs_needed=None if evident or identical or ratios.censored else pairs_needed(ratios, d, resolution),
        identical=identical,
        heavy_tailed=heavy,
        support_gap=1 - side.ratio_mean,
        comparable=comparable,
    )


def pairs_needed(ratios: Ratios, d: Floats, resolution: float) -> int | None:
    """Pairs with which nine of ten samples tell the sampler (module's last paragraph); None where nothing varies.

    The smaller one of both sides' divergences counts, so that the number is rather too large. None also where there
    are enough of them, and more of the same would not help.
    """
    divergence = min(ratios.mean(np.expm1(s * d) - s * d, 0.0).value for s in (-1, 1))
    if not divergence > 0:
        return None
    total, weight = ratios.sums(d)
    per_message = divergence * float(weight.mean())
    spread = float((total * total).mean()) / per_message**2
    each = ratios.pairs / ratios.messages
    messages = max(((FIT_ZSCORE + _POWER) / 2) ** 2 * spread, _MESSAGES_MIN)
    if not _is_exact(messages * each, resolution):
        messages = max((ZSCORE_MIN + _POWER) ** 2 * spread, _MESSAGES_MIN)
    return math.ceil(messages * each) if messages > ratios.messages else None


def rounding_of(ratios: Ratios, resolution: float) -> float:
    """Mean log ratio that the log's rounding explains.

    `resolution` is half the variance of one pair's rounding, which is the same wherever the same pair of logs stands:
    of few contexts it does not average out, and no error over messages shows it.
    """
    return FIT_ZSCORE * math.sqrt(2 * resolution * ratios.concentration) if resolution > _EXACT else 0.0


def bound_of(fixed: float, resolution: float) -> float:
    """Deviation of a ratio mean that does not matter, as in the self-check: a tenth of the divergence, or rounding."""
    return max(DIVERGENCE_SHARE * fixed, resolution)


def _log_odds(ratios: Ratios, d: Floats) -> float:
    if ratios.weight is None:
        return float(d.sum())
    # Weighted pairs tell as much as their effective number.
    weight = ratios.weight
    return float((weight * d).sum() * weight.sum() / (weight * weight).sum())


def _is_exact(pairs: float, resolution: float) -> bool:
    """Whether rounding moves Lambda by less than a nat: `resolution` is half the variance of a pair's rounding."""
    return 2 * resolution * pairs <= 1


def _side(ratios: Ratios, u: Floats, path: str, resolution: float) -> tuple[SideEvidence, bool | None, bool]:
    """Take a side for the sampler, u = log other - log side: how it fits, the self-check, and a heavy tail."""
    r = np.exp(u)
    mean = ratios.mean(r, 1.0)
    fixed = ratios.mean(np.expm1(u) - u, 0.0).value
    heavy = ratios.largest_share(r) > HEAVY_SHARE
    rounding = rounding_of(ratios, resolution)
    deviation = mean.value - 1
    fit: Fit = "unclear"
    sure = ratios.messages >= MESSAGES_MIN and not ratios.censored and abs(mean.zscore) >= FIT_ZSCORE
    if mean.error == 0:  # one outcome again and again: a sampler that is nearly certain of it may have no other
        sure &= abs(_log_odds(ratios, u)) >= LOG_ODDS_MIN
    if sure and abs(deviation) > max(bound_of(fixed, resolution), rounding):
        if deviation > 0:
            fit = "above"
        elif not heavy:  # where the tail is heavy, most samples read low
            fit = "below"
    verdicts = verdict(
        np.asarray(deviation),
        np.asarray(mean.error),
        np.asarray(fixed),
        resolution,
        np.asarray(float(ratios.messages)),
    )
    comparable = float(verdicts)
    if comparable == 1 and not ratios.censored:
        fit = "fits"
    return (
        SideEvidence(path, mean.value, mean.error, mean.zscore, fit),
        None if math.isnan(comparable) else bool(comparable),
        heavy,
    )


def _named_fit(side: SideEvidence, evident: bool, heavy: bool) -> SideEvidence:
    """Let the side that the data name fit, unless its ratio mean speaks against it or rests on a few messages."""
    doubtful = heavy and abs(side.zscore) >= FIT_ZSCORE
    return replace(side, fit="fits") if evident and side.fit == "unclear" and not doubtful else side


def _decision(evident: Sampler | None, named: Sampler | None) -> tuple[Sampler, Decided]:
    if evident is not None:
        return evident, "evidence"
    if named is not None:
        return named, "name"
    return "q", "default"

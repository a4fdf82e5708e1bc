"""The fleet's estimates from the replicas' parts: one part as it is, several by their moments.

With W, G and the others summed over the replicas, a value is Y / W, and its error that of a ratio of sums (W. Cochran,
"Sampling Techniques", 1977, section 6.4): sqrt(G / (G - 1) x (YY - 2 v YW + v^2 WW)) / W. For adaptive, Y holds the
coefficient that each replica used for each pane, so the sum is unbiased, though not what one replica alone would say.
Moments of a window with an infinite pair say nothing of it: merged adaptive and fixed are absent there, in both
directions, and naive, a weighted mean, is +Inf.
"""

from collections.abc import Iterator
from typing import Final

from daemon.rules.rule import Recording
from daemon.rules.terms import PARTS, Terms, moment, per_direction
from estimators.selfcheck import DIVERGENCE_SHARE, RESOLUTION, Z_LIMIT

#: Metrics that are passed through where one replica holds all, and the labels that they have beside a window's.
_ESTIMATE: Final = "direction, estimator"
_Z_LIMIT: Final = f"{Z_LIMIT:g}"
#: The coarsest precision that a stream may declare, bf16: the metrics do not tell which one it is.
_COARSEST: Final = f"{max(RESOLUTION.values()):g}"


def merged(terms: Terms) -> Iterator[Recording]:
    """Yield the recording rules of the estimates."""
    yield Recording("series:klaxon_kl_nats:merged", _one(terms, "klaxon_kl_nats", _ESTIMATE))
    for estimator, name in (("adaptive", "Y"), ("fixed", "F")):
        yield Recording("series:klaxon_kl_nats:merged", _value(terms, name), {"estimator": estimator})
    yield Recording("series:klaxon_kl_nats:merged", _naive(terms), {"estimator": "naive"})
    yield Recording(
        "series:klaxon_kl_standard_error_nats:merged",
        f"{_one(terms, 'klaxon_kl_standard_error_nats', _ESTIMATE)}\nor\n{_value_error()}",
        {"estimator": "adaptive"},
    )
    yield Recording(
        "series:klaxon_kl_pane_standard_error_nats:merged",
        f"{_one(terms, 'klaxon_kl_pane_standard_error_nats', 'direction')}\nor\n{_pane_error(terms)}",
    )
    yield Recording(
        "series:klaxon_ratio_mean:merged",
        f"{_one(terms, 'klaxon_ratio_mean')}\nor\n1 + {moment('C')} / {moment('W')}",
    )
    yield Recording("series:klaxon_ratio_zscore:merged", f"{_one(terms, 'klaxon_ratio_zscore')}\nor\n{_ratio_zscore()}")
    yield Recording("series:klaxon_comparable:merged", f"{_one(terms, 'klaxon_comparable')}\nor\n{_comparable()}")


def _one(terms: Terms, name: str, labels: str = "") -> str:
    """Pass a metric through where one replica holds every message of the window."""
    matching = f"ignoring ({labels}) " if labels else ""
    return f"{terms.over_replicas('max', name)}\nand {matching}{PARTS} == 1"


def _value(terms: Terms, name: str) -> str:
    return f"{moment(name)}\n{per_direction('/')} {moment('W')}\nunless ignoring (direction) {_infinite(terms)}"


def _infinite(terms: Terms) -> str:
    return f"{terms.over_replicas('max', 'klaxon_infinite')} == 1"


def _naive(terms: Terms) -> str:
    """Weigh the parts' naive values: the moments do not tell the sampler's side, its naive value does."""
    naive = 'klaxon_kl_nats{estimator="naive"}'
    weighted = f"""
    {naive}
  * ignoring ({_ESTIMATE}, moment) group_left ()
    klaxon_window_moment{{moment="W"}}
"""
    return f"""\
{terms.over_replicas("sum", weighted)}
/ ignoring ({_ESTIMATE}) group_left ()
  {moment("W")}
and
    {terms.over_replicas("count", naive)}
  == ignoring ({_ESTIMATE}) group_left ()
    {PARTS}"""


def _error(value: str, square: str, product: str, combine: str) -> str:
    """Write the error of a ratio of sums; `combine` joins a column with one that has no direction."""
    messages, by, divided = moment("G"), combine % "*", combine % "/"
    return f"""\
sqrt(
    clamp_min(
        {square}
      - 2 * {value} * {product}
      + {value} ^ 2
        {by} {moment("WW")},
      0
    )
  {by} (
      {messages}
    / ({messages} - 1)
  )
)
{divided} {moment("W")}"""


def _value_error() -> str:
    value = 'sum without (estimator) (series:klaxon_kl_nats:merged{estimator="adaptive"})'
    return _error(value, moment("YY"), moment("YW"), per_direction("%s"))


def _pane_error(terms: Terms) -> str:
    """Weigh the parts' errors, as if what panes share were shared by the replicas: never too small.

    A part of fewer panes than an error needs has none, and stays out.
    """
    error, weight = "klaxon_kl_pane_standard_error_nats", 'klaxon_window_moment{moment="W"}'
    weighted, weights = (
        f"\n    {error}{operator} ignoring (direction, moment) group_left ()\n    {weight}\n"
        for operator in (" *", " * 0 +")
    )
    return f"""\
{terms.over_replicas("sum", weighted)}
/
{terms.over_replicas("sum", weights)}
and ignoring (direction) {moment("W")}"""


def _ratio_zscore() -> str:
    deviation = "(series:klaxon_ratio_mean:merged - 1)"
    return f"{deviation}\n/ (\n{_error(deviation, moment('CC'), moment('WC'), '%s')}\n> 0)"


def _comparable() -> str:
    """Judge as `estimators.selfcheck` does, and only where it cannot matter what the metrics do not tell.

    That is which direction is the sampler's side, and the precision of the log: 0 must hold for the larger bound of
    each, 1 for the smaller one.
    """
    deviation, zscore = "abs(series:klaxon_ratio_mean:merged - 1)", "abs(series:klaxon_ratio_zscore:merged)"
    fixed = 'series:klaxon_kl_nats:merged{estimator="fixed"}'
    known = f"  and count without (direction, estimator) ({fixed}) == 2\n  and {PARTS} > 1"
    larger, smaller = (
        f"{DIVERGENCE_SHARE} * {side} without (direction, estimator) ({fixed})" for side in ("max", "min")
    )
    return f"""\
0 * (
    {zscore} >= {_Z_LIMIT}
  and {deviation} > {_COARSEST}
  and {deviation} > {larger}
{known}
)
or
1 + 0 * (
    {_Z_LIMIT} * {deviation} / {zscore} <= {smaller}
  unless ({zscore} >= {_Z_LIMIT} and {deviation} > {smaller})
{known}
)"""

"""Alerts about the numbers of a series: the rule of `daemon.drift_rule`, in PromQL.

They read the fleet's values, so that replicas do not alarm about their parts. Infinite and not comparable come before
drift, as among the states of a series.
"""

from collections.abc import Iterator
from math import log
from typing import Final

from daemon.drift_rule import SURE
from daemon.rules import words
from daemon.rules.pages import series_page
from daemon.rules.rule import Alert
from daemon.rules.terms import STREAM, Terms

#: 2T exp(-SURE se / 2T) > T holds below this se / T: beyond it even twice the threshold would raise no alarm.
_BLIND: Final = f"{2 * log(2) / SURE:.3f}"
_STREAM: Final = "stream {{ $labels.stream }}"
_LOOK: Final = "Look at the status page of a replica (/)"


def series_alerts(terms: Terms) -> Iterator[Alert]:
    """Yield the alerts, the most urgent first."""
    yield _drift(terms)
    yield _not_comparable(terms)
    yield _infinite(terms)
    yield _value_absent(terms)
    yield _unreliable(terms)


def _adaptive(window: str) -> str:
    return f'series:klaxon_kl_nats:merged{{estimator="adaptive", window="{window}"}}'


def _drift(terms: Terms) -> Alert:
    """Fire where a threshold is passed for sure in the long window, and still in the short one."""
    times = words.asked(
        f"{words.adaptive(terms.long)} / on () {words.THRESHOLD}", words.figure("%.2g"), words.OF_SEVERITY
    )
    threshold = words.asked(words.THRESHOLD, words.figure(), words.OF_SEVERITY)
    now = words.asked(words.adaptive(terms.short), words.figure(), otherwise="not known")
    return Alert(
        "KlaxonDrift",
        f"""\
(
    {terms.over_replicas("max", "klaxon_threshold_nats")}
  < ignoring (severity, window) group_left ()
    series:klaxon_kl_nats:sure
  < ignoring (severity, window, estimator) group_left ()
    {_adaptive(terms.short)}
) * 0
+ ignoring (severity, window, estimator) group_left ()
  {_adaptive(terms.long)}
unless ignoring (severity, direction, window)
  {terms.broken}
unless ignoring (severity, direction, window)
  {terms.infinite}""",
        summary=f"{words.SERIES}Drift ({{{{ $labels.severity }}}}) in {words.NAMED}: {words.FORMULA} is {times} times "
        "its threshold.",
        description=f"{words.SERIES}{words.measured(terms.long)}, {times} times the threshold of {threshold}; over "
        f"{terms.short} it is {now}.{words.typical(terms.long)} {words.self_check(terms.long)}"
        f"{words.incomplete(terms.long)}{words.since('KlaxonDrift', by_severity=True)} {_LOOK}, at which series drift "
        "with it, and at what was released before.",
        hold=terms.hold,
        keep=terms.patience,
        labels={"window": terms.long},
        page=series_page(terms.long),
    )


def _not_comparable(terms: Terms) -> Alert:
    naive = words.asked(
        f'series:klaxon_kl_nats:merged{{estimator="naive",window="{terms.long}",%s}}',
        f" Read naive {words.SAMPLE_FORMULA} first, which is right in the first case: {words.figure()} nats.",
    )
    return Alert(
        "KlaxonPairsNotComparable",
        f"""\
series:klaxon_ratio_mean:merged{{window="{terms.long}"}}
and
  {terms.broken}
unless
  {terms.infinite}""",
        summary=f"{words.SERIES}The pairs of {words.NAMED} are not comparable, so no word on drift.",
        description=f"{words.SERIES}The mean of other/sampler over {terms.long} is {words.own_figure('%.4g')} and "
        "should be 1; {{ if lt $value 1.0 }}the sampler never produces outcomes that hold a part of the other's mass, "
        f"as with top-p, top-k or greedy sampling, or the two sides were logged differently.{naive}{{{{ else }}}}the "
        "two sides were logged differently, or x was not drawn from the sampler. No value can be read until the log is "
        "right.{{ end }} This speaks of the log or of the sampling, not of the model."
        f"{words.incomplete(terms.long)}{words.since('KlaxonPairsNotComparable')} "
        "Look at what changed in the sampling and in the logging.",
        severity="warning",
        hold=terms.hold,
        keep=terms.patience,
        page=series_page(terms.long),
    )


def _infinite(terms: Terms) -> Alert:
    pairs = words.asked(
        f"sum(increase(klaxon_zero_probability_total{{%s}}[{terms.long}])) >= 1",
        f" About {words.figure('%.0f')} such pairs were read in the last {terms.long}.",
    )
    return Alert(
        "KlaxonInfinite",
        terms.infinite,
        summary=f"{words.SERIES}A divergence of {words.NAMED} is infinite: the other model rules out what was "
        "produced.",
        description=f"{words.SERIES}The last {terms.long} hold a pair that has probability 0 under the other model, "
        f"though the sampler produced the outcome.{pairs} So the divergence from the sampler's side is infinite, it "
        "has no error, and no threshold can judge the series: drift raises no alarm here."
        f"{words.since('KlaxonInfinite')} Look at what the other model excludes (a vocabulary, a mask, a cut), and "
        "whether zeros stand for missing values.",
        severity="warning",
        hold=terms.hold,
        keep=terms.patience,
        page=series_page(terms.long),
    )


def _value_absent(terms: Terms) -> Alert:
    """Fire where a threshold has nothing to judge though there are messages: then drift can raise no alarm.

    Either there is no value, or the rules ask for windows that the daemon does not have.
    """
    thresholds = terms.over_replicas("max", "klaxon_threshold_nats", "severity")
    end = 'klaxon_window_end_timestamp_seconds{window="%s"}'
    return Alert(
        "KlaxonValueAbsent",
        f"""\
count by ({STREAM}) (
    {thresholds}
  and ignoring (direction, window)
    series:klaxon_window_messages:merged{{window="{terms.long}"}} >= {terms.min_messages}
  unless ignoring (window, estimator)
    {_adaptive(terms.long)}
  unless ignoring (direction, window)
    {terms.infinite}
)
or
count by ({STREAM}) ({thresholds})
unless on ({STREAM}) (
    {end % terms.short}
  and on ({STREAM})
    {end % terms.long}
)""",
        summary=f"Thresholds of {_STREAM} have nothing to judge: drift would raise no alarm.",
        description=f"Thresholds without a value, by series and direction: {words.own_figure('%.0f')}. Either several "
        "replicas hold parts of one series and do not export them (set export.moments: true), or export.estimators "
        "lacks adaptive, or export.directions lacks the threshold's direction, or these rules were made for another "
        f"configuration: for the windows {terms.short} and {terms.long} and {terms.min_messages} messages. Look at the "
        "export section of the configuration, and print the rules again (klaxond rules --config.file).",
        severity="warning",
        hold=terms.patience,
        keep=terms.patience,
    )


def _unreliable(terms: Terms) -> Alert:
    effective = words.asked(
        f'min(klaxon_effective_sample_ratio{{window="{terms.long}",%s}})',
        words.figure("%.2g"),
        ("$whole",),
        otherwise="not known",
    )
    return Alert(
        "KlaxonEstimateUnreliable",
        f"""\
series:klaxon_kl_standard_error_nats:max
/ ignoring (window)
  {terms.over_replicas("min", "klaxon_threshold_nats", "severity")}
> {_BLIND}
unless ignoring (direction, window)
  {terms.broken}
unless ignoring (direction, window)
  {terms.infinite}""",
        summary=f"{words.SERIES}The divergence of {words.NAMED} is not known well enough to be judged by its "
        "threshold.",
        description=f"{words.SERIES}The standard error of {words.FORMULA} over {terms.long} is {words.own_figure()} "
        f"times the threshold. Above {_BLIND} even a divergence of twice the threshold would raise no alarm. The "
        f"window holds too few messages, or a few pairs outweigh the others (effective sample ratio {effective}, of "
        "at most 1). Look at klaxon_window_messages, and take a higher threshold, longer windows or fewer series.",
        severity="info",
        hold=terms.long,
        keep=terms.patience,
        page=series_page(terms.long),
    )

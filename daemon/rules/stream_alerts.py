"""Alerts about what klaxond reads and about klaxond itself, one per stream of a deployment.

None is about a single series: that one version of a model goes silent while its sibling begins is no fault.
"""

from collections.abc import Iterator
from typing import Final

from daemon.rules import words
from daemon.rules.rule import Alert
from daemon.rules.terms import COVERED, STREAM, Terms

#: Part of the records, or of the pairs, that may be unusable.
_REJECTED: Final = 0.01
_STREAM: Final = "stream {{ $labels.stream }}"
_DEPLOYMENT: Final = "namespace, job"


def stream_alerts(terms: Terms) -> Iterator[Alert]:
    """Yield the alerts, the most urgent first."""
    yield _absent(terms)
    yield _not_ready(terms)
    yield _no_data(terms)
    yield _incomplete(terms)
    yield _lag(terms)
    yield _rejected(terms, "KlaxonRecordsRejected", "records")
    yield _rejected(terms, "KlaxonPairsRejected", "pairs")
    yield _gap(terms)
    yield _clock_jump(terms)
    yield _snapshots_failing(terms)
    yield _threshold_missing(terms)


def _absent(terms: Terms) -> Alert:
    """Fire where nobody runs, or a deployment is gone that was there one long window ago."""
    gone = f"""\
group by ({_DEPLOYMENT}) (klaxon_build_info offset {terms.long})
unless on ({_DEPLOYMENT})
  klaxon_build_info"""
    return Alert(
        "KlaxonAbsent",
        f"{gone}\nor\nabsent(klaxon_build_info) unless on () (\n{_indented(gone)}\n)",
        summary="No klaxond{{ with $labels.job }} of job {{ . }}{{ end }} is there: nothing watches the models.",
        description="Prometheus has no metrics of klaxond{{ with $labels.job }} from job {{ . }}{{ end }}. It is down, "
        "or Prometheus does not scrape it. Nothing is lost as long as the topics keep their records: a start reads the "
        "windows again. Look at the process or its pods, and at the targets of Prometheus.",
        severity="critical",
        hold=terms.hold,
    )


def _not_ready(terms: Terms) -> Alert:
    owned = words.asked(
        f"sum(klaxon_partition_owned{{{words.STREAM}}})", words.figure("%.0f"), words.OF_STREAM, otherwise="0"
    )
    partitions = words.asked(
        f"max(klaxon_topic_partitions{{{words.STREAM}}})",
        words.figure("%.0f"),
        words.OF_STREAM,
        otherwise="an unknown number of",
    )
    return Alert(
        "KlaxonNotReady",
        f"count by ({STREAM}) (klaxon_records_consumed_total)\nunless\n  {COVERED}",
        summary=f"Not every partition of {_STREAM} is read by exactly one replica.",
        description=f"Owned and restored are {owned} of {partitions} partitions. While one is read by nobody or by "
        "two, is still being restored, or a replica does not publish, the stream has no value of the fleet and drift "
        "raises no alarm. Look at /readyz of the replicas: it says what they wait for.",
        severity="warning",
        hold=terms.patience,
    )


def _no_data(terms: Terms) -> Alert:
    last = words.asked(
        f"time() - max(klaxon_last_event_timestamp_seconds{{{words.STREAM}}})",
        " The newest event is {{ .Value | humanizeDuration }} old.",
        words.OF_STREAM,
    )
    return Alert(
        "KlaxonNoData",
        f"""\
(
    sum by ({STREAM}) (klaxon_window_messages{{window="{terms.short}"}})
  or
    sum by ({STREAM}) (klaxon_records_consumed_total) * 0 unless on ({STREAM}) klaxon_window_messages
) == 0
and
  {COVERED}""",
        summary=f"{_STREAM[0].upper()}{_STREAM[1:]} has no data.",
        description=f"No series of it has a usable message in the last {terms.short}, though every partition is read."
        f"{last} Look at the producers, at klaxon_records_consumed_total (does anything arrive?), at rejected and "
        "ignored records, and at late events.",
        severity="warning",
        hold=terms.patience,
        keep=terms.patience,
    )


def _incomplete(terms: Terms) -> Alert:
    return Alert(
        "KlaxonWindowIncomplete",
        f'stream:klaxon_window_complete:min{{window="{terms.short}"}} == 0',
        summary=f"Windows of {_STREAM} are not complete, for longer than a restart takes.",
        description=f"Not everything that belongs into the last {terms.short} has been read. A partition has no "
        "leader, or reading lags behind, or more series came than max_series_per_partition. What was read still "
        "alarms; the recorded value of the fleet (series:klaxon_kl_nats:fleet) is absent. Look at /readyz, at "
        "klaxon_consumer_lag_records and at klaxon_series_overflow_total.",
        severity="warning",
        hold=terms.patience,
        keep=terms.patience,
    )


def _lag(terms: Terms) -> Alert:
    lag = words.asked(f"sum(klaxon_consumer_lag_records{{{words.STREAM}}})", words.figure("%.0f"), words.OF_STREAM)
    return Alert(
        "KlaxonLag",
        f"""\
  sum by ({STREAM}) (klaxon_consumer_lag_records)
/
  sum by ({STREAM}) (rate(klaxon_records_consumed_total[{terms.rate}]))
> {terms.short_seconds:g}""",
        summary=f"Reading {_STREAM} lags behind.",
        description=f"{lag} records wait. {{{{ if gt $value 1e9 }}}}None is read."
        f"{{{{ else }}}}At the present speed that takes {{{{ $value | humanizeDuration }}}}.{{{{ end }}}} More than "
        f"{terms.short} means that the short window shows the past. Look at the CPU of the replicas, at the rate of "
        "records, at klaxon_evaluation_seconds, and whether more replicas (up to the number of partitions) help.",
        severity="warning",
        hold=terms.patience,
    )


def _rejected(terms: Terms, name: str, what: str) -> Alert:
    """Fire where more than a part cannot be used."""
    rejected = f"sum by ({STREAM}) (rate(klaxon_{what}_rejected_total[{terms.rate}]))"
    if what == "records":
        all_of_them = (
            f"  sum by ({STREAM}) (rate(klaxon_records_consumed_total[{terms.rate}]))\n"
            f"  - sum by ({STREAM}) (rate(klaxon_records_ignored_total[{terms.rate}]))"
        )
    else:
        accepted = f"sum by ({STREAM}) (rate(klaxon_pairs_total[{terms.rate}]))"
        all_of_them = f"  {rejected}\n  + ({accepted} or {rejected} * 0)"
    reason = words.asked(
        f"topk(1, sum by (reason) (rate(klaxon_{what}_rejected_total{{{words.STREAM}}}[{terms.rate}])))",
        " Most often the reason is `{{ .Labels.reason }}`.".replace("`", "'"),
        words.OF_STREAM,
    )
    return Alert(
        name,
        f"{rejected}\n/ (\n{all_of_them}\n)\n> {_REJECTED}",
        summary=f"{what.capitalize()} of {_STREAM} cannot be used.",
        description=f"{{{{ $value | humanizePercentage }}}} of the {what} of the last {terms.rate} were rejected, so "
        f"the estimates are of the others.{reason} Look at klaxon_{what}_rejected_total by reason, at what the "
        "producers changed, and at the dead letters if there is a topic for them.",
        severity="warning",
        hold=terms.patience,
    )


def _counted(terms: Terms, name: str) -> str:
    """Tell what a counter of a partition rose by; one that is new may have begun above 0."""
    return f"""\
sum by ({STREAM}) (increase({name}[{terms.long}])) > 0
or
sum by ({STREAM}) ({name} unless {name} offset {terms.long}) > 0"""


def _gap(terms: Terms) -> Alert:
    return Alert(
        "KlaxonGap",
        _counted(terms, "klaxon_gap_offsets_total"),
        summary=f"Records of {_STREAM} were gone before they could be read.",
        description=f"About {words.own_figure('%.0f')} offsets of the last {terms.long} can never be read: they "
        "expired, were deleted, or are corrupt. The windows over the gap are not complete, and say so; the estimates "
        "are of the records that were there. Look at the topic's retention, at the lag before the gap, and at the log "
        "of klaxond.",
        severity="warning",
    )


def _clock_jump(terms: Terms) -> Alert:
    return Alert(
        "KlaxonClockJump",
        _counted(terms, "klaxon_partition_clock_jumps_total"),
        summary=f"The clock of a partition of {_STREAM} jumped.",
        description=f"In the last {terms.long} a partition's clock stepped ahead by more than the longest window. "
        "Either nothing was written for that long, or a producer's clock is wrong: then panes expired too early, and "
        "right records are rejected as late. Look at klaxon_records_rejected_total for late and future, at the "
        "producers' clocks, and set message.timestamp.type=LogAppendTime on the topic.",
        severity="warning",
    )


def _snapshots_failing(terms: Terms) -> Alert:
    return Alert(
        "KlaxonSnapshotsFailing",
        f"max by ({_DEPLOYMENT}, topic) (time() - klaxon_snapshot_timestamp_seconds) > {terms.snapshot_seconds:g}",
        summary="The state of topic {{ $labels.topic }} is not saved.",
        description="The newest snapshot of one of its partitions is {{ $value | humanizeDuration }} old. The numbers "
        "are right; but whoever takes the partition over reads so much of the log again, and its windows are not "
        "complete until then. Look at the log of klaxond, which says why, and at klaxon_snapshot_failures_total.",
        severity="warning",
        hold=terms.patience,  # after a long outage the newest snapshot is old, until the first new one
    )


def _threshold_missing(terms: Terms) -> Alert:
    return Alert(
        "KlaxonThresholdMissing",
        f"sum by ({STREAM}) (klaxon_series) > 0\nunless on ({STREAM})\n  klaxon_threshold_nats",
        summary=f"{_STREAM[0].upper()}{_STREAM[1:]} is measured, but nothing alarms on drift.",
        description=f"Series without a threshold: {words.own_figure('%.0f')}. Look at what the stream shows on a calm "
        "day, and write a threshold above it into the configuration (streams[].thresholds). The runbook lists "
        "thresholds that others use.",
        severity="info",
        hold=terms.patience,
    )


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())

"""Recording rules that give the value of the whole fleet, right or absent (DESIGN.md, section 5).

A value is there only while every partition is owned by exactly one replica that has restored it. Where one replica
alone holds messages of a window of a series, its numbers are the fleet's. Where several do, their moments are added
up. `:merged` is what was read so far, as the alerts need it; `:fleet` is the same where the window is complete too.
"""

from collections.abc import Iterator
from typing import Final

from daemon.drift_rule import SURE
from daemon.rules.merging import merged
from daemon.rules.rule import Recording
from daemon.rules.terms import COVERED, MOMENTS, PARTS, STREAM, Terms

#: What is recorded of complete windows.
_FLEET: Final = ("klaxon_kl_nats", "klaxon_kl_standard_error_nats", "klaxon_ratio_mean")


def recordings(terms: Terms) -> Iterator[Recording]:
    """Yield all recording rules; each uses only those before it."""
    yield Recording(COVERED, _covered(terms))
    yield Recording(
        "stream:klaxon_window_complete:min",
        f"min by ({STREAM}, window) (klaxon_window_complete)\nand on ({STREAM}) {COVERED}",
    )
    yield Recording(
        "series:klaxon_window_messages:merged",
        f"{terms.over_replicas('sum', 'klaxon_window_messages')}\nand on ({STREAM}) {COVERED}",
    )
    yield Recording(PARTS, f"{terms.over_replicas('count', 'klaxon_window_messages > 0')}\nand on ({STREAM}) {COVERED}")
    yield Recording(MOMENTS, _moments(terms))
    yield from merged(terms)
    yield from _sure(terms)
    for name in _FLEET:
        yield Recording(
            f"series:{name}:fleet",
            f"series:{name}:merged\nand on ({STREAM}, window) (stream:klaxon_window_complete:min == 1)",
        )


def _covered(terms: Terms) -> str:
    """Give the number of partitions where each has one owner, has been restored, and is published in time.

    As many owners as partitions, all of them restored, all of them of different partitions. Replicas that differ in
    another target label than `replicas` could not be told from several fleets, so they give nothing.
    """
    return f"""\
(
    max by ({STREAM}) (klaxon_topic_partitions)
  == count by ({STREAM}) (klaxon_partition_owned)
  == sum by ({STREAM}) (klaxon_partition_owned)
  == count by ({STREAM}) (max by ({STREAM}, partition) (klaxon_partition_owned))
)
and
  count by ({STREAM}) ({terms.over_replicas("max", "klaxon_topic_partitions")}) == 1
and on (namespace, job)
  time() - min by (namespace, job) (klaxon_publish_timestamp_seconds) < {terms.stale_seconds:g}"""


def _moments(terms: Terms) -> str:
    """Add up the parts of the replicas, where all of them export theirs and they hold enough messages."""
    messages = terms.over_replicas("sum", 'klaxon_window_moment{moment="G"}', "moment")
    return f"""\
{terms.over_replicas("sum", "klaxon_window_moment")}
and ignoring (moment, direction) {PARTS} > 1
and ignoring (moment, direction) (
    {messages} == series:klaxon_window_messages:merged >= {terms.min_messages}
)"""


def _sure(terms: Terms) -> Iterator[Recording]:
    """Give the larger error and what a drift has above its threshold, of the long window (`daemon.drift_rule`)."""
    selector = f'window="{terms.long}"'
    yield Recording(
        "series:klaxon_kl_standard_error_nats:max",
        f"""\
max without (estimator) (
    series:klaxon_kl_standard_error_nats:merged{{{selector}}}
  or
    series:klaxon_kl_pane_standard_error_nats:merged{{{selector}}}
)""",
    )
    value = f'sum without (estimator) (series:klaxon_kl_nats:merged{{estimator="adaptive", {selector}}})'
    yield Recording(
        "series:klaxon_kl_nats:sure",
        f"{value}\n* exp(\n    -{SURE:g} * series:klaxon_kl_standard_error_nats:max\n  /\n    {value}\n)",
    )

"""Whether the pairs can be compared, and what the estimates rest on."""

from grafana_foundation_sdk.builders.timeseries import Panel as Lines

from deploy.grafana.source.panels import (
    COUNT,
    IDLE,
    LIMIT,
    RECORDS,
    SECONDS,
    SHARE,
    Query,
    lines,
)
from deploy.grafana.source.queries import (
    OF_WINDOW,
    ONE_SERIES,
    ONE_STREAM,
    delay,
    merged,
    metric,
    over_targets,
    rate,
)


def self_check() -> list[Lines]:
    """Draw whether the sampler covers the other model."""
    return [
        lines(
            "Ratio mean",
            "Mean of other/sampler. Below 1 the sampler never produces what holds the rest of the other's mass (top-p, "
            "top-k, greedy); above 1 x was not drawn from the sampler, or the sides were logged differently.",
            [Query(merged("ratio_mean", *OF_WINDOW), "ratio mean", "blue")],
            unit=COUNT,
            width=8,
            limits={1: IDLE},
        ),
        lines(
            "Standard errors between ratio mean and 1",
            "The self-check fails where they are 5 or more and the deviation also matters against the divergence.",
            [Query(merged("ratio_zscore", *OF_WINDOW), "z", "blue")],
            unit=COUNT,
            width=8,
            limits={-5: LIMIT, 5: LIMIT},
        ),
        lines(
            "Support gap",
            "Mass of the other model that the sampler can never produce, in each replica.",
            [Query(metric("support_gap", *OF_WINDOW), "{{instance}}")],
            unit=SHARE,
            width=8,
        ),
    ]


def sample() -> list[Lines]:
    """Draw how much there is of the series."""
    rare = ("zero_probability", "probability 0"), ("clamped", "clamped")
    return [
        lines(
            "In the window",
            "Messages and pairs, of all replicas.",
            [
                Query(over_targets("sum", metric("window_messages", *OF_WINDOW)), "messages"),
                Query(over_targets("sum", metric("window_pairs", *OF_WINDOW)), "pairs"),
            ],
            unit=COUNT,
            width=8,
            least=0,
        ),
        lines(
            "Effective sample",
            "Effective sample size over pairs, in each replica: near 0 a few pairs outweigh all others.",
            [Query(metric("effective_sample_ratio", *OF_WINDOW), "{{instance}}")],
            unit=SHARE,
            width=8,
            least=0,
        ),
        lines(
            "Pairs as they came in",
            "Pairs that were absorbed; of these those with probability 0 under the other model, and those whose log "
            "ratio was clamped.",
            [
                Query(rate("pairs_total", ONE_SERIES), "all"),
                *(Query(rate(f"{name}_total", ONE_SERIES), text) for name, text in rare),
            ],
            unit="suffix: pairs/s",
            width=8,
            least=0,
        ),
    ]


def records() -> list[Lines]:
    """Draw what became of its stream's records."""
    return [
        lines(
            "Records",
            "Records read, and those that the stream's filter does not select.",
            [
                Query(rate("records_consumed_total", ONE_STREAM), "read"),
                Query(rate("records_ignored_total", ONE_STREAM), "ignored"),
            ],
            unit=RECORDS,
            width=8,
            least=0,
        ),
        lines(
            "Rejects by reason",
            "Records and pairs that could not be used. The runbooks of KlaxonRecordsRejected and KlaxonPairsRejected "
            "explain every reason.",
            [
                Query(f"{rate('records_rejected_total', ONE_STREAM, by='reason')} > 0", "records: {{reason}}"),
                Query(f"{rate('pairs_rejected_total', ONE_STREAM, by='reason')} > 0", "pairs: {{reason}}"),
            ],
            unit="suffix: /s",
            width=8,
            least=0,
        ),
        lines(
            "Delay of events",
            "50 and 95 of 100 messages of the stream were read within this time after they happened.",
            [Query(delay(share, ONE_STREAM, by="stream"), f"{share:.0%}") for share in (0.5, 0.95)],
            unit=SECONDS,
            width=8,
            least=0,
        ),
    ]

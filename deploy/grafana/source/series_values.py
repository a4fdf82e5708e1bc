"""How far, how sure, and by which estimator."""

from grafana_foundation_sdk.builders.timeseries import Panel as Lines

from deploy.grafana.source.panels import (
    COUNT,
    IDLE,
    NATS,
    TIMES,
    Query,
    band,
    dashed,
    lines,
)
from deploy.grafana.source.queries import (
    EACH,
    FORMULAS,
    OF_WINDOW,
    ONE_SERIES,
    adaptive,
    bound,
    merged,
    metric,
    over_targets,
    rate,
    towards,
)


def values() -> list[Lines]:
    """Draw each direction with its interval and thresholds."""
    drawn = []
    for way, text in FORMULAS.items():
        limit = over_targets("max", metric("threshold_nats", ONE_SERIES, towards(way)))
        panel = lines(
            f"{text} over $window",
            "The fleet's adaptive estimate with its 95 % interval, for reading and not for alarming, and the "
            "thresholds of the configuration.",
            [
                Query(bound("lower", way, *OF_WINDOW), "95 % lower"),
                Query(bound("upper", way, *OF_WINDOW), "95 % upper"),
                Query(adaptive(way, *OF_WINDOW), text, "blue"),
                Query(limit, "threshold {{severity}}"),
            ],
            unit=NATS,
            least=0,
        )
        drawn.append(dashed(band(panel, "95 % lower", "95 % upper"), "threshold .*"))
    return drawn


def all_windows() -> list[Lines]:
    """Draw each direction over every window."""
    return [
        lines(
            f"{text} in every window",
            "A short window follows soon and is less sure. Drift needs the long and the short one.",
            [Query(adaptive(way, ONE_SERIES), "{{window}}")],
            unit=NATS,
            least=0,
        )
        for way, text in FORMULAS.items()
    ]


def estimators() -> list[Lines]:
    """Draw each direction by every estimator."""
    return [
        lines(
            f"{text} by estimator",
            "Read adaptive first; naive, which only the sampler's side has, where the ratio mean is below 1 and the "
            "pairs are not comparable; above 1 none. naive and fixed differ by what the ratio mean is off 1.",
            [Query(merged("kl_nats", *OF_WINDOW, towards(way)), "{{estimator}}")],
            unit=NATS,
            least=0,
        )
        for way, text in FORMULAS.items()
    ]


def gain() -> list[Lines]:
    """Draw what adaptive does and gains, and the value without windows."""
    ranged = [
        Query(
            f"{rate('kl_nats_sum_total', ONE_SERIES, towards(way))}\n/ {rate('weight_sum_total', ONE_SERIES)}",
            text,
        )
        for way, text in FORMULAS.items()
    ]
    return [
        lines(
            "Gain of adaptive",
            "Variance of naive and of fixed over that of adaptive, in each replica: so many times more messages would "
            "be needed without it. Above 1 adaptive is the better one.",
            [
                Query(
                    metric("variance_ratio", *OF_WINDOW, towards(way)),
                    f"{text} against {{{{versus}}}} {{{{instance}}}}",
                )
                for way, text in FORMULAS.items()
            ],
            unit=TIMES,
            width=8,
            limits={1: IDLE},
        ),
        lines(
            "Lambda",
            "Coefficient of r - 1 that adaptive uses now, in each replica: on the sampler's side 0 is naive, 1 fixed.",
            [
                Query(metric("control_variate_lambda", *OF_WINDOW, towards(way)), f"{text} {EACH}")
                for way, text in FORMULAS.items()
            ],
            unit=COUNT,
            width=8,
        ),
        lines(
            "Divergence as it came in",
            "The fixed estimator over what was read between two points: no window, and no interval.",
            ranged,
            unit=NATS,
            width=8,
            least=0,
        ),
    ]

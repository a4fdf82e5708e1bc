"""Terms of PromQL that the dashboards share.

What is about the numbers of a series reads the recording rules (`klaxond rules`): the fleet's value, right or absent.
What each replica has for itself reads its metrics.
"""

from typing import Final

#: Labels by which scrape targets differ and series do not; a series of the daemon has none of them.
TARGET: Final = ("instance", "pod", "container", "endpoint", "service", "prometheus")
#: A stream of one deployment.
STREAM: Final = "namespace, job, stream"
#: Selectors of the overview, of the daemon, of one stream, and of one of its series.
FLEET: Final = 'namespace=~"$namespace", job=~"$job", stream=~"$stream"'
DAEMON: Final = 'namespace=~"$namespace", job=~"$job", instance=~"$instance"'
ONE_STREAM: Final = 'namespace="$namespace", job="$job", stream="$stream"'
#: The variable is a list of matchers, model="a",version="7": labels differ by stream, and it has whatever there are.
ONE_SERIES: Final = f"{ONE_STREAM}, ${{series:raw}}"
WINDOW: Final = 'window="$window"'
#: A window of one series.
OF_WINDOW: Final = (ONE_SERIES, WINDOW)
#: What tells replicas apart, and how their lines are named.
REPLICA: Final = "namespace, job, instance"
EACH: Final = "{{instance}}"
RATE: Final = "$__rate_interval"
#: Directions and their formulas.
FORMULAS: Final = {"reverse": "KL(q||p)", "forward": "KL(p||q)"}


def metric(name: str, *selectors: str) -> str:
    """Select a metric of the catalogue, named without its prefix."""
    return _selected(f"klaxon_{name}", selectors)


def merged(name: str, *selectors: str) -> str:
    """Select what a recording rule gives for the fleet."""
    return _selected(f"series:klaxon_{name}:merged", selectors)


def recorded(name: str, *selectors: str) -> str:
    """Select another recording rule by its whole name."""
    return _selected(name, selectors)


def over_targets(function: str, expression: str, *also: str) -> str:
    """Aggregate over all that tells scrape targets apart, and over further labels."""
    return f"{function} without ({', '.join((*TARGET, *also))}) ({expression})"


def towards(direction: str) -> str:
    """Select a direction."""
    return f'direction="{direction}"'


def adaptive(direction: str, *selectors: str) -> str:
    """Select the fleet's adaptive estimate."""
    return merged("kl_nats", *selectors, 'estimator="adaptive"', towards(direction))


def bound(side: str, direction: str, *selectors: str) -> str:
    """Give an end of the 95 % interval: the replica's own where one has the whole series, else as alerts tell it.

    `side` is lower or upper.
    """
    own = over_targets("max", metric(f"kl_{side}_nats", *selectors, towards(direction)), "estimator")
    parts = over_targets("max", recorded("series:klaxon_window_messages:parts", *selectors))
    value = over_targets("max", f"{adaptive(direction, *selectors)} > 0", "estimator")
    error = over_targets("max", merged("kl_standard_error_nats", *selectors, towards(direction)), "estimator")
    sign = "-" if side == "lower" else ""
    return f"{own}\nand ignoring (direction) {parts} == 1\nor\n{value}\n* exp({sign}1.96 * {error} / {value})"


def rate(name: str, *selectors: str, by: str = "") -> str:
    """Add up the rates of a counter."""
    return f"sum{f' by ({by})' if by else ''} (rate({metric(name, *selectors)}[{RATE}]))"


def increase(name: str, *selectors: str, by: str) -> str:
    """Add up what a counter rose by."""
    return f"sum by ({by}) (increase({metric(name, *selectors)}[{RATE}]))"


def delay(share: float, *selectors: str, by: str) -> str:
    """Give a quantile of the delay of events."""
    buckets = rate("event_delay_seconds_bucket", *selectors, by=f"{by}, le")
    return f"histogram_quantile({share:g}, {buckets})"


def counted(expression: str, among: str) -> str:
    """Count samples; 0 where there are none though those among which they would be are there, absent without these."""
    return f"count({expression}) or 0 * count({among})"


def _selected(name: str, selectors: tuple[str, ...]) -> str:
    # The series' own matchers come last: they may be none, and a comma may end a list of matchers.
    ordered = sorted(selectors, key=lambda selector: "${series:raw}" in selector)
    return f"{name}{{{', '.join(ordered)}}}"

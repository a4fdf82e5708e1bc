"""What an alarm says, as templates of Prometheus: plain sentences, in the words of `daemon.verdicts`.

A template may ask Prometheus. The labels of the alert's series, which only the configuration knows, are put together
as a selector first: `SERIES` does it, and `$series` holds it, `$whole` the same without the direction, `$named` what
tells the series from others of its stream.
"""

from typing import Final

#: Labels of an alert that the series that it speaks of do not have, or that a query gives itself.
_OWN: Final = ("__name__", "severity", "window")
#: Labels that do not tell one series of a stream from another: ours, and those of scrape targets.
COMMON: Final = (*_OWN, "direction", "stream", "namespace", "job", "service", "endpoint", "container", "prometheus")


def none_of(names: tuple[str, ...]) -> str:
    """Tell whether the template's $name is another than these."""
    return f"and {' '.join(f'(ne $name `{name}`)' for name in names)}"


SERIES: Final = (
    '{{ $series := "" }}{{ $whole := "" }}{{ $named := "" }}{{ range $name, $text := $labels }}'
    f"{{{{ if {none_of(_OWN)} }}}}"
    "{{ $series = printf `%s%s=%q,` $series $name $text }}"
    "{{ if ne $name `direction` }}{{ $whole = printf `%s%s=%q,` $whole $name $text }}{{ end }}{{ end }}"
    f"{{{{ if {none_of(COMMON)} }}}}{{{{ $named = printf `%s, %s %s` $named $name $text }}}}{{{{ end }}}}"
    "{{ end }}"
)
#: The stream and the series of an alert, in words.
NAMED: Final = "stream {{ $labels.stream }}{{ $named }}"
#: The formula of the alert's direction.
FORMULA: Final = "{{ if eq $labels.direction `reverse` }}KL(q||p){{ else }}KL(p||q){{ end }}"
#: The same of a sample's.
SAMPLE_FORMULA: Final = FORMULA.replace("$labels.direction", ".Labels.direction")
#: Selects one stream of one deployment, with the arguments that say which.
STREAM: Final = "namespace=%q,job=%q,stream=%q"
OF_STREAM: Final = ("$labels.namespace", "$labels.job", "$labels.stream")
OF_SEVERITY: Final = ("$series", "$labels.severity")
#: One threshold of the alert's series.
THRESHOLD: Final = "max(klaxon_threshold_nats{severity=%[2]q,%[1]s})"


def asked(query: str, shown: str, arguments: tuple[str, ...] = ("$series",), otherwise: str = "") -> str:
    """Show something of the first sample of a query, or else something without it.

    Parameters
    ----------
    query : PromQL with verbs of Go's printf (%s, %[1]s, %q) where the arguments go; no backquote
    shown : template that may use `.Value` and `.Labels`
    arguments : variables of the template; `$series` ends with a comma, which a selector may
    otherwise : template for where there is no sample
    """
    rest = f"{{{{ else }}}}{otherwise}" if otherwise else ""
    sample = f"{{{{ with first . }}}}{shown}{{{{ end }}}}"
    return f"{{{{ with printf `{query}` {' '.join(arguments)} | query }}}}{sample}{rest}{{{{ end }}}}"


def figure(form: str = "%.3g") -> str:
    """Show the sample's value."""
    return f"{{{{ printf `{form}` .Value }}}}"


def own_figure(form: str = "%.3g") -> str:
    """Show the alert's value."""
    return f"{{{{ printf `{form}` $value }}}}"


def adaptive(window: str) -> str:
    """Select the fleet's value of the alert's series in a window."""
    return f'series:klaxon_kl_nats:merged{{estimator="adaptive",window="{window}",%[1]s}}'


def measured(long: str) -> str:
    """Tell the alert's value, which is its own in the long window, with the 95 % interval."""
    error = f'series:klaxon_kl_standard_error_nats:merged{{window="{long}",%[1]s}}'
    lower, upper = (
        asked(f"{adaptive(long)} * exp({sign}1.96 * {error} / {adaptive(long)})", figure(), otherwise="not known")
        for sign in ("-", "")
    )
    return f"{FORMULA} over {long} is {own_figure()} nats (95 % interval {lower} to {upper})"


def self_check(long: str) -> str:
    """Tell whether the self-check holds."""
    mean = asked(f'series:klaxon_ratio_mean:merged{{window="{long}",%s}}', figure("%.4g"), ("$whole",))
    return asked(
        f'series:klaxon_comparable:merged{{window="{long}",%s}}',
        "{{ if eq .Value 1.0 }}The pairs are comparable.{{ else }}The pairs are not comparable.{{ end }}",
        ("$whole",),
        otherwise=f"Whether the pairs are comparable cannot be told from so few: their ratio mean is {mean}.",
    )


def typical(long: str) -> str:
    """Tell the factor between the probabilities of a typical outcome: e^sqrt(2 KL), for log ratios that are normal."""
    return asked(
        f"exp(sqrt(2 * {adaptive(long)}))",
        f" The two probabilities of a typical outcome differ by a factor of about {figure()}.",
    )


def incomplete(window: str) -> str:
    """Say so where not all of the window has been read."""
    return asked(
        f'stream:klaxon_window_complete:min{{window="{window}",{STREAM}}} == 0',
        " The window is not complete: this is of the pairs that were read so far.",
        OF_STREAM,
    )


def since(alert: str, *, by_severity: bool = False) -> str:
    """Say since when the alert's expression has held."""
    severity, arguments = ("severity=%[2]q,", OF_SEVERITY) if by_severity else ("", ("$series",))
    return asked(
        f'ALERTS_FOR_STATE{{alertname="{alert}",{severity}%[1]s}}',
        " It has been so since {{ .Value | humanizeTimestamp }}.",
        arguments,
    )

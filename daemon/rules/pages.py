"""Which page of Grafana an alert leads to, as a template of Prometheus. The pages are in deploy/grafana.

The page of a series takes its labels, whatever they are, as a list of matchers: model="a",version="7". It must be the
list that the page itself offers, so it has the same labels in the same order, by name.
"""

from typing import Final

from daemon.rules.words import COMMON, none_of


def _chosen(name: str, value: str) -> str:
    return f"{{{{ with {value} }}}}&var-{name}={{{{ . | urlquery }}}}{{{{ end }}}}"


_STREAM: Final = "".join(_chosen(name, f"$labels.{name}") for name in ("namespace", "job", "stream"))
_OWN: Final = (
    '{{ $own := "" }}{{ range $name, $text := $labels }}'
    f"{{{{ if {none_of(COMMON)} }}}}"
    "{{ if $own }}{{ $own = printf `%s,` $own }}{{ end }}{{ $own = printf `%s%s=%q` $own $name $text }}"
    "{{ end }}{{ end }}"
)
#: The overview, of the alert's stream if it has one.
OVERVIEW: Final = f"/d/klaxon-overview?from=now-6h{_STREAM}"


def series_page(long: str) -> str:
    """Lead to the alert's series over a window."""
    return f"/d/klaxon-series?var-window={long}{_STREAM}{_OWN}{_chosen('series', '$own')}"

"""Template variables: where the numbers come from, and which of them are shown."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as models

from deploy.grafana.source.queries import ONE_STREAM, TARGET, metric

#: The data source is whatever the reader chooses.
DATASOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
#: Labels that do not belong to a series' own.
_NOT_OWN: Final = (*TARGET, "namespace", "job", "stream", "window")


def datasource() -> builders.DatasourceVariable:
    """Choose the Prometheus."""
    return builders.DatasourceVariable("datasource").label("Data source").type("prometheus")


def several(name: str, label: str, source: str, *, all_value: str = ".+") -> builders.QueryVariable:
    """Choose any number of a label's values; all of them at first."""
    everything = models.VariableOption(text="All", value="$__all", selected=True)
    chosen = _labels(name, label, source).multi(multi=True).include_all(include_all=True)
    return chosen.all_value(all_value).current(everything)


def one(name: str, label: str, source: str, *, first: str | None = None) -> builders.QueryVariable:
    """Choose one of a label's values; `first` is chosen at first if it is there."""
    chosen = _labels(name, label, source)
    return chosen if first is None else chosen.current(models.VariableOption(text=first, value=first, selected=True))


def series() -> builders.QueryVariable:
    """Choose one series of a stream by all labels of its own, whatever they are.

    Its value is a list of matchers: of the text of a sample, {model="a",version="7"} 1 17000, what the braces hold.
    """
    present = f"last_over_time({metric('window_messages', ONE_STREAM)}[$__range])"
    query = f"query_result(group without ({', '.join(_NOT_OWN)}) ({present}))"
    return _variable("series", "Series", query).regex(r"/\{(.*)\}/")


def window(source: str) -> builders.QueryVariable:
    """Choose the window; the usual long one at first."""
    return one("window", "Window", f"label_values({source}, window)", first="1h")


def labels() -> builders.AdHocVariable:
    """Filter by any label."""
    variable = builders.AdHocVariable("labels").label("Labels").datasource(DATASOURCE)
    return variable.description("Narrows the panels about series; those about streams have no such labels.")


def _labels(name: str, label: str, source: str) -> builders.QueryVariable:
    return _variable(name, label, source if "(" in source else f"label_values({source}, {name})")


def _variable(name: str, label: str, query: str) -> builders.QueryVariable:
    variable = builders.QueryVariable(name).label(label).query(query).datasource(DATASOURCE)
    return variable.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)

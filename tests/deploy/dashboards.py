"""The committed dashboards as Grafana takes them: panels, queries, variables put in."""

import json
import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana"
UIDS = ("klaxon-overview", "klaxon-series", "klaxon-daemon")
#: What Grafana puts in for its own variables.
BUILT_IN = {"__range": "60s", "__rate_interval": "30s"}


def dashboard(uid):
    """One dashboard as it is committed."""
    return json.loads((FOLDER / f"{uid}.json").read_text())


def panels(made):
    """Its panels, without the rows that are titles."""
    return [panel for panel in made["panels"] if panel["type"] != "row"]


def variables(made):
    """Its template variables by name."""
    return {variable["name"]: variable for variable in made["templating"]["list"]}


def expressions(made):
    """Yield (panel or annotation, name of the query, expression) for everything that asks Prometheus."""
    for panel in panels(made):
        for target in panel["targets"]:
            yield panel["title"], target["refId"], target["expr"]
    for annotation in made["annotations"]["list"]:
        yield annotation["name"], "annotation", annotation["expr"]


def put_in(text, chosen):
    """Replace $name, ${name} and ${name:raw}, as Grafana does; one that is not known fails."""
    values = BUILT_IN | chosen
    return re.sub(r"\$(?:\{(\w+)(?::raw)?\}|(\w+))", lambda found: values[found[1] or found[2]], text)


def option_texts(samples):
    """What Grafana's query_result() gives: one text a sample, then what the variable's regex takes of it."""
    for sample in samples:
        labels = ",".join(f'{name}="{text}"' for name, text in sorted(sample.labels.items()))
        yield f"{{{labels}}} {sample.value:g} 1700000000000"

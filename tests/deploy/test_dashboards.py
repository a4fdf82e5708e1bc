"""The dashboards: fresh, about metrics that exist, and by the rules of Grafana's dashboard-linter."""

import json
import re
import shutil
import subprocess
from itertools import combinations
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from daemon.metrics import CATALOGUE
from daemon.rules import Terms, rule_groups, yaml_text
from deploy.grafana.source.__main__ import DASHBOARDS, text
from tests.deploy.dashboards import FOLDER, UIDS, dashboard, expressions, panels, variables
from tests.deploy.rule_worlds import DRIFTS, replica, rising, unit_test

RULES = [rule for group in rule_groups(Terms(grafana="https://g"))["groups"] for rule in group["rules"]]
#: What a scrape and Prometheus itself have beside the catalogue.
OTHERS = {"ALERTS", "process_cpu_seconds_total", "process_resident_memory_bytes", "scrape_samples_scraped"}
#: Rates over another range than Grafana's, by panel.
RANGES = {"Errors logged": "counts over all that is shown"}
#: Where Grafana's types are looked for: `npm install --prefix .cache/grafana-schema @grafana/schema@13.2.3 typescript`.
SCHEMA = FOLDER.parents[1] / ".cache" / "grafana-schema"
#: The types have enums where JSON has their values, and know nothing of what Prometheus' annotations say.
TYPES = """\
import type { AnnotationQuery, Dashboard } from "@grafana/schema";
type Plain<T> = T extends string ? `${T}` : T extends number ? number
  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Alarms = Plain<AnnotationQuery> & { expr: string; titleFormat: string; textFormat: string; step: string };
type Shipped = Omit<Plain<Dashboard>, "annotations"> & { annotations: { list: Alarms[] } };
"""

every = pytest.mark.parametrize("uid", UIDS)


def selectors(expression):
    """The metrics of an expression with what is selected of them."""
    return re.findall(r"([a-zA-Z_:][\w:]*)\{((?:[^{}]|\$\{[^}]*\})*)\}", expression)


@every
def test_the_file_is_what_the_program_writes(uid):
    assert (FOLDER / f"{uid}.json").read_text() == text(uid), "stale: make golden"


def test_nothing_else_lies_beside_them():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(DASHBOARDS) == set(UIDS)


@every
def test_every_query_asks_for_metrics_that_exist(uid):
    derived = {f"{name}{suffix}" for name in CATALOGUE for suffix in ("_bucket", "_sum", "_count")}
    known = set(CATALOGUE) | derived | {rule["record"] for rule in RULES if "record" in rule} | OTHERS
    for title, _, expression in expressions(dashboard(uid)):
        names = {name for name, _ in selectors(expression)}
        assert names, title
        assert names <= known, title
        # No metric stands without a selector.
        assert set(re.findall(r"\b(?:\w+:)?klaxon_\w+(?::\w+)?", expression)) <= names, title


@every
def test_every_query_asks_for_the_deployment_that_is_chosen(uid):
    """target-job, target-instance: of a series, of which there is one, by equality."""
    wanted = {
        "klaxon-overview": ('namespace=~"$namespace', 'job=~"$job'),
        "klaxon-series": ('namespace="$namespace"', 'job="$job"', 'stream="$stream"'),
        "klaxon-daemon": ('namespace=~"$namespace', 'job=~"$job'),
    }[uid]
    made = dashboard(uid)
    for title, name, expression in expressions(made):
        for metric, selected in selectors(expression):
            assert all(matcher in selected for matcher in wanted), (title, metric)
            if uid == "klaxon-daemon" and name != "annotation":
                assert 'instance=~"$instance"' in selected, (title, metric)


@every
def test_rates_are_over_grafana_s_own_interval(uid):
    found = [
        (title, span)
        for title, _, expression in expressions(dashboard(uid))
        for span in re.findall(r"(?:rate|increase)\([^\[]*\[([^\]]*)\]", expression)
    ]
    assert len(found) > 3
    assert {title for title, span in found if span != "$__rate_interval"} <= set(RANGES)


@every
def test_every_panel_says_what_it_shows_in_what_unit_and_from_where(uid):
    made = dashboard(uid)
    shown = panels(made)
    assert len({panel["title"] for panel in shown}) == len(shown)
    assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"])
    for panel in shown:
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        for source in (panel["datasource"], *(target["datasource"] for target in panel["targets"])):
            assert source == {"type": "prometheus", "uid": "${datasource}"}
        references = [target["refId"] for target in panel["targets"]]
        assert references
        assert len(set(references)) == len(references)


@every
def test_what_needs_the_rules_says_so_where_it_is_empty(uid):
    for panel in panels(dashboard(uid)):
        if panel["type"] == "timeseries" and any("series:klaxon" in target["expr"] for target in panel["targets"]):
            assert "rules of klaxond" in panel["fieldConfig"]["defaults"]["noValue"]


@every
def test_variables_are_those_that_people_know(uid):
    made = dashboard(uid)
    known = variables(made)
    assert known["datasource"]["type"] == "datasource"
    assert (known["datasource"]["query"], known["datasource"]["label"]) == ("prometheus", "Data source")
    for name, variable in known.items():
        if variable["type"] == "query":
            assert variable["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert variable["refresh"] == 2, f"{name}: not asked again when the time range changes"
            assert variable["label"] == name.capitalize()
    for name in ("job", "instance") if uid == "klaxon-daemon" else ("job",) if uid == "klaxon-overview" else ():
        assert (known[name]["multi"], known[name]["allValue"]) == (True, ".+")
    # No namespace at all, as outside of Kubernetes, is all of them.
    if uid != "klaxon-series":
        assert known["namespace"]["allValue"] == ".*"


@every
def test_every_variable_that_is_used_exists_and_every_one_is_used(uid):
    made = dashboard(uid)
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(made)))
    assert used == set(variables(made)) - {"labels"}  # Grafana puts filters in by itself


@every
def test_panels_fill_the_grid_and_do_not_overlap(uid):
    boxes = [panel["gridPos"] for panel in dashboard(uid)["panels"]]
    for box in boxes:
        assert box["x"] >= 0
        assert box["x"] + box["w"] <= 24
    for one, other in combinations(boxes, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
    rows = {}
    for box in boxes:
        rows[box["y"]] = rows.get(box["y"], 0) + box["w"]
    assert set(rows.values()) == {24}


@every
def test_links_lead_to_our_dashboards_and_name_variables_that_these_have(uid):
    made = dashboard(uid)
    assert {link["url"] for link in made["links"]} == {f"/d/{other}" for other in UIDS if other != uid}
    for url in re.findall(r'"(/d/[^"]*)"', json.dumps(made)):
        path, _, query = url.partition("?")
        target = path.removeprefix("/d/")
        assert target in UIDS
        assert set(re.findall(r"var-(\w+)=", query)) <= set(variables(dashboard(target)))


@every
def test_a_dashboard_is_read_only_small_and_known_by_its_uid(uid):
    made = dashboard(uid)
    assert (made["uid"], made["editable"], made["tags"]) == (uid, False, ["klaxon"])
    assert made["title"].startswith("Klaxon / ")
    assert made["description"].endswith(".")
    assert (FOLDER / f"{uid}.json").stat().st_size < 2**20 // 3, "three of them fit into one ConfigMap"
    assert set(re.findall(r'"uid": "([^"]*)"', json.dumps(made))) == {uid, "${datasource}"}


def test_every_alert_is_drawn_where_its_labels_are_known():
    drawn = {
        annotation["name"]: set(re.search(r'alertname=~"([^"]*)"', annotation["expr"])[1].split("|"))
        for annotation in dashboard("klaxon-series")["annotations"]["list"]
    }
    of_series, of_stream = drawn["Alarms about the series"], drawn["Alarms about its stream"]
    assert of_series == {"KlaxonDrift", "KlaxonPairsNotComparable", "KlaxonInfinite", "KlaxonEstimateUnreliable"}
    assert of_series | of_stream == {rule["alert"] for rule in RULES if "alert" in rule}
    assert not of_series & of_stream


@pytest.mark.prometheus
@pytest.mark.parametrize("namespace", [None, "models"])
def test_an_alarm_leads_to_its_series_and_one_of_a_stream_to_the_overview(promtool, tmp_path, namespace):
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml_text(Terms(grafana="https://grafana.example")))
    world = replica(models=[{**DRIFTS, "model": "a/b"}], rejected=rising(300))
    if namespace:
        world = {re.sub(r"\{", f'{{namespace="{namespace}",', key, count=1): value for key, value in world.items()}
    place = {"var-job": ["klaxon"], "var-stream": ["pairs"]} | ({"var-namespace": [namespace]} if namespace else {})
    for alert, page, variables_of_it in (
        ("KlaxonDrift", "/d/klaxon-series", {"var-series": ['model="a/b"'], "var-window": ["1h"]}),
        ("KlaxonRecordsRejected", "/d/klaxon-overview", {"from": ["now-6h"]}),
    ):
        check = {"eval_time": "20m", "alertname": alert, "exp_alerts": []}
        path = tmp_path / "test.yaml"
        path.write_text(json.dumps(yaml.safe_load(unit_test(world, 20, [check])) | {"rule_files": [str(rules)]}))
        _, said = promtool("test", "rules", path)
        (url,) = re.findall(r'dashboard_url=("(?:[^"\\]|\\.)*")', said)
        parts = urlsplit(json.loads(url))
        assert (parts.netloc, parts.path) == ("grafana.example", page)
        assert parse_qs(parts.query) == place | variables_of_it


def test_linter_exclusions_have_reasons():
    made = yaml.safe_load((FOLDER / ".lint").read_text())["exclusions"]
    assert made
    assert all(rule["reason"].endswith(".") for rule in made.values())


@every
def test_grafana_s_own_types_take_the_dashboard(uid, tmp_path):
    compiler = SCHEMA / "node_modules" / ".bin" / "tsc"
    if shutil.which("node") is None or not compiler.exists():
        pytest.skip("no @grafana/schema (npm install --prefix .cache/grafana-schema @grafana/schema@13.2.3 typescript)")
    for name, content, fits in (
        ("right", text(uid), True),
        ("misspelt", text(uid).replace('"fieldConfig"', '"fieldConfigs"'), False),
    ):
        program = tmp_path / f"{name}.ts"
        program.write_text(f"{TYPES}const made = {content.strip()} satisfies Shipped;\nvoid made;\n")
        (tmp_path / "node_modules").exists() or (tmp_path / "node_modules").symlink_to(SCHEMA / "node_modules")
        options = "--noEmit --strict --skipLibCheck --moduleResolution bundler --module esnext --target es2022"
        command = [compiler, *options.split(), program]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode == 0) == fits, done.stdout[:2000]

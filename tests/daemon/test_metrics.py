"""The catalogue keeps Prometheus' conventions, and the shipped reference is generated from it."""

import re

import pytest

from config.vocabulary import RESERVED_LABELS
from daemon.metric import Kind, Scope
from daemon.metrics import CATALOGUE
from daemon.metrics_reference import FILE, markdown

METRICS = list(CATALOGUE.values())


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_units_and_help_keep_the_conventions(metric):
    assert re.fullmatch(r"klaxon_[a-z][a-z_]*[a-z]", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert metric.unit in {"", "nats", "seconds", "bytes"}, "base units only"
    assert metric.unit in metric.family, "a unit stands in the name"
    assert metric.help.endswith(".")
    assert not set('"\\\n') & set(metric.help), "nothing to escape"
    assert all(re.fullmatch(r"[a-z][a-z_]*", label) for label in metric.labels)
    assert not re.search(r"_(sum|count|bucket|created)$", metric.name), "reserved for parts of other metrics"


def test_a_series_label_of_the_configuration_can_not_collide_with_a_label_of_ours():
    ours = {
        label
        for metric in METRICS
        if metric.scope in {Scope.SERIES, Scope.WINDOW}
        for label in metric.all_labels
        if label.islower()
    }
    assert ours <= set(RESERVED_LABELS)


def test_the_shipped_reference_is_current():
    assert FILE.read_text(encoding="utf-8") == markdown(), "run `python -m daemon.metrics_reference` (or `make golden`)"


def test_the_reference_names_every_metric_once():
    page = markdown()
    assert [name for name in CATALOGUE if page.count(f"| `{name}` |") != 1] == []

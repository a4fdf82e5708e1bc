"""How the live loop judges what a webhook was told: one alert too many, too few, twice or not resolved is found."""

import http.client
import json

import pytest
import yaml

from daemon.demo.scenarios import SCENARIOS
from tests.e2e.alert_plays import PLAYS, alarm, drift, raised
from tests.e2e.alert_stage import until
from tests.e2e.alert_texts import faults_of
from tests.e2e.alertmanagers import SHIPPED, configuration
from tests.e2e.webhooks import Heard, Told, heard, listening, named

DRIFT, REJECTED = "KlaxonDrift", "KlaxonRecordsRejected"


def told(*events, stream="one"):
    """Notifications of a stream, from (status, alert)."""
    return [Told(status, {"alertname": name, "stream": stream}, {}, "chat") for status, name in events]


def label(name, stream="one"):
    return named(alertname=name, stream=stream)


def test_alerts_that_fire_at_the_same_time_are_one_act_and_the_next_one_is_another():
    events = told(
        ("firing", REJECTED), ("firing", DRIFT), ("resolved", DRIFT), ("resolved", REJECTED), ("firing", DRIFT)
    )  # fmt: skip
    expected = Heard(((label(DRIFT), label(REJECTED)), (label(DRIFT),)), frozenset({label(DRIFT)}))
    assert heard(events) == {"one": expected}


def test_a_notification_that_repeats_a_status_is_no_event():
    once = told(("firing", DRIFT), ("resolved", DRIFT))
    again = told(("firing", DRIFT), ("firing", DRIFT), ("resolved", DRIFT), ("resolved", DRIFT))
    assert heard(again) == heard(once) == {"one": Heard(((label(DRIFT),),))}


@pytest.mark.parametrize("beside", [(), (("firing", REJECTED),)], ids=["alone", "beside another"])
def test_an_alert_that_ends_and_comes_back_is_heard_twice(beside):
    flapping = told(*beside, ("firing", DRIFT), ("resolved", DRIFT), ("firing", DRIFT))
    (found,) = heard(flapping).values()
    assert sum(act.count(label(DRIFT)) for act in found.acts) == 2


def test_streams_are_told_apart_and_an_alert_of_none_is_heard_too():
    absent = Told("firing", {"alertname": "KlaxonAbsent"}, {}, "pager")
    found = heard([*told(("firing", DRIFT)), *told(("firing", DRIFT), stream="two"), absent])
    assert set(found) == {"one", "two", ""}


def test_a_scenario_under_the_expectation_of_another_is_refuted():
    """But for the stream's name, which is taken out."""
    unlike = {
        play.stream: [tuple(text.replace(f'"{play.stream}"', '"any"') for text in act) for act in play.expected.acts]
        for play in PLAYS
    }
    assert unlike["shift"] == unlike["ramp"] != unlike["truncated"] != unlike["nan-burst"] != unlike["all-silent"]
    assert unlike["story"] == unlike["truncated"] + unlike["shift"]
    assert unlike["null"] == unlike["silence"] == unlike["retired"] == []


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=list(SCENARIOS))
def test_every_scenario_is_played_and_pages_what_the_status_page_says(scenario):
    assert scenario.name in {play.stream for play in PLAYS}
    alerts = {"drift": {"KlaxonDrift"}, "not_comparable": {"KlaxonPairsNotComparable"}}
    for step in scenario.steps:
        found = {text.partition("{")[0] for text in raised(step.traffic, scenario.name)}
        assert found & set.union(*alerts.values()) == alerts.get(step.expects, set())


def test_only_waits_and_addresses_of_the_shipped_example_are_changed():
    shipped, used = yaml.safe_load(SHIPPED.read_text()), configuration("127.0.0.1:1")

    def plain(tree):
        if isinstance(tree, dict):
            return {
                key: plain(each) for key, each in tree.items() if key not in ("group_wait", "group_interval", "url")
            }
        return [plain(each) for each in tree] if isinstance(tree, list) else tree

    assert plain(shipped) == plain(used)
    assert shipped != used


def test_the_webhook_keeps_what_is_posted_to_it():
    labels = {"alertname": DRIFT, "stream": "one"}
    body = json.dumps({"alerts": [{"status": "firing", "labels": labels, "annotations": {}}]})
    with listening() as webhook:
        connection = http.client.HTTPConnection(webhook.address, timeout=5)
        connection.request("POST", "/chat", body)
        assert connection.getresponse().status == 200
        connection.close()
        assert webhook.told == [Told("firing", labels, {}, "chat")]
        assert webhook.of("one").open == {label(DRIFT)}
        assert webhook.of("two") == Heard()


def test_the_same_alert_of_another_series_has_another_name():
    assert drift("one") != drift("two") != alarm("KlaxonDrift", "two")


def test_what_does_not_come_is_told_with_what_is_there_at_the_end():
    asked = []
    with pytest.raises(AssertionError) as error:
        until(lambda: asked.append("once"), "drift", seconds=0.6, instead=lambda: f"asked {len(asked)} times")
    assert str(error.value).startswith(f"no drift within 1 s, but asked {len(asked)} times; load")


SAID = {
    "summary": "Drift (warning) in stream one, model a: KL(q||p) is 2.3 times its threshold.",
    "description": "KL(q||p) over 15s is 0.229 nats (95 % interval 0.223 to 0.235), 2.3 times the threshold of 0.1; .",
    "runbook_url": "deploy/runbooks/KlaxonDrift.md",
    "dashboard_url": "https://grafana.example/d/klaxon-series?var-window=15s&var-stream=one",
}


def test_what_a_right_alert_says_has_no_fault():
    assert faults_of(Told("firing", {"alertname": DRIFT, "stream": "one"}, SAID, "chat")) == []


@pytest.mark.parametrize(
    ("key", "right", "wrong"),
    [
        ("summary", "2.3 times", "<no value> times"),
        ("summary", "2.3 times", "%!g(string=) times"),
        ("summary", "2.3 times", "NaN times"),
        ("description", "0.235", "+Inf"),
        ("description", "0.235", "not known"),
        ("description", "0.229", "0.329"),
        ("description", "2.3 times", "23 times"),
        ("description", "0.223 to", "0.231 to"),
        ("runbook_url", "Drift", "Drifts"),
        ("dashboard_url", "klaxon-series", "klaxon-serie"),
        ("dashboard_url", "var-stream=one", "var-stream=two"),
    ],
)
def test_each_fault_in_what_an_alert_says_is_found(key, right, wrong):
    said = SAID | {key: SAID[key].replace(right, wrong)}
    assert said != SAID
    (fault, *_) = faults_of(Told("firing", {"alertname": DRIFT, "stream": "one"}, said, "chat"))
    assert f" {key} is wrong" in fault

"""The rule file, its runbooks and the example for Alertmanager: fresh, named by convention, about what exists."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer
import yaml

from daemon.__main__ import app
from daemon.metrics import CATALOGUE
from daemon.rules import Terms, rule_groups

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "klaxon.rules.yaml"
RUNBOOKS = DEPLOY / "runbooks"
ALERTMANAGER = DEPLOY / "alertmanager" / "alertmanager.yaml"
(GROUP,) = yaml.safe_load(RULES.read_text())["groups"]
ALERTS = {rule["alert"]: rule for rule in GROUP["rules"] if "alert" in rule}
RECORDED = {rule["record"] for rule in GROUP["rules"] if "record" in rule}
HISTOGRAMS = {f"{name}{suffix}" for name in CATALOGUE for suffix in ("_bucket", "_sum", "_count")}
CONFIGURATION = """\
kafka: {bootstrap_servers: ["127.0.0.1:9092"], group_id: klaxond}
streams: [{topic: pairs}]
"""


def named(text):
    """The metrics that a text names, and the recorded ones."""
    recorded = re.findall(r"(?:series|stream):klaxon_[a-z_]+:[a-z_]+", text)
    rest = re.sub(r"(?:series|stream):klaxon_[a-z_]+:[a-z_]+", "", text)
    return set(re.findall(r"\bklaxon_[a-z_]*[a-z]\b", rest)), set(recorded)


def printed(run, *arguments):
    status, out, err = run("rules", *arguments)
    assert (status, err) == (0, "")
    return out


def test_the_shipped_file_is_what_the_command_prints_for_the_defaults(klaxond, monkeypatch):
    monkeypatch.setenv("KLAXON_WINDOWS", '["1m"]')  # the defaults are the same whatever stands in the environment
    assert RULES.read_text() == printed(klaxond), "stale: make golden"


def test_the_file_is_made_for_the_windows_of_a_configuration(klaxond, tmp_path):
    path = tmp_path / "klaxon.yaml"
    path.write_text(CONFIGURATION + "windows: [10m, 30m, 6h]\nmin_messages: 7\npublish_interval: 2m\n")
    text = printed(
        klaxond,
        "--config.file",
        path,
        "--for",
        "2m",
        "--runbook-url",
        "https://runbooks.example/",
        "--grafana-url",
        "https://grafana.example/",
    )
    expected = Terms(
        short="10m", long="30m", short_seconds=600.0, hold="2m", patience="6m", rate="10m", min_messages=7,
        stale_seconds=480.0, runbooks="https://runbooks.example/", grafana="https://grafana.example",
    )  # fmt: skip
    assert yaml.safe_load(text) == rule_groups(expected)
    assert set(re.findall(r'window="([^"]+)"', text)) == {"10m", "30m"}
    assert "https://runbooks.example/KlaxonDrift.md" in text
    assert text.count("dashboard_url: https://grafana.example/d/klaxon-") == len(ALERTS)


def test_one_window_is_the_short_and_the_long_one(klaxond, tmp_path, promtool):
    path = tmp_path / "klaxon.yaml"
    path.write_text(CONFIGURATION + "windows: [1m30s]\n")
    text = printed(klaxond, "--config.file", path)
    assert set(re.findall(r'window="([^"]+)"', text)) == {"1m30s"}
    rules = tmp_path / "rules.yaml"
    rules.write_text(text)
    assert promtool("check", "rules", "--lint=all", "--lint-fatal", rules) == (0, "")


def test_json_holds_the_same(klaxond):
    assert json.loads(printed(klaxond, "--output", "json")) == yaml.safe_load(printed(klaxond))


@pytest.mark.parametrize("hold", ["5x", "300", ""])
def test_a_wrong_duration_is_answered_in_a_sentence(klaxond, hold):
    status, out, err = klaxond("rules", "--for", hold)
    assert (status, out) == (2, "")
    assert "--for" in err
    assert "5m" in err


def test_rules_use_only_metrics_of_the_catalogue_and_what_was_recorded_before():
    recorded = set()
    for rule in GROUP["rules"]:
        metrics, used = named(json.dumps(rule["expr"]) + json.dumps(rule.get("annotations", {})))
        assert metrics <= set(CATALOGUE), rule
        assert used <= recorded, rule
        if "record" in rule:
            recorded.add(rule["record"])


def test_recorded_names_say_their_level_their_metric_and_what_was_done():
    for name in RECORDED:
        level, metric, operation = name.split(":")
        assert level in ("series", "stream")
        assert metric in CATALOGUE
        assert re.fullmatch(r"[a-z_]+", operation)


def test_every_alert_has_what_an_alert_needs():
    for name, rule in ALERTS.items():
        assert re.fullmatch(r"Klaxon[A-Z][A-Za-z]+", name)
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        severity = rule.get("labels", {}).get("severity")
        # A drift's severity is its threshold's.
        assert severity in ("critical", "warning", "info") if name != "KlaxonDrift" else severity is None


def test_alerts_and_runbooks_are_one_to_one():
    assert {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"} == set(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook_url"] == f"deploy/runbooks/{name}.md"
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| ([\w ]+) \|", (RUNBOOKS / "README.md").read_text(), re.MULTILINE)
    assert [row[0] for row in rows] == [row[1] for row in rows] == list(ALERTS)
    severities = [rule.get("labels", {}).get("severity", "of the threshold") for rule in ALERTS.values()]
    assert [row[2] for row in rows] == severities


@pytest.mark.parametrize("page", sorted(path.name for path in RUNBOOKS.glob("Klaxon*.md")))
def test_a_runbook_says_what_it_means_what_it_does_why_and_what_to_do_about_it(page):
    text = (RUNBOOKS / page).read_text()
    assert text.startswith(f"# {page.removesuffix('.md')}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    metrics, recorded = named(text)
    assert metrics <= set(CATALOGUE) | HISTOGRAMS
    assert recorded <= RECORDED
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        assert (RUNBOOKS / target).exists(), target
    commands = typer.main.get_command(app).commands
    for verb, line in re.findall(r"`klaxond ([a-z]+)([^`]*)`", text):
        known = {option for parameter in commands[verb].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z][\w.-]*", line)) <= known


def test_the_settings_that_a_runbook_or_an_alert_names_exist():
    sections = json.loads((DEPLOY / "reference" / "settings.schema.json").read_text())["$defs"]
    known = {key for section in sections.values() for key in section.get("properties", {})}
    texts = "".join(page.read_text() for page in RUNBOOKS.glob("Klaxon*.md"))
    told = set(re.findall(r"`(export\.\w+|dead_letter\.\w+|kafka\.\w+|web\.\w+)", texts))
    told |= set(re.findall(r"\b(export\.(?:moments|estimators|directions))\b", RULES.read_text()))
    assert told
    assert {key.split(".")[1] for key in told} <= known


@pytest.mark.parametrize("reason_metric", ["records_rejected_total", "pairs_rejected_total"])
def test_a_runbook_of_rejects_explains_every_reason(reason_metric):
    from daemon.codec.results import RECORD_REASONS
    from estimators.validation import PAIR_REASONS

    page, reasons = {
        "records_rejected_total": ("KlaxonRecordsRejected.md", RECORD_REASONS),
        "pairs_rejected_total": ("KlaxonPairsRejected.md", PAIR_REASONS),
    }[reason_metric]
    explained = set(re.findall(r"`([a-z_]+)`", (RUNBOOKS / page).read_text()))
    assert set(reasons) <= explained


def test_the_page_lists_the_thresholds_of_a_configuration_that_loads(tmp_path):
    from config.settings import load

    (block,) = re.findall(r"```yaml\n(.*?)```", (RUNBOOKS / "KlaxonThresholdMissing.md").read_text(), re.DOTALL)
    path = tmp_path / "klaxon.yaml"
    path.write_text(CONFIGURATION.splitlines()[0] + "\n" + block)
    assert [each.severity for each in load(path, {}, env={}).streams[0].thresholds] == ["warning", "critical"]


# Alertmanager


@pytest.fixture
def amtool():
    """Run amtool: amtool(*arguments) -> (exit status, what it said)."""
    program = shutil.which("amtool")
    if program is None:
        reason = "no amtool in PATH (Debian: apt-get install prometheus-alertmanager)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)

    def run(*arguments):
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout

    return run


def test_alertmanager_takes_the_example(amtool):
    status, said = amtool("check-config", ALERTMANAGER)
    assert (status, "SUCCESS" in said) == (0, True), said


@pytest.mark.parametrize(("severity", "receiver"), [("critical", "pager"), ("warning", "chat"), ("info", "digest")])
def test_an_alert_goes_to_whom_its_severity_concerns(amtool, severity, receiver):
    labels = ("alertname=KlaxonDrift", f"severity={severity}", "stream=pairs")
    assert amtool("config", "routes", "test", f"--config.file={ALERTMANAGER}", *labels) == (0, f"{receiver}\n")


def test_inhibitions_are_between_alerts_that_exist_and_of_the_same_stream():
    rules = yaml.safe_load(ALERTMANAGER.read_text())["inhibit_rules"]
    named_alerts = set(re.findall(r"Klaxon\w+", ALERTMANAGER.read_text()))
    assert named_alerts <= set(ALERTS)
    for rule in rules:
        assert {"namespace", "job", "stream"} <= set(rule["equal"])
    sources = {(*rule["source_matchers"], *rule["target_matchers"]) for rule in rules}
    assert any("KlaxonPairsNotComparable" in source and "KlaxonDrift" in target for source, target, *_ in sources)

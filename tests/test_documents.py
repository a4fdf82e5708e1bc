"""What the documents promise exists: modules, metrics, commands, flags, targets, files, configuration, rules."""

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import typer
import yaml

from config.settings import load
from daemon.__main__ import app
from daemon.demo.scenarios import SCENARIOS
from daemon.metrics import CATALOGUE, PREFIX
from tests.benchmarks import bench_messages

ROOT = Path(__file__).parents[1]
PACKAGES = ("daemon", "estimators", "config")
DOCUMENTS = (
    "README.md",
    "DESIGN.md",
    "DECISIONS.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "deploy/README.md",
)
#: What DESIGN.md section 7 names in code marks beside metrics.
NO_METRICS = {"klaxon_", "direction", "stream", "export.moments: true"}


def text_of(document):
    """The text of one document."""
    return (ROOT / document).read_text()


def section(document, number):
    """One numbered section of a document."""
    return re.search(rf"^## {number}\. .*?(?=^## |\Z)", text_of(document), re.MULTILINE | re.DOTALL)[0]


def yaml_blocks():
    """The YAML blocks of the README, parsed, by their first key."""
    found = re.findall(r"^```yaml\n(.*?)^```", text_of("README.md"), re.MULTILINE | re.DOTALL)
    return {next(iter(block)): block for block in map(yaml.safe_load, found)}


def test_the_layout_names_every_module_and_every_named_module_exists():
    layout = re.findall(r"^    ([a-z_/]+\.py)  ", section("DESIGN.md", 2), re.MULTILINE)
    existing = [
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py"
    ]
    assert (set(existing) - set(layout), set(layout) - set(existing)) == (set(), set())
    assert len(layout) == len(set(layout))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_module_that_a_document_mentions_exists(document):
    for path in set(re.findall(r"(?:daemon|estimators|config|tests|deploy)/[\w/.*-]+", text_of(document))):
        assert list(ROOT.glob(path.rstrip(".,"))), path


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_metric_that_a_document_names_is_in_the_catalogue(document):
    named = set(re.findall(r"\bklaxon_[a-z_]*[a-z]\b", text_of(document)))
    derived = {f"{name}{suffix}" for name in CATALOGUE for suffix in ("_bucket", "_sum", "_count")}
    assert named <= set(CATALOGUE) | derived


def test_the_metrics_section_and_the_catalogue_name_the_same_metrics():
    marked = set(re.findall(r"`([^`]+)`", section("DESIGN.md", 7)))
    assert {PREFIX + name for name in marked - NO_METRICS} == set(CATALOGUE)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_and_flag_that_a_document_names_exists(document):
    commands = typer.main.get_command(app).commands
    shown = re.findall(r"\bklaxond ((?:[a-z]+|--version)\b[^\n`#;]*)", text_of(document))
    for line in shown:
        verb = line.split()[0]
        flags = set(re.findall(r"--[a-z][\w.-]*", line)) - {"--version"}
        if verb in commands:
            known = {option for parameter in commands[verb].params for option in parameter.opts}
            assert flags <= known, line
        else:
            # Prose such as "klaxond itself"; but a line with flags is meant to be run.
            assert not flags, line
    for verb in re.findall(r"`klaxond ([a-z]+)", text_of(document)):
        assert verb in commands


def test_the_readme_shows_every_command():
    shown = set(re.findall(r"\bklaxond ([a-z]+)", text_of("README.md"))) | set(
        re.findall(r"make (demo)", text_of("README.md"))
    )
    assert set(typer.main.get_command(app).commands) <= shown


@pytest.mark.parametrize("document", [*DOCUMENTS, ".ci/run"])
def test_every_make_target_that_a_document_names_exists(document):
    targets = set(re.findall(r"^([a-z-]+):.*## ", text_of("Makefile"), re.MULTILINE))
    assert {"setup", "demo", "test", "check", "bench", "golden", "lock", "clean"} <= targets
    assert set(re.findall(r"(?:^    |`|\")make ([a-z-]+)", text_of(document), re.MULTILINE)) <= targets


def test_a_plain_make_lists_every_target():
    targets = set(re.findall(r"^([a-z-]+):.*## ", text_of("Makefile"), re.MULTILINE))
    phony = set(re.search(r"^\.PHONY: (.*)$", text_of("Makefile"), re.MULTILINE)[1].split())
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True)
    assert set(re.findall(r"^  make ([\w-]+)", done.stdout, re.MULTILINE)) == targets == phony


def test_every_entry_of_the_changelog_follows_its_grammar():
    entries = re.findall(r"^- .*(?:\n  .*)*", text_of("CHANGELOG.md"), re.MULTILINE)
    assert entries
    for entry in entries:
        assert re.fullmatch(r"- \[(CHANGE|FEATURE|ENHANCEMENT|BUGFIX)\] [a-z][a-z ]*: \S[^\0]*\.", entry), entry


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_to_a_file_resolves(document):
    for target in re.findall(r"\]\(([^)#\s]+)", text_of(document)):
        if "://" not in target:
            assert (ROOT / document).parent.joinpath(target).exists(), target


def printed_and_shown(command, shown):
    """What a command prints and what the README shows of it, as words; the machine's own speed is left out."""
    program = Path(sys.executable).with_name("klaxond")
    done = subprocess.run(
        [program, *command.split()[1:]], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    # The machine's own speed.
    speed = r"Decoding a record takes .*? (?=The configuration)"
    return (re.sub(speed, "", " ".join(text.split())) for text in (done.stdout, shown))


@pytest.mark.parametrize("verb", ["inspect", "replay"])
def test_what_the_readme_shows_of_a_file_is_what_is_printed(verb):
    pattern = rf"^    \.venv/bin/(klaxond {verb} .*?)$\n\n```text\n(.*?)```"
    printed, shown = printed_and_shown(*re.search(pattern, text_of("README.md"), re.MULTILINE | re.DOTALL).groups())
    assert len(shown) > 300
    assert printed == shown


def test_the_story_that_the_readme_tells_is_the_one_that_the_demo_plays():
    rows = re.findall(r"^\| ([^|]+) \| \*\*([a-z ]+)\*\*.* \|$", text_of("README.md"), re.MULTILINE)
    steps = SCENARIOS["story"].steps
    told = [(what, answer.replace(" ", "_")) for what, answer in rows if answer != "no"]
    assert [answer for _, answer in told] == [step.expects for step in steps]
    for (what, _), step in zip(told, steps, strict=True):
        plain = what.replace("*", "")
        assert plain.split(":")[0] == step.sentence.split(":")[0].split(" to ")[0], step.name
        assert set(re.findall(r"[\d.]+\d", plain)) <= set(re.findall(r"[\d.]+\d", step.sentence)), step.name


@pytest.mark.parametrize("document", ["README.md", "DESIGN.md"])
def test_the_event_that_a_document_shows_is_read(document):
    event = re.search(r'^    (\{"model".*?\})$', text_of(document), re.MULTILINE | re.DOTALL)[1]
    program = Path(sys.executable).with_name("klaxond")
    command = [program, "replay", "--input", "-", "--window", "all", "--output", "json"]
    line = json.dumps(json.loads(event))
    done = subprocess.run(command, input=line, capture_output=True, text=True, timeout=60, check=True)
    found = json.loads(done.stdout)
    assert (found["records"], found["rejected"]) == (1, {})
    assert found["series"][0]["pairs"] == len(json.loads(event)["logp"])


def test_the_smallest_configuration_of_the_readme_loads(tmp_path):
    path = tmp_path / "klaxon.yaml"
    path.write_text(yaml.safe_dump(yaml_blocks()["kafka"]))
    settings = load(path, {}, env={})
    assert settings.streams[0].topic == "pairs"
    assert settings.web.listen_address in json.dumps(yaml_blocks()["scrape_configs"])


def test_the_defaults_of_the_design_are_those_of_the_settings(tmp_path):
    path = tmp_path / "klaxon.yaml"
    path.write_text(yaml.safe_dump(yaml_blocks()["kafka"]))
    table = re.findall(r"^\| `([\w.]+)` \| `(.+)` \|$", section("DESIGN.md", 8), re.MULTILINE)
    written = {key: yaml.safe_load(value) for key, value in table}
    defaults = load(path, {}, env={}).dump()
    for key in written:
        value = defaults
        for part in key.split("."):
            value = value[part]
    assert load(path, written, env={}).dump() == defaults
    assert {key for key in defaults if not isinstance(defaults[key], dict)} - {"streams"} <= set(written)
    stream_keys = re.search(r"Each stream has: (.*?)\n\n", section("DESIGN.md", 8), re.DOTALL)[1]
    assert set(re.findall(r"`(\w+)`", stream_keys)) == set(defaults["streams"][0])


@pytest.fixture
def rules(tmp_path, promtool):
    """The README's alerts as a file of rules, checked by promtool."""
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": yaml_blocks()["groups"]["groups"]}))
    assert promtool("check", "rules", str(path)) == (0, "")
    return path


def test_the_scrape_configuration_of_the_readme_is_one(tmp_path, promtool):
    path = tmp_path / "prometheus.yaml"
    path.write_text(yaml.safe_dump(yaml_blocks()["scrape_configs"]))
    assert promtool("check", "config", str(path)) == (0, "")


def _series(model, value, short, error, pane_error, comparable, infinite=0):
    """Constant samples of one model for the alerts' rule test; None leaves a metric out."""
    rows = {
        'klaxon_kl_nats{model="%s",direction="reverse",estimator="adaptive",window="1h"}': value,
        'klaxon_kl_nats{model="%s",direction="reverse",estimator="adaptive",window="5m"}': short,
        'klaxon_kl_standard_error_nats{model="%s",direction="reverse",estimator="adaptive",window="1h"}': error,
        'klaxon_kl_pane_standard_error_nats{model="%s",direction="reverse",window="1h"}': pane_error,
        'klaxon_comparable{model="%s",window="1h"}': comparable,
        'klaxon_infinite{model="%s",window="1h"}': infinite,
    }
    # Written out: promtool's short form knows no infinity.
    return [
        {"series": name % model, "values": " ".join([str(found)] * 21)}
        for name, found in rows.items()
        if found is not None
    ]


def test_the_alerts_of_the_readme_fire_on_a_sure_drift_on_pairs_that_differ_and_on_infinity_only(rules, promtool):
    drift = [
        {"exp_labels": {"model": model, "direction": "reverse", "window": "1h"}} for model in ("sure", "few_panes")
    ]
    cases = {
        "interval": "1m",
        "input_series": [
            *_series("sure", 0.05, 0.05, 0.001, 0.002, 1),
            *_series("few_panes", 0.05, 0.05, 0.001, None, None),
            *_series("noisy_panes", 0.05, 0.05, 0.001, 0.05, 1),
            *_series("noisy_messages", 0.05, 0.05, 0.05, 0.001, 1),
            *_series("over", 0.05, 0.001, 0.001, 0.002, 1),
            *_series("small", 0.005, 0.005, 0.0001, 0.0001, 1),
            *_series("truncated", 0.05, 0.05, 0.001, 0.002, 0),
            *_series("ruled_out", "Inf", "Inf", None, None, None, infinite=1),
        ],
        "alert_rule_test": [
            {"eval_time": "4m", "alertname": "KlaxonDrift", "exp_alerts": []},
            {"eval_time": "6m", "alertname": "KlaxonDrift", "exp_alerts": drift},
            {
                "eval_time": "6m",
                "alertname": "KlaxonPairsNotComparable",
                "exp_alerts": [{"exp_labels": {"model": "truncated", "window": "1h"}}],
            },
            {"eval_time": "4m", "alertname": "KlaxonInfinite", "exp_alerts": []},
            {
                "eval_time": "6m",
                "alertname": "KlaxonInfinite",
                "exp_alerts": [{"exp_labels": {"model": "ruled_out", "window": "1h"}}],
            },
        ],
    }
    path = rules.with_name("test.yaml")
    path.write_text(yaml.safe_dump({"rule_files": [rules.name], "evaluation_interval": "1m", "tests": [cases]}))
    assert promtool("test", "rules", str(path)) == (0, "")


def test_the_table_of_messages_is_what_the_benchmark_computes(capsys):
    bench_messages.main()
    computed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(computed) == 2 + len(bench_messages.SITUATIONS)
    assert "\n".join(computed) in text_of("README.md")


def test_every_picture_is_shown_by_the_readme_is_small_and_asks_nobody():
    pictures = sorted((ROOT / "deploy/pictures").iterdir())
    assert pictures
    for path in pictures:
        assert f"deploy/pictures/{path.name}" in text_of("README.md"), path.name
        assert path.stat().st_size < 150_000, path.name
        if path.suffix == ".svg":
            root = ET.parse(path).getroot()
            assert root.get("viewBox"), path.name
            assert not re.findall(r"url\(.?http|href=.?http|@import|<script", path.read_text()), path.name

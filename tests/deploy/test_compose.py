"""The compose file: its parts fit one another, each file is what its program takes, and the traffic is read."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from daemon.demo.writer import STREAM
from daemon.rules import Terms

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose"
SERVICES = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]
CONFIG = yaml.safe_load((COMPOSE / "klaxon.yaml").read_text())


def test_klaxond_takes_its_configuration(klaxond):
    status, out, err = klaxond("check", "--config.file", COMPOSE / "klaxon.yaml")
    assert (status, err) == (0, "")
    assert f"reads topic {STREAM}" in out


def test_the_rules_are_those_of_its_configuration(klaxond):
    flags = ("--for", "30s", "--grafana-url", "http://127.0.0.1:3000")
    status, out, _ = klaxond("rules", "--config.file", COMPOSE / "klaxon.yaml", *flags)
    assert status == 0
    assert (COMPOSE / "klaxon.rules.yaml").read_text() == out, "stale: make golden"
    assert CONFIG["windows"][:2] != [Terms().short, Terms().long]  # else the shipped file would do


def test_prometheus_takes_its_configuration_and_scrapes_klaxond(promtool, tmp_path):
    shutil.copy(COMPOSE / "klaxon.rules.yaml", tmp_path)
    path = shutil.copy(COMPOSE / "prometheus.yaml", tmp_path)
    assert promtool("check", "config", str(path)) == (0, "")
    config = yaml.safe_load((COMPOSE / "prometheus.yaml").read_text())
    (scrape,) = config["scrape_configs"]
    assert scrape["static_configs"][0]["targets"] == ["klaxond:9752"]
    assert CONFIG["web"]["listen_address"].endswith(":9752")
    assert config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] == ["alertmanager:9093"]


def test_alertmanager_takes_its_configuration():
    program = shutil.which("amtool")
    if program is None:
        pytest.skip("there is no amtool")
    command = [program, "check-config", str(COMPOSE / "alertmanager.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_mounted_file_is_there_and_every_volume_is_declared():
    declared = set(yaml.safe_load((COMPOSE / "compose.yaml").read_text())["volumes"])
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (COMPOSE / source).exists() if source.startswith(".") else source in declared
    build = SERVICES["klaxond"]["build"]
    assert ((COMPOSE / build["context"]).resolve() / build["dockerfile"]).is_file()


def test_images_have_versions_and_ports_are_of_this_machine_only():
    for service in SERVICES.values():
        name, _, tag = service["image"].rpartition(":")
        assert name
        assert tag != "latest"
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_grafana_finds_prometheus_and_the_dashboards():
    (source,) = yaml.safe_load((COMPOSE / "grafana" / "datasource.yaml").read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    (provider,) = yaml.safe_load((COMPOSE / "grafana" / "dashboards.yaml").read_text())["providers"]
    mounted = {each.split(":")[1]: COMPOSE / each.split(":")[0] for each in SERVICES["grafana"]["volumes"]}
    assert {each.stem for each in mounted[provider["options"]["path"]].glob("*.json")} >= {"klaxon-overview"}
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (mounted[str(home.parent)] / home.name).is_file()


@pytest.mark.kafka
def test_the_traffic_is_what_klaxond_is_configured_to_read(kafka_broker, klaxond, tmp_path):
    from kafka import KafkaConsumer

    servers = kafka_broker.bootstrap_servers
    process = subprocess.Popen([sys.executable, str(COMPOSE / "traffic.py"), servers], stdout=subprocess.DEVNULL)
    try:
        consumer = KafkaConsumer(STREAM, bootstrap_servers=servers, auto_offset_reset="earliest", group_id=None)
        records, deadline = [], time.monotonic() + 30
        while len(records) < 150 and time.monotonic() < deadline:
            records += [each for batch in consumer.poll(500).values() for each in batch]
        consumer.close()
    finally:
        process.terminate()
        process.wait(10)
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"\n".join(each.value for each in records))
    config = COMPOSE / "klaxon.yaml"
    status, out, err = klaxond(
        "replay", "--input", path, "--config.file", config, "--output", "json", "--window", "all"
    )
    assert status == 0, err
    found = json.loads(out)
    assert (found["records"], found["rejected"]) == (len(records), {})
    assert {each["labels"]["version"] for each in found["series"]} == {"1", "2"}

"""The command line: flags, sentences and exit statuses that scripts can rely on."""

import json
import os
import platform
import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from daemon.broker_check import Finding, Grade
from daemon.commands.check import check_folder

ROOT = Path(__file__).parents[2]
SMALLEST = (
    "kafka: {bootstrap_servers: ['127.0.0.1:9092'], group_id: klaxond}\n"
    "streams: [{topic: pairs, format: json, series_labels: [model, version]}]\n"
)


@pytest.fixture
def configuration(tmp_path):
    """Write a configuration file."""

    def write(text=SMALLEST):
        path = tmp_path / "klaxond.yaml"
        path.write_text(text)
        return path

    return write


def test_version_names_ours_pythons_and_the_libraries(klaxond):
    status, out, _ = klaxond("--version")
    assert status == 0
    assert out.startswith(f"klaxond {version('klaxond')} (Python {platform.python_version()}")
    for library in ("kafka-python", "numpy", "msgspec", "prometheus-client"):
        assert f"  {library} {version(library)}\n" in out


def test_the_installed_command_is_the_same_program():
    ran = subprocess.run(
        [Path(sys.executable).with_name("klaxond"), "--version"], check=False, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout.split()[:2]) == (0, ["klaxond", version("klaxond")])


@pytest.mark.parametrize("command", [(), ("run",), ("check",), ("replay",), ("demo",)])
def test_help_documents_the_exit_statuses(klaxond, command):
    status, out, _ = klaxond(*command, "--help")
    assert status == 0
    for line in ("0  everything went well", "2  the flags", "3  a broker", "70  the watchdog"):
        assert line in out


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        ("run", ("--config.file", "--config.secrets-dir", "--web.listen-address", "--web.config.file", "--log.level")),
        ("check", ("--config.file", "--config.secrets-dir", "--web.config.file", "--connect")),
        ("replay", ("--input", "--output", "--preset", "--config.file", "--stream", "--window")),
        ("demo", ("--seconds", "--output", "--bootstrap-servers", "--web.listen-address")),
    ],
)
def test_flags_are_spelt_as_prometheus_spells_them(klaxond, command, flags):
    _, out, _ = klaxond(command, "--help")
    assert all(f"  {flag} " in out for flag in flags)


def test_a_misspelt_flag_is_answered_by_the_nearest(klaxond):
    status, _, err = klaxond("check", "--config.fle", "x")
    assert status == 2
    assert "--config.file" in err


def test_a_bare_command_shows_the_help(klaxond):
    status, out, err = klaxond()
    assert status == 2
    assert "Commands:" in out + err


# check


def test_check_says_what_each_stream_reads_and_publishes(klaxond, configuration):
    text = SMALLEST.replace("[{topic", "[{topic: bandit-log, name: bandit, preset: open-bandit}, {topic")
    status, out, err = klaxond("check", "--config.file", configuration(text))
    assert (status, err) == (0, "")
    bandit, pairs = out.splitlines()
    for part in ("stream bandit", "topic bandit-log", "preset open-bandit", "campaign", "sampled from q"):
        assert part in bandit
    for part in ("stream pairs", "json", "model, version", "5m, 1h, 24h", "127.0.0.1:9752/metrics every 10s"):
        assert part in pairs


def test_check_says_from_which_value_on_a_stream_alerts(klaxond, configuration):
    limits = "thresholds: [{preset: verl}, {nats: 0.5, severity: critical, direction: forward}]"
    status, out, err = klaxond(
        "check", "--config.file", configuration(SMALLEST.replace("{topic", f"{{{limits}, topic"))
    )
    assert (status, err) == (0, "")
    assert out.splitlines()[1] == (
        "thresholds of pairs: warning above 0.1 nats of the reverse KL, preset verl "
        "(a typical outcome's probabilities differ by a factor of 1.56); "
        "critical above 0.5 nats of the forward KL (a typical outcome's probabilities differ by a factor of 2.72)"
    )


def test_check_tells_the_memory_that_the_cap_allows(klaxond, configuration):
    """28 columns of 8 bytes; panes of the default windows: a window and a half, and what a minute of skew adds."""
    panes = (45 + 6) + (45 + 1) + (45 + 1)
    status, out, err = klaxond("check", "--config.file", configuration())
    assert (status, err) == (0, "")
    assert f"memory up to {panes * 28 * 8 * 1024 / 1e6:.0f} MB a partition" in out
    _, out, _ = klaxond("check", "--config.file", configuration(SMALLEST + "max_series_per_partition: 15\n"))
    assert f"memory up to {panes * 28 * 8 * 16 / 1e6:.1f} MB a partition" in out


def test_check_warns_of_a_delay_that_makes_series_large_and_names_it(klaxond, configuration):
    delayed = SMALLEST.replace("{topic: pairs", "{topic: pairs, expected_delay: 24h")
    status, out, err = klaxond("check", "--config.file", configuration(delayed))
    assert status == 0
    assert "warning: streams[0].expected_delay: 1d is kept in panes" in err
    assert "one series takes 2.1 MB in each partition" in err
    assert "memory up to 2,187 MB" in out
    many = SMALLEST + "panes_per_window: 1000\nburn_in: 1000\n"
    assert "warning: panes_per_window: " in klaxond("check", "--config.file", configuration(many))[2]


def test_check_tells_every_fault_with_its_exact_path(klaxond, configuration):
    text = SMALLEST.replace("format", "formt") + "windows: [5m, 7m]\n"
    status, out, err = klaxond("check", "--config.file", configuration(text))
    assert (status, out) == (2, "")
    assert "  streams[0].formt: " in err
    assert "`format`" in err
    assert "  windows: " in err
    assert "`7m`" in err


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_missing_file_is_a_sentence_and_a_usage_fault(klaxond, tmp_path, command):
    status, _, err = klaxond(command, "--config.file", tmp_path / "nothing.yaml")
    assert status == 2
    assert "nothing.yaml" in err


def test_the_environment_can_name_the_file(klaxond, configuration, monkeypatch):
    monkeypatch.setenv("KLAXON_CONFIG_FILE", str(configuration()))
    assert klaxond("check")[0] == 0


def test_check_never_shows_a_secret(klaxond, configuration):
    canary = "c4n4ry-in-the-mine"
    sasl = f"security_protocol: SASL_SSL, sasl: {{mechanism: PLAIN, username: u, password: {canary}, nonsense: 1}}"
    status, out, err = klaxond(
        "check", "--config.file", configuration(SMALLEST.replace("group_id", f"{sasl}, group_id"))
    )
    assert status == 2
    assert "nonsense" in err
    assert canary not in out + err


def test_check_tells_where_state_is_kept(klaxond, configuration):
    said = "snapshots: what has changed is written to"
    assert said not in klaxond("check", "--config.file", configuration())[1]
    changelog = SMALLEST + "snapshot: {kind: changelog, interval: 10s}\n"
    _, out, _ = klaxond("check", "--config.file", configuration(changelog))
    assert f"{said} topic klaxond-changelog every 10s" in out


# check --connect


def test_a_folder_of_snapshots_is_looked_at_and_not_made(tmp_path):
    there, missing, file = tmp_path / "there", tmp_path / "there" / "in" / "it", tmp_path / "file"
    there.mkdir()
    file.write_bytes(b"")
    assert check_folder(there) == Finding(Grade.OK, f"folder {there} can be written, for snapshots")
    assert "can be written, and is made at the start" in check_folder(missing).text
    assert (check_folder(file).grade, check_folder(file / "below").grade) == (Grade.MISFIT, Grade.MISFIT)
    assert not missing.exists()


def connected(klaxond, configuration, bootstrap_servers, topic, extra=""):
    text = (
        f"kafka: {{bootstrap_servers: ['{bootstrap_servers}'], group_id: {topic}}}\n"
        f"streams: [{{topic: {topic}, series_labels: [model, version]}}]\n{extra}"
    )
    return klaxond("check", "--config.file", configuration(text), "--connect")


def test_connect_names_a_broker_that_is_not_there(klaxond, configuration):
    status, _, err = connected(klaxond, configuration, "127.0.0.1:1", "pairs")
    assert status == 3
    assert "fault: 127.0.0.1:1 refuses connections" in err


@pytest.mark.kafka
def test_connect_names_a_topic_that_is_not_there(klaxond, configuration, kafka_broker):
    status, out, err = connected(klaxond, configuration, kafka_broker.bootstrap_servers, "no-such-topic")
    assert status == 3
    assert f"ok: {kafka_broker.bootstrap_servers} takes connections" in out
    assert "topic no-such-topic (stream no-such-topic) does not exist" in err


@pytest.mark.kafka
def test_connect_tells_of_wrong_clocks_and_short_retention_and_names_the_command(klaxond, configuration, kafka_broker):
    topic = f"short-{time.time_ns()}"
    kafka_broker.create_topic(topic, 2, {"retention.ms": "3600000"})
    status, out, _ = connected(klaxond, configuration, kafka_broker.bootstrap_servers, topic)
    assert status == 0
    assert f"ok: topic {topic} has 2 partitions" in out
    assert "kafka-configs.sh" in out
    assert f"--entity-name {topic} --add-config message.timestamp.type=LogAppendTime" in out
    # What a restart reads again of the default windows, 46 panes of 24h and two skews of 60s, and one pane more.
    assert f"retention.ms is 3600000, less than the {24 * 3600_000 * 47 // 30 + 2 * 60_000}" in out
    assert "holds no record yet" in out


@pytest.mark.kafka
def test_connect_is_quiet_about_a_topic_that_fits(klaxond, configuration, kafka_broker):
    topic = f"fits-{time.time_ns()}"
    kafka_broker.create_topic(topic, 1, {"retention.ms": "-1", "message.timestamp.type": "LogAppendTime"})
    good = json.dumps({"model": "m", "version": "1", "logp": [-1.0], "logq": [-1.1]}).encode()
    kafka_broker.produce(topic, [good] * 9)
    status, out, err = connected(klaxond, configuration, kafka_broker.bootstrap_servers, topic)
    assert (status, err) == (0, "")
    assert "warning" not in out
    assert "5 of the newest 5 records can be used" in out


@pytest.mark.kafka
def test_connect_tries_records_and_says_why_they_do_not_decode(klaxond, configuration, kafka_broker):
    topic = f"misfit-{time.time_ns()}"
    kafka_broker.create_topic(topic, 1, {"message.timestamp.type": "LogAppendTime", "retention.ms": "-1"})
    kafka_broker.produce(topic, [b'{"model": "m", "version": "1", "logprob": -1}', b"{"])
    status, _, err = connected(klaxond, configuration, kafka_broker.bootstrap_servers, topic)
    assert status == 2
    assert "0 of the newest 2 records can be used" in err
    assert "schema" in err
    assert "syntax" in err
    assert f"{topic}/0 at offset 1" in err
    good = json.dumps({"model": "m", "version": "1", "logp": -1.0, "logq": -1.1}).encode()
    kafka_broker.produce(topic, [good])
    status, out, _ = connected(klaxond, configuration, kafka_broker.bootstrap_servers, topic)
    assert status == 0
    assert "warning: stream" in out
    assert "1 of the newest 3 records can be used" in out


@pytest.mark.kafka
def test_connect_leaves_no_group_and_no_offset_behind(klaxond, configuration, kafka_broker):
    topic = f"untouched-{time.time_ns()}"
    kafka_broker.create_topic(topic, 1)
    kafka_broker.produce(topic, [b"{}"])
    connected(klaxond, configuration, kafka_broker.bootstrap_servers, topic)
    assert topic not in {group["group_id"] for group in kafka_broker.admin.list_groups()}


# run


def test_run_on_a_busy_port_is_a_sentence_and_the_flag_overrides_the_file(configuration):
    text = SMALLEST.replace("9092", "1") + "web: {listen_address: '127.0.0.1:9'}\n"
    with socket.create_server(("127.0.0.1", 0)) as busy:
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        command = [sys.executable, "-m", "daemon", "run", "--config.file", configuration(text)]
        ran = subprocess.run(
            [*command, "--web.listen-address", address],
            check=False,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert ran.returncode in {2, 3}
    assert "klaxond: " in ran.stderr
    assert address in ran.stderr
    assert "Traceback" not in ran.stderr


def test_output_that_nobody_reads_any_more_is_no_fault():
    reads, writes = os.pipe()
    os.close(reads)
    log = ROOT / "daemon" / "data" / "open_bandit_bts.csv.gz"
    command = [sys.executable, "-m", "daemon", "replay", "--input", log, "--preset", "open-bandit", "--window", "all"]
    ran = subprocess.run(command, check=False, cwd=ROOT, stdout=writes, stderr=subprocess.PIPE, timeout=60)
    os.close(writes)
    assert (ran.returncode, ran.stderr) == (0, b"")

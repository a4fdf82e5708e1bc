"""Where settings come from, which source wins, and how files are read."""

import itertools
import re
from datetime import timedelta
from pathlib import Path

import pytest

from config.errors import ConfigError
from config.layers import environment_layer
from config.settings import Settings, load
from config.tree import keys_of

ROOT = Path(__file__).parents[2]


def test_the_smallest_configuration_loads_with_the_documented_defaults(load_text):
    settings = load_text()
    (stream,) = settings.streams
    assert (stream.topic, stream.name, stream.format, stream.preset) == ("pairs", "pairs", "json", "canonical")
    assert stream.series_labels == ("model", "version")
    assert (stream.sampled_from, stream.kind, stream.log_base, stream.time_unit) == ("q", "discrete", "e", "auto")
    assert (stream.sentinel_below, stream.positive_tolerance, stream.resolution) == (-9000, 1e-3, "float32")
    assert (stream.expected_delay, stream.keyed_by_series, stream.thresholds) == (timedelta(), False, ())
    assert settings.windows == ("5m", "1h", "24h")
    assert settings.windows_lengths == (
        ("5m", timedelta(minutes=5)),
        ("1h", timedelta(hours=1)),
        ("24h", timedelta(days=1)),
    )
    assert (settings.panes_per_window, settings.burn_in, settings.min_messages) == (30, 15, 30)
    assert settings.max_skew == timedelta(seconds=60)
    assert settings.max_series_per_partition == 1000
    assert settings.max_record_bytes == 1024 * 1024
    assert settings.max_pairs_per_record == 65_536
    assert (settings.publish_interval, settings.commit_interval) == (timedelta(seconds=10), timedelta(seconds=5))
    assert (settings.replay_span, settings.snapshot.kind) == ("auto", "none")
    assert settings.export.estimators == ("adaptive", "fixed")
    assert settings.export.directions == ("reverse", "forward")
    assert settings.export.moments is False
    kafka = settings.kafka
    assert (kafka.bootstrap_servers, kafka.group_id) == (("127.0.0.1:9092",), "klaxond")
    assert (kafka.session_timeout, kafka.heartbeat_interval) == (timedelta(seconds=10), timedelta(seconds=1))
    assert (kafka.max_poll_interval, kafka.isolation_level) == (timedelta(minutes=5), "read_committed")
    assert (kafka.security_protocol, kafka.insecure, kafka.sasl.mechanism) == ("PLAINTEXT", False, None)
    assert (settings.web.listen_address, settings.web.host, settings.web.port) == ("127.0.0.1:9752", "127.0.0.1", 9752)
    assert (settings.log.level, settings.log.format) == ("info", "logfmt")


def test_a_flag_beats_the_environment_beats_a_secret_file_beats_yaml_beats_the_default(
    load_text, smallest, directory_of_secrets
):
    sources = {
        "secret file": {"secrets_dir": directory_of_secrets(**{"kafka.client_id": "from-secret-file\n"})},
        "environment": {"env": {"KLAXON_KAFKA__CLIENT_ID": "from-environment"}},
        "flag": {"overrides": {"kafka.client_id": "from-flag", "log.level": None}},
    }
    yaml = smallest.replace("group_id: klaxond", "group_id: klaxond, client_id: from-yaml")
    strength = ["default", "yaml", "secret file", "environment", "flag"]
    for given in itertools.chain.from_iterable(itertools.combinations(strength, size) for size in range(1, 6)):
        arguments = {}
        for source in given:
            arguments |= sources.get(source, {})
        settings = load_text(yaml if "yaml" in given else smallest, **arguments)
        strongest = max(given, key=strength.index)
        expected = "klaxond" if strongest == "default" else f"from-{strongest.replace(' ', '-')}"
        assert settings.kafka.client_id == expected, given


def test_sections_are_merged_key_by_key_and_a_list_is_taken_whole(load_text):
    settings = load_text(
        env={"KLAXON_WINDOWS": '["10s", "1m"]', "KLAXON_WEB__LISTEN_ADDRESS": ":0", "KLAXON_LOG": '{"level": "debug"}'},
        overrides={"log.format": "json", "publish_interval": "1s"},
    )
    assert settings.windows == ("10s", "1m")
    assert settings.kafka.group_id == "klaxond"
    assert (settings.log.level, settings.log.format) == ("debug", "json")
    assert (settings.web.host, settings.web.port) == ("0.0.0.0", 0)


def test_without_a_file_flags_and_environment_are_enough():
    settings = load(
        None,
        {"kafka.group_id": "g", "streams": [{"topic": "t", "preset": "open-bandit"}]},
        {"KLAXON_KAFKA__BOOTSTRAP_SERVERS": "a:1, b:2"},
    )
    assert settings.kafka.bootstrap_servers == ("a:1", "b:2")
    assert settings.streams[0].preset == "open-bandit"


def test_the_process_environment_is_read_unless_another_one_is_given(load_text, monkeypatch, tmp_path):
    monkeypatch.setenv("KLAXON_LOG__LEVEL", "error")
    assert load_text().log.level == "info"
    assert load(tmp_path / "klaxon.yaml", {}).log.level == "error"


def test_what_the_scripts_of_the_project_export_is_taken_for_no_setting():
    scripts = [
        ROOT / ".ci" / "run",
        *(ROOT / "tests" / "deploy").glob("with_*"),
        ROOT / "tests" / "deploy" / "cleanly.sh",
    ]
    names = {name for script in scripts for name in re.findall(r"KLAXON_\w+", script.read_text())}
    assert {"KLAXON_TEST_BASE", "KLAXON_TEST_CLUSTER_KIT"} <= names
    assert not environment_layer(dict.fromkeys(names, "x"), Settings).problems


@pytest.mark.parametrize("key", [key for key in keys_of(Settings) if not key.in_list], ids=lambda key: key.variable)
def test_every_setting_outside_of_lists_has_its_variable(key):
    text = '["x"]' if key.structured else "x"
    layer = environment_layer({key.variable: text}, Settings)
    assert not layer.problems
    value = layer.values
    for part in key.parts:
        value = value[part]
    assert value == (["x"] if key.structured else "x")
    assert layer.origins == {".".join(key.parts): key.variable}


def test_an_empty_variable_is_one_that_is_not_set(load_text):
    assert load_text(env={"KLAXON_LOG__LEVEL": ""}).log.level == "info"


def test_variables_of_the_command_line_the_demo_and_the_tests_are_no_settings(load_text):
    names = ("CONFIG_FILE", "KAFKA_HOME", "PROMETHEUS", "PROMTOOL", "TEST_CACHE", "UPDATE_GOLDEN")
    assert load_text(env={f"KLAXON_{name}": "x" for name in names}).dump() == load_text().dump()


def test_what_kubernetes_says_of_a_service_named_klaxon_is_no_setting(load_text):
    settings = load_text(
        env={
            "KLAXON_SERVICE_HOST": "10.0.0.1",
            "KLAXON_SERVICE_PORT": "9752",
            "KLAXON_SERVICE_PORT_HTTP": "9752",
            "KLAXON_PORT": "tcp://10.0.0.1:9752",
            "KLAXON_PORT_9752_TCP": "tcp://10.0.0.1:9752",
            "KLAXON_PORT_9752_TCP_ADDR": "10.0.0.1",
            "KLAXON_METRICS_SERVICE_HOST": "10.0.0.1",
        }
    )
    assert settings.dump() == load_text().dump()


def test_an_unknown_variable_is_an_error_that_names_the_nearest_one(problems):
    found = problems(env={"KLAXON_KAFKA__GRUOP_ID": "g", "KLAXON_STREAMS__0__TOPIC": "t", "KLAXON_QQQQ": "1"})
    assert "did you mean `KLAXON_KAFKA__GROUP_ID`?" in found["KLAXON_KAFKA__GRUOP_ID"]
    assert "write its whole value" in found["KLAXON_STREAMS__0__TOPIC"]
    assert "unknown setting" in found["KLAXON_QQQQ"]


def test_a_variable_with_broken_json_is_told_by_its_name(problems):
    found = problems(env={"KLAXON_WINDOWS": '["5m"', "KLAXON_LOG": '{"level": "info", "level": "warn"}'})
    assert "is no JSON (character 6)" in found["KLAXON_WINDOWS"]
    assert "twice" in found["KLAXON_LOG"]


def test_a_wrong_value_names_the_source_that_it_came_from(problems, directory_of_secrets):
    found = problems(
        overrides={"log.level": "loud", "web.listen_address": "nowhere"},
        env={"KLAXON_MIN_MESSAGES": "many", "KLAXON_EXPORT": '{"moments": "perhaps"}'},
        secrets_dir=directory_of_secrets(KLAXON_KAFKA__GROUP_ID="g" * 300),
    )
    assert found["log.level"].endswith("(from flag --log.level)")
    assert found["web.listen_address"].endswith("(from flag --web.listen-address)")
    assert found["min_messages"].endswith("(from KLAXON_MIN_MESSAGES)")
    assert found["export.moments"].endswith("(from KLAXON_EXPORT)")
    assert "secrets/KLAXON_KAFKA__GROUP_ID)" in found["kafka.group_id"]


def test_a_directory_of_secrets_is_named_by_argument_or_environment_and_hidden_files_are_passed_over(
    load_text, directory_of_secrets
):
    directory = directory_of_secrets(
        **{
            "kafka.group_id": "mounted\n",
            "kafka__client_id": "me",
            "KLAXON_LOG__LEVEL": "warn",
            "..data": "x",
            ".a": "y",
        }
    )
    settings = load_text(secrets_dir=directory)
    assert (settings.kafka.group_id, settings.kafka.client_id, settings.log.level) == ("mounted", "me", "warn")
    assert load_text(env={"KLAXON_SECRETS_DIR": str(directory)}).kafka.group_id == "mounted"


def test_a_file_in_the_directory_of_secrets_that_names_no_setting_is_an_error(problems, directory_of_secrets):
    found = problems(secrets_dir=directory_of_secrets(**{"kafka.sasl.pasword": "x", "kafka.group_id": ""}))
    (message,) = [message for path, message in found.items() if path.endswith("kafka.sasl.pasword")]
    assert "did you mean `kafka.sasl.password`?" in message
    assert any("kafka.group_id is empty" in message for message in found.values())


def test_a_missing_directory_of_secrets_is_an_error(problems, tmp_path):
    assert "cannot be read" in problems(secrets_dir=tmp_path / "nowhere")[str(tmp_path / "nowhere")]


def test_files_in_yaml_are_relative_to_the_yaml_file(load_text, smallest, tmp_path, monkeypatch):
    (tmp_path / "ca.pem").write_text("certificate")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    yaml = smallest.replace("group_id:", "security_protocol: SSL, ssl: {ca_file: ca.pem}, group_id:")
    assert load_text(yaml).kafka.ssl.ca_file == tmp_path / "ca.pem"
    with pytest.raises(ConfigError, match=r"kafka\.ssl\.ca_file: ca\.pem cannot be read"):
        load_text(yaml, env={"KLAXON_KAFKA__SSL__CA_FILE": "ca.pem"})


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: 1\nb: [\n", ":3", "no YAML"),
        ("a: 1\n\tb: 2\n", ":2", "no YAML"),
        ("log: {}\nlog: {}\n", ":2", "the key `log` is there twice"),
        ("kafka:\n  group_id: a\n  group_id: b\n", ":3", "the key `group_id` is there twice"),
        ("- a\n", "", "write a mapping"),
        ("just text\n", "", "write a mapping"),
        ("1: 2\n", ":1", "the key as text"),
        ("log:\n  on: x\n", ":2", "the key as text"),
        ("a: 2024-13-45\n", "", "no YAML"),
        ("a: \x01\n", "", "no YAML"),
        ("a: b\n---\nc: d\n", ":2", "no YAML"),
        ("a: !!python/object/apply:os.getcwd []\n", ":1", "no YAML"),
        ("? [a]\n: b\n", ":1", "no YAML"),
        ("a: !!timestamp b\n", "", "no YAML"),
        ("a: *nowhere\n", ":1", "no YAML"),
        ("a: " + "[" * 5000, "", "no YAML"),
    ],
)
def test_a_yaml_fault_names_the_file_and_the_line(load_text, tmp_path, text, place, message):
    with pytest.raises(ConfigError) as refused:
        load_text(text)
    (problem,) = refused.value.problems
    assert problem.path == f"{tmp_path / 'klaxon.yaml'}{place}"
    assert message in problem.message


def test_every_repeated_key_is_told(load_text):
    with pytest.raises(ConfigError) as refused:
        load_text("log: {level: info, level: warn}\nweb: {}\nweb: {}\n")
    assert len(refused.value.problems) == 2


def test_a_file_that_cannot_be_read_is_told_by_its_name(tmp_path):
    for path in (tmp_path / "nowhere.yaml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read") as refused:
            load(path, {}, {})
        assert refused.value.problems[0].path == str(path)
    (tmp_path / "latin.yaml").write_bytes(b"log: \xff")
    with pytest.raises(ConfigError, match="no UTF-8"):
        load(tmp_path / "latin.yaml", {}, {})


def test_an_empty_file_and_a_byte_order_mark_are_no_faults(load_text, problems, smallest):
    assert "streams" in problems("")
    assert load_text("\ufeff" + smallest).kafka.group_id == "klaxond"


def test_made_by_hand_settings_read_neither_environment_nor_files(monkeypatch):
    monkeypatch.setenv("WINDOWS", '["1m"]')
    monkeypatch.setenv("KLAXON_WINDOWS", '["1m"]')
    settings = Settings(
        kafka={"bootstrap_servers": ["a:1"], "group_id": "g"},
        streams=[{"topic": "t"}],
    )
    assert settings.windows == ("5m", "1h", "24h")


def test_settings_never_change(load_text):
    settings = load_text()
    for target, name in ((settings, "windows"), (settings.kafka, "group_id"), (settings.streams[0], "topic")):
        with pytest.raises(ValueError, match="frozen"):
            setattr(target, name, "x")


def test_a_dump_loads_to_the_same_settings(load_text):
    settings = load_text()
    dumped = settings.dump()
    assert load(None, dumped, {}).dump() == dumped
    assert dumped["kafka"]["session_timeout"] == "10s"

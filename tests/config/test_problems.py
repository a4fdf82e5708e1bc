"""Faults for people: all of them at once, each with its exact path, what is wrong and what to write."""

import pytest

from config.errors import ConfigError, nearest, one_of, path_text

FAULTY = """\
kafka: {bootstrap_servers: ["127.0.0.1"], group: x, heartbeat_interval: 8s}
streams:
  - {topic: pairs, formt: json, paths: {labels: {q: "a..b"}, log_P: x}, log_base: 1, where: {a: {}}}
  - {}
windows: [5m, 7m]
panes_per_window: true
max_skew: 60
group_id: a
log: {level: warning}
web:
publish_interval: 10m
export: {estimators: [adaptiv, fixed]}
"""


def test_all_faults_are_told_at_once_each_by_its_exact_path(problems):
    found = problems(FAULTY)
    assert set(found) == {
        "kafka.bootstrap_servers[0]",
        "kafka.group",
        "kafka.group_id",
        "kafka.heartbeat_interval",
        "streams[0].formt",
        "streams[0].paths.labels.q",
        "streams[0].paths.log_P",
        "streams[0].log_base",
        "streams[0].where.a",
        "streams[1].topic",
        "windows",
        "panes_per_window",
        "max_skew",
        "group_id",
        "log.level",
        "web",
        "export.estimators[0]",
    }
    assert found["streams[0].formt"] == "unknown key, did you mean `format`?"
    assert found["streams[0].paths.log_P"] == "unknown key, did you mean `log_p`?"
    assert found["kafka.group"] == "unknown key, did you mean `group_id`?"
    assert found["group_id"] == "unknown key, did you mean `kafka.group_id`?"
    assert found["kafka.group_id"] == 'is missing; write it, such as "klaxond"'
    assert found["streams[1].topic"] == 'is missing; write it, such as "pairs"'
    assert (
        "`warning` does not fit; write `debug`, `info`, `warn` or `error`; did you mean `warn`?" in found["log.level"]
    )
    assert "did you mean `adaptive`?" in found["export.estimators[0]"]
    assert "`7m` is no whole multiple of the first, `5m`" in found["windows"]
    assert "more than a third of kafka.session_timeout (10s)" in found["kafka.heartbeat_interval"]
    assert "`60` has no unit" in found["max_skew"]


def test_the_error_reads_as_one_line_per_fault(load_text):
    with pytest.raises(ConfigError) as refused:
        load_text(FAULTY)
    lines = str(refused.value).splitlines()
    assert len(lines) == len(refused.value.problems) == 17
    assert "streams[0].formt: unknown key, did you mean `format`?" in lines


def test_an_empty_configuration_is_told_what_it_needs_at_least(problems):
    assert problems("") == {
        "streams": 'is missing; write it, such as [{"topic": "pairs"}]',
        "kafka.bootstrap_servers": 'is missing; write it, such as ["broker-1:9092"]',
        "kafka.group_id": 'is missing; write it, such as "klaxond"',
    }


@pytest.mark.parametrize(
    ("line", "path", "part"),
    [
        ("streams: []", "streams", "at least one entry"),
        ("streams: {topic: a}", "streams", 'write a list, such as [{"topic": "pairs"}]'),
        ("windows: []", "windows", "at least one entry"),
        ("windows: 5m", "windows", "write a list"),
        ("windows: [300]", "windows[0]", "write a text"),
        ("windows: [0s]", "windows[0]", "longer than 0"),
        ("windows: [5m, 300s]", "windows", "`5m` and `300s` are the same length"),
        ("windows: [1h, 5m]", "windows", "write the shortest first"),
        ("windows: [' 5m']", "windows[0]", "no duration"),
        ("panes_per_window: 2", "panes_per_window", "not below 3"),
        ("panes_per_window: 2.5", "panes_per_window", "`2.5` does not fit; write a whole number"),
        ("burn_in: -1", "burn_in", "not below 0"),
        ("max_skew: -5s", "max_skew", "no duration"),
        ("min_messages: many", "min_messages", "`many` does not fit; write a whole number"),
        ("publish_interval: 0s", "publish_interval", "longer than 0"),
        ("publish_interval: 50ms", "publish_interval", "shorter than 100ms"),
        ("publish_interval: 6m", "publish_interval", "longer than the first window, 5m"),
        ("replay_span: automatic", "replay_span", "no duration"),
        ("replay_span: 0s", "replay_span", "longer than 0"),
        ("snapshot: {kind: file}", "snapshot.path", "is needed"),
        ("snapshot: {kind: disk}", "snapshot.kind", "write `none`, `file` or `changelog`"),
        ("snapshot: {interval: 30}", "snapshot.interval", "no unit"),
        ("snapshot: {interval: 100ms}", "snapshot.interval", "shorter than 1s"),
        ("snapshot: {path: /tmp}", "snapshot.path", "not used where snapshot.kind is `none`"),
        ("snapshot: {kind: changelog, path: /tmp}", "snapshot.path", "not used where snapshot.kind is `changelog`"),
        ("snapshot: {kind: file, path: /tmp, topic: t}", "snapshot.topic", "not used where snapshot.kind is `file`"),
        ("snapshot: {kind: changelog, topic: a b}", "snapshot.topic", "as Kafka names a topic"),
        (
            "snapshot: {kind: changelog, topic: pairs}",
            "snapshot",
            "topic `pairs` is what streams[0] reads; write another snapshot.topic",
        ),
        ("replay_rate: fast", "replay_rate", "no size"),
        ("replay_rate: 0", "replay_rate", "not below 1"),
        ("dead_letter: {topic: a b}", "dead_letter.topic", "as Kafka names a topic"),
        ("dead_letter: {topic: pairs}", "dead_letter", "topic `pairs` is what streams[0] reads"),
        ("dead_letter: {payload: true}", "dead_letter.payload", "without dead_letter.topic"),
        ("export: {estimators: [fixed, fixed]}", "export.estimators", "`fixed` is there twice"),
        ("export: {directions: []}", "export.directions", "at least one entry"),
        ("export: {moments: maybe}", "export.moments", "write true or false"),
        ("web: {listen_address: localhost}", "web.listen_address", "write host:port"),
        ("web: {listen_address: 'a:70000'}", "web.listen_address", "70000 is no port"),
        ("web: {config_fil: x}", "web.config_fil", "did you mean `config_file`"),
        ("web: {config_file: nowhere.yml}", "web.config_file", "cannot be read"),
        ("log: []", "log", "write a mapping"),
    ],
)
def test_a_fault_says_what_to_write(problems, smallest, line, path, part):
    key = line.partition(":")[0]
    base = "\n".join(each for each in smallest.splitlines() if not each.startswith(f"{key}:"))
    found = problems(f"{base}\n{line}\n")
    assert list(found) == [path]
    assert part in found[path]


def test_keys_are_written_exactly(problems, smallest):
    found = problems(smallest + "Log: {level: debug}\nweb: {Listen_Address: ':1'}\n")
    assert found == {
        "Log": "unknown key, did you mean `log`?",
        "web.Listen_Address": "unknown key, did you mean `listen_address`?",
    }


def test_a_pane_below_a_millisecond_is_refused(problems, load_text, smallest):
    found = problems(smallest + "windows: [100ms]\npanes_per_window: 101\npublish_interval: 100ms\n")
    assert "shorter than 1ms" in found["panes_per_window"]
    load_text(smallest + "windows: [100ms]\npanes_per_window: 100\npublish_interval: 100ms\n")


def test_streams_have_distinct_names_and_may_share_a_topic(problems, load_text):
    kafka = "kafka: {bootstrap_servers: [a:1], group_id: g}\n"
    found = problems(kafka + "streams: [{topic: a}, {topic: b}, {topic: c, name: a}]")
    assert found == {"streams": "streams[0] and streams[2] are both named `a`; give one of them another `name`"}
    assert [each.name for each in load_text(kafka + "streams: [{topic: a}, {topic: a, name: b}]").streams] == ["a", "b"]


def test_labels_that_scrape_targets_carry_are_a_warning_and_no_fault(load_text, smallest):
    assert load_text().warnings() == ()
    (warning,) = load_text(smallest.replace("version", "region")).warnings()
    assert warning.path == "streams[0].series_labels"
    assert "exported_region" in warning.message


def test_ipv6_addresses_are_written_in_brackets(load_text, smallest):
    web = load_text(smallest + 'web: {listen_address: "[::1]:9752"}\n').web
    assert (web.host, web.port) == ("::1", 9752)


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("formt", ["topic", "format", "where"], "format"),
        ("burnin", ["burn_in", "max_skew"], "burn_in"),
        ("bootstrapServers", ["group_id", "bootstrap_servers"], "bootstrap_servers"),
        ("listen-address", ["listen_address"], "listen_address"),
        ("zzz", ["topic", "format"], None),
        ("x", [], None),
    ],
)
def test_the_nearest_key_forgives_typing_errors_and_other_programs_habits(word, known, meant):
    assert nearest(word, known) == meant


def test_paths_are_written_as_people_write_them():
    assert path_text(("streams", 0, "paths", "log_p")) == "streams[0].paths.log_p"
    assert path_text(("streams", 1, "where", "header:env")) == 'streams[1].where["header:env"]'
    assert one_of(["a"]) == "`a`"
    assert one_of(["a", "b", "c"]) == "`a`, `b` or `c`"

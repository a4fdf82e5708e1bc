"""The stream hash changes with what the state depends on, and with nothing else."""

import hashlib
import json

import pytest

from config.hashing import stream_hash, stream_hash_fields

KAFKA = "kafka: {bootstrap_servers: [a:1], group_id: g}\n"


@pytest.fixture
def hash_of(load_text):
    """Hash of the first stream, with further keys of the stream and of the top level."""

    def hash_it(keys="", top="", env=None):
        settings = load_text(f"{KAFKA}streams: [{{topic: pairs, {keys}}}]\n{top}", env=env)
        return stream_hash(settings, settings.streams[0])

    return hash_it


@pytest.mark.parametrize(
    ("keys", "top"),
    [
        ("format: msgpack", ""),
        ("preset: open-bandit", ""),
        ("paths: {log_p: lp}", ""),
        ("paths: {labels: {model: m}}", ""),
        ("where: {env: prod}", ""),
        ("series_labels: [model]", ""),
        ("sampled_from: p", ""),
        ("kind: density", ""),
        ("log_base: 2", ""),
        ("time_unit: s", ""),
        ("sentinel_below: -100", ""),
        ("positive_tolerance: 0", ""),
        ("expected_delay: 1s", ""),
        ("", "windows: [5m, 1h]"),
        ("", "windows: [5m, 24h, 1h]"),
        ("", "panes_per_window: 60"),
        ("", "burn_in: 10"),
        ("", "max_skew: 61s"),
        ("", "max_series_per_partition: 10"),
        ("", "max_record_bytes: 1MB"),
        ("", "max_pairs_per_record: 10"),
    ],
)
def test_the_hash_covers_what_the_state_depends_on(hash_of, keys, top):
    assert hash_of(keys, top) != hash_of()


@pytest.mark.parametrize(
    ("keys", "top"),
    [
        ("name: other", ""),
        ("thresholds: [{nats: 1}]", ""),
        ("resolution: bf16", ""),
        ("keyed_by_series: true", ""),
        ("", "export: {moments: true, estimators: [naive]}"),
        ("", "log: {level: debug}"),
        ("", "dead_letter: {topic: dead, payload: true}"),
        ("", "web: {listen_address: ':1'}"),
        ("", "publish_interval: 1s\ncommit_interval: 1s\nreplay_span: 1h\nmin_messages: 1"),
    ],
)
def test_the_hash_leaves_out_what_only_names_judges_or_presents(hash_of, keys, top):
    assert hash_of(keys, top) == hash_of()


def test_the_hash_covers_whether_records_of_aborted_transactions_are_read(hash_of):
    other = hash_of(env={"KLAXON_KAFKA__ISOLATION_LEVEL": "read_uncommitted"})
    assert other != hash_of()
    assert hash_of(env={"KLAXON_KAFKA__ISOLATION_LEVEL": "read_committed"}) == hash_of()


def test_the_hash_does_not_depend_on_the_brokers(hash_of):
    assert hash_of(env={"KLAXON_KAFKA__GROUP_ID": "other", "KLAXON_KAFKA__CLIENT_ID": "x"}) == hash_of()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("expected_delay: 60s", ""), ("expected_delay: 1m", "")),
        (("", "windows: [300s, 60m, 1d]"), ("", "")),
        (("", "max_record_bytes: 1MiB"), ("", "max_record_bytes: 1048576")),
        (("log_base: 2", ""), ("log_base: 2.0", "")),
        (("where: {a: x, b: [1, y]}", ""), ("where: {b: [y, 1], a: [x]}", "")),
        (
            ("series_labels: [a, b], paths: {labels: {a: x, b: y}}", ""),
            ("paths: {labels: {b: y, a: x}}, series_labels: [a, b]", ""),
        ),
    ],
)
def test_two_spellings_of_the_same_meaning_have_one_hash(hash_of, one, other):
    assert hash_of(*one) == hash_of(*other)


def test_values_of_different_types_have_different_hashes(hash_of):
    hashes = {hash_of(f"where: {{a: {value}}}") for value in ("1", "true", "'1'", "'true'", "1.0")}
    assert len(hashes) == 5
    assert hash_of("series_labels: [a, b]") != hash_of("series_labels: [b, a]")


def test_the_hash_is_that_of_canonical_json(load_text, hash_of):
    settings = load_text(f"{KAFKA}streams: [{{topic: pairs}}]")
    fields = stream_hash_fields(settings, settings.streams[0])
    assert json.loads(json.dumps(fields, allow_nan=False)) == fields
    assert fields["state_version"] == 1
    assert fields["windows_us"] == [300_000_000, 3_600_000_000, 86_400_000_000]
    assert set(fields["stream"]) == {
        *("topic", "format", "preset", "paths", "where", "series_labels", "sampled_from", "kind", "log_base"),
        *("time_unit", "sentinel_below", "positive_tolerance", "expected_delay"),
    }


def test_the_hash_is_that_of_this_very_text_until_the_state_version_is_raised(hash_of):
    # Where this text has to change, every stored state becomes void: raise STATE_VERSION only where that is meant.
    text = (
        '{"burn_in":15,"max_pairs_per_record":65536,"max_record_bytes":1048576,"max_series_per_partition":1000,'
        '"max_skew_us":60000000,"panes_per_window":30,"state_version":1,"stream":{"expected_delay":"0s","format":"json",'
        '"kind":"discrete","log_base":2.0,"paths":{"labels":{}},"positive_tolerance":0.001,"preset":"canonical",'
        '"sampled_from":"q","sentinel_below":-9000.0,"series_labels":["model"],"time_unit":"auto","topic":"pairs",'
        '"where":{"env":[{"int":1},{"str":"prod"}]}},"windows_us":[300000000,3600000000,86400000000]}'
    )
    hashed = hash_of("series_labels: [model], where: {env: [prod, 1]}, log_base: 2")
    assert hashed == hashlib.sha256(text.encode()).hexdigest()

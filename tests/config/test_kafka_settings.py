"""kafka: brokers, group, certificates and credentials, and which of them belong together."""

import pytest

BASE = "bootstrap_servers: [a:1], group_id: g"


def full(keys):
    return keys.replace("SASL{", "security_protocol: SASL_SSL, sasl: {")


@pytest.fixture
def kafka(load_text, tmp_path):
    """Load a kafka section."""
    for name in ("ca.pem", "cert.pem", "key.pem", "token", "password"):
        (tmp_path / name).write_text("content\n")
    return lambda keys: load_text(f"kafka: {{{BASE}, {full(keys)}}}\nstreams: [{{topic: t}}]").kafka


@pytest.fixture
def kafka_problems(problems, tmp_path):
    """Refuse a kafka section; paths without `kafka.`."""
    for name in ("ca.pem", "cert.pem", "key.pem", "token", "password"):
        (tmp_path / name).write_text("content\n")

    def refuse(keys):
        found = problems(f"kafka: {{{BASE}, {full(keys)}}}\nstreams: [{{topic: t}}]")
        return {path.removeprefix("kafka."): message for path, message in found.items()}

    return refuse


@pytest.mark.parametrize(
    "servers", ["[a:1, 'b.example.org:9092', '[::1]:9092']", "'a:1, b.example.org:9092 ,[::1]:9092'"]
)
def test_servers_are_a_list_or_one_text_with_commas(load_text, servers):
    text = f"kafka: {{bootstrap_servers: {servers}, group_id: g}}\nstreams: [{{topic: t}}]"
    assert load_text(text).kafka.bootstrap_servers == ("a:1", "b.example.org:9092", "[::1]:9092")


@pytest.mark.parametrize("server", ["a", "a:", ":1", "a:0", "a:65536", "kafka://a:1", "a:1:2", "a b:1", "::1:9092"])
def test_a_server_is_a_host_and_a_port(problems, server):
    text = f"kafka: {{bootstrap_servers: ['{server}'], group_id: g}}\nstreams: [{{topic: t}}]"
    assert list(problems(text)) == ["kafka.bootstrap_servers[0]"]


def test_a_group_has_a_name_of_at_most_249_characters(problems):
    for name in ("' '", "x" * 250):
        text = f"kafka: {{bootstrap_servers: [a:1], group_id: {name}}}\nstreams: [{{topic: t}}]"
        assert list(problems(text)) == ["kafka.group_id"]


def test_heartbeats_come_at_least_three_times_a_session(kafka, kafka_problems):
    assert kafka("session_timeout: 3s").heartbeat_interval.total_seconds() == 1
    assert list(kafka_problems("session_timeout: 2s")) == ["heartbeat_interval"]
    assert list(kafka_problems("heartbeat_interval: 3334ms")) == ["heartbeat_interval"]


@pytest.mark.parametrize(
    "keys",
    [
        "security_protocol: SSL",
        "security_protocol: SSL, ssl: {ca_file: ca.pem}",
        "security_protocol: SSL, ssl: {ca_file: ca.pem, cert_file: cert.pem, key_file: key.pem, key_password: x}",
        "SASL{mechanism: PLAIN, username: u, password: p}",
        "SASL{mechanism: SCRAM-SHA-256, username: u, password_file: password}",
        "ssl: {ca_file: ca.pem}, SASL{mechanism: SCRAM-SHA-512, username: u, password: p}",
        "security_protocol: SASL_PLAINTEXT, insecure: true, sasl: {mechanism: PLAIN, username: u, password: p}",
        "SASL{mechanism: OAUTHBEARER, oauth: {token_file: token}}",
        (
            "SASL{mechanism: OAUTHBEARER, "
            "oauth: {token_endpoint_url: 'https://x/y', client_id: i, client_secret: s, scope: a b}}"
        ),
        (
            "insecure: true, SASL{mechanism: OAUTHBEARER, "
            "oauth: {token_endpoint_url: 'http://127.0.0.1:8080/t', client_id: i, client_secret_file: password}}"
        ),
    ],
)
def test_a_complete_set_of_credentials_is_taken(kafka, keys):
    assert kafka(keys).security_protocol in full(keys)


@pytest.mark.parametrize(
    ("keys", "paths"),
    [
        (
            "security_protocol: SASL_PLAINTEXT, sasl: {mechanism: PLAIN, username: u, password: p}",
            ["security_protocol"],
        ),
        ("security_protocol: SASL_SSL", ["sasl"]),
        ("security_protocol: ssl", ["security_protocol"]),
        ("ssl: {ca_file: ca.pem}", ["ssl"]),
        ("sasl: {mechanism: PLAIN, username: u, password: p}", ["sasl"]),
        ("security_protocol: SSL, ssl: {cert_file: cert.pem}", ["ssl.key_file"]),
        ("security_protocol: SSL, ssl: {key_file: key.pem}", ["ssl.key_file"]),
        ("security_protocol: SSL, ssl: {key_password: x}", ["ssl.key_password"]),
        ("security_protocol: SSL, ssl: {ca_file: nowhere.pem}", ["ssl.ca_file"]),
        ("SASL{mechanism: PLAIN}", ["sasl.username", "sasl.password"]),
        ("SASL{mechanism: PLAIN, username: u}", ["sasl.password"]),
        ("SASL{username: u, password: p}", ["sasl.username", "sasl.password"]),
        ("SASL{mechanism: PLAIN, username: u, password: ''}", ["sasl.password"]),
        (
            "SASL{mechanism: PLAIN, username: u, password: p, password_file: password}",
            ["sasl.password"],
        ),
        (
            "SASL{mechanism: PLAIN, username: u, password_file: nowhere}",
            ["sasl.password_file"],
        ),
        ("SASL{mechanism: GSSAPI}", ["sasl.mechanism"]),
        ("SASL{mechanism: OAUTHBEARER}", ["sasl.oauth"]),
        (
            "SASL{mechanism: OAUTHBEARER, username: u, oauth: {token_file: token}}",
            ["sasl.username"],
        ),
        (
            "SASL{mechanism: PLAIN, username: u, password: p, oauth: {token_file: token}}",
            ["sasl.oauth"],
        ),
        (
            "SASL{mechanism: OAUTHBEARER, oauth: {token_endpoint_url: 'https://x/y'}}",
            ["sasl.oauth.client_id", "sasl.oauth.client_secret"],
        ),
        (
            "SASL{mechanism: OAUTHBEARER, oauth: {token_file: token, client_id: i}}",
            ["sasl.oauth.client_id"],
        ),
        (
            ("SASL{mechanism: OAUTHBEARER, oauth: {token_file: token, token_endpoint_url: 'https://x/y'}}"),
            ["sasl.oauth.token_endpoint_url"],
        ),
        (
            ("SASL{mechanism: OAUTHBEARER, oauth: {token_endpoint_url: 'http://x/y', client_id: i, client_secret: s}}"),
            ["sasl"],
        ),
        (
            (
                "SASL{mechanism: OAUTHBEARER, oauth: {token_endpoint_url: 'https://u:p@x/y', "
                "client_id: i, client_secret: s}}"
            ),
            ["sasl.oauth.token_endpoint_url"],
        ),
        ("isolation_level: serializable", ["isolation_level"]),
        ("group_instance_id: x", ["group_instance_id"]),
    ],
)
def test_credentials_that_do_not_belong_together_are_refused_where_they_stand(kafka_problems, keys, paths):
    assert list(kafka_problems(keys)) == paths

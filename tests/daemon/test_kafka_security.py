"""Each way to prove oneself, tried on the real broker; and what a wrong one says to the people who wrote it."""

import base64
import contextlib
import http.server
import json
import socket
import ssl
import threading
import time
import urllib.parse

import pytest
import trustme

from daemon.errors import UsageError
from daemon.kafka_admin import Admin
from daemon.kafka_oauth import CachedTokens, OAuth, TokenError, fetch_token
from daemon.kafka_probe import any_reachable, diagnose, probe
from daemon.kafka_security import SOCKET_OPTIONS, Sasl, Security, client_arguments, ssl_context
from daemon.source import Partition, SourceUnavailableError
from tests.kafka_server import PASSWORD, USER, Certificates
from tests.ports import free_ports
from tests.source_worlds import KafkaWorld, resumed, until

WRONG = "wrong-secret"


@pytest.fixture
def world(kafka_broker):
    """The real broker."""
    return KafkaWorld(kafka_broker)


def unsigned_token(subject="alice", lifetime_s=300, **claims):
    """A token as the broker's test mode takes it: a JWT without a signature."""
    now = time.time()
    parts = [{"alg": "none"}, {"sub": subject, "iat": now, "exp": now + lifetime_s, **claims}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


@contextlib.contextmanager
def token_endpoint(answers, tls=None):
    """A token endpoint on loopback; gives the answers in turns, the last one again and again; keeps the requests."""
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            requests.append((self.headers["Authorization"], dict(urllib.parse.parse_qsl(form))))
            status, body = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_):
            """Print nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}/token", requests
    finally:
        server.shutdown()
        server.server_close()


def sasl_ssl(broker, **sasl):
    return Security(protocol="SASL_SSL", ca_file=str(broker.certificates.ca_file), sasl=Sasl(**sasl))


def by_password(mechanism, password=PASSWORD):
    return lambda broker: sasl_ssl(broker, mechanism=mechanism, username=USER, password=password)


def mutual_tls(broker):
    client = str(broker.certificates.client_file)
    return Security(protocol="SSL", ca_file=str(broker.certificates.ca_file), cert_file=client, key_file=client)


def one_sided_tls(broker):
    return Security(protocol="SSL", ca_file=str(broker.certificates.ca_file))


RIGHT = {
    "tls": ("ssl", one_sided_tls),
    "mutual-tls": ("mtls", mutual_tls),
    "plain": ("sasl", by_password("PLAIN")),
    "scram-256": ("sasl", by_password("SCRAM-SHA-256")),
    "scram-512": ("sasl", by_password("SCRAM-SHA-512")),
}


def consume_one(world, listener, security):
    """Read one record with these settings."""
    topic = world.create_topic()
    partition = Partition(topic, 0)
    world.append(partition, [b"secured"])
    member = resumed(world, topic, bootstrap_servers=(world.broker.address(listener),), security=security)
    until(lambda: member.values(partition) == [b"secured"], member)
    world.close(member)


@pytest.mark.kafka
@pytest.mark.parametrize("name", RIGHT)
def test_right_settings_read_a_record_and_answer_questions(world, name):
    listener, security = RIGHT[name]
    consume_one(world, listener, security(world.broker))
    address = world.broker.address(listener)
    assert probe(address, security(world.broker)).reachable
    with Admin([address], security(world.broker)) as admin:
        assert admin.topic("no-such-topic") is None


@pytest.mark.kafka
def test_tokens_of_an_endpoint_read_a_record(world):
    with token_endpoint([(200, {"access_token": unsigned_token(), "expires_in": 300})]) as (url, requests):
        oauth = OAuth(token_endpoint_url=url, client_id="klaxond", client_secret="s/e:c", scope="kafka")
        consume_one(world, "sasl", sasl_ssl(world.broker, mechanism="OAUTHBEARER", oauth=oauth))
    credentials = base64.b64encode(b"klaxond:s/e%3Ac").decode()
    assert requests == [(f"Basic {credentials}", {"grant_type": "client_credentials", "scope": "kafka"})]


@pytest.mark.kafka
def test_a_token_file_reads_a_record(world, tmp_path):
    file = tmp_path / "token"
    file.write_text(unsigned_token() + "\n")
    oauth = OAuth(token_file=str(file))
    consume_one(world, "sasl", sasl_ssl(world.broker, mechanism="OAUTHBEARER", oauth=oauth))


def other_authority(broker):
    return Security(protocol="SSL", ca_file=str(broker.certificates.other_ca_file))


def plaintext(_broker):
    return Security()


def unknown_file_token(broker):
    return sasl_ssl(broker, mechanism="OAUTHBEARER", oauth=OAuth(token_file="/nonexistent/token"))


def expired_file_token(broker):
    file = broker.server.data_folder.parent / "expired-token"
    file.write_text(unsigned_token(lifetime_s=-60))
    return sasl_ssl(broker, mechanism="OAUTHBEARER", oauth=OAuth(token_file=str(file)))


MISTAKES = {
    "wrong-password-plain": ("sasl", by_password("PLAIN", WRONG), ["credentials", "kafka.sasl"]),
    "wrong-password-scram": ("sasl", by_password("SCRAM-SHA-512", WRONG), ["credentials", "kafka.sasl"]),
    "no-token-file": ("sasl", unknown_file_token, ["/nonexistent/token", "kafka.sasl.oauth"]),
    "expired-token": ("sasl", expired_file_token, ["kafka.sasl"]),
    "wrong-authority": ("ssl", other_authority, ["certificate", "kafka.ssl.ca_file"]),
    "no-certificate": ("mtls", one_sided_tls, ["kafka.ssl.cert_file"]),
    "plaintext-to-tls": ("ssl", plaintext, ["kafka.security_protocol"]),
    "tls-to-plaintext": ("plain", one_sided_tls, ["TLS", "kafka.security_protocol"]),
    "tls-to-sasl": ("sasl", one_sided_tls, ["SASL"]),
}
REFUSALS = {"wrong-password-plain", "wrong-password-scram", "no-token-file", "expired-token"}


@pytest.mark.kafka
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_says_what_to_check_and_never_shows_a_secret(world, name):
    listener, security, wanted = MISTAKES[name]
    topic = "any"
    member = world.member(topic, bootstrap_servers=(world.broker.address(listener),), security=security(world.broker))
    until(lambda: all(word in member.source.health().reason for word in wanted), member, what=str(wanted))
    health = member.source.health()
    assert (health.joined, health.reachable) == (False, False)
    assert WRONG not in health.reason
    if name in REFUSALS:  # must not look like a stalled client, which the watchdog would end
        until(lambda: not member.source.any_broker_reachable(), member)
        until(lambda: "refuse" in member.source.health().reason or "no token" in member.source.health().reason, member)
    world.close(member)


@pytest.mark.kafka
def test_a_broker_with_another_name_in_its_certificate_is_not_believed(world):
    address = world.broker.address("ssl").replace("127.0.0.1", "localhost")
    found = probe(address, one_sided_tls(world.broker))
    assert not found.reachable
    assert "host name" in found.reason.lower() or "hostname" in found.reason.lower()


@pytest.mark.kafka
def test_admin_says_at_once_why_it_cannot_ask(world):
    with pytest.raises(SourceUnavailableError, match=r"kafka\.ssl\.ca_file"):
        Admin([world.broker.address("ssl")], other_authority(world.broker), timeout_s=1.0)


# Probes without a broker


def test_a_port_where_nobody_listens_refuses():
    address = f"127.0.0.1:{free_ports(1)[0]}"
    assert "refuses connections" in probe(address, Security()).reason
    assert not any_reachable([address], Security())
    assert "kafka.bootstrap_servers" in diagnose([address], Security())


def test_a_name_that_does_not_exist_is_told():
    assert "no such name" in probe("broker.invalid:9092", Security()).reason


def test_a_server_that_says_nothing_is_told_within_the_time_given():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        found = probe(address, Security(protocol="SSL"), timeout_s=0.3)
        assert time.monotonic() - started < 2
        assert "does not answer within 0.3 s" in found.reason
        assert any_reachable([f"127.0.0.1:{free_ports(1)[0]}", address], Security())


# Contexts and arguments


def test_contexts_check_names_and_certificates_and_take_no_old_tls():
    context = ssl_context(Security(protocol="SSL"))
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert all("GCM" in cipher["name"] or "CHACHA20" in cipher["name"] for cipher in context.get_ciphers())


def test_certificates_that_were_replaced_are_used_by_the_next_connection(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old, new = Certificates(tmp_path / "old"), Certificates(tmp_path / "new")
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(old.ca_file.read_bytes())
    context = ssl_context(Security(protocol="SSL", ca_file=str(ca_file)))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(new.server_file)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer_handshakes, args=(listener, server, 2), daemon=True).start()

        def shake_hands():
            with socket.create_connection(listener.getsockname()) as plain:
                context.wrap_socket(plain, server_hostname="127.0.0.1").close()

        with pytest.raises(ssl.SSLCertVerificationError):
            shake_hands()
        ca_file.write_bytes(new.ca_file.read_bytes())
        shake_hands()


def answer_handshakes(listener, context, count):
    for _ in range(count):
        plain, _ = listener.accept()
        with contextlib.suppress(OSError), plain:
            context.wrap_socket(plain, server_side=True).close()


@pytest.mark.parametrize("fault", ["missing", "no-pem", "wrong-password"])
def test_files_that_cannot_be_used_are_named_with_what_to_check(tmp_path, fault):
    file = tmp_path / "key.pem"
    if fault == "no-pem":
        file.write_text("nothing")
    if fault == "wrong-password":
        file.write_bytes(encrypted_certificate())
    with pytest.raises(UsageError, match=r"key\.pem.*kafka\.ssl\.key_password"):
        ssl_context(Security(protocol="SSL", cert_file=str(file), key_file=str(file), key_password=WRONG))


def encrypted_certificate(password=b"right"):
    from cryptography.hazmat.primitives import serialization

    issued = trustme.CA().issue_cert("client.test")
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    sealed = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )
    return sealed + b"".join(blob.bytes() for blob in issued.cert_chain_pems)


def test_an_encrypted_key_opens_with_its_password(tmp_path):
    file = tmp_path / "key.pem"
    file.write_bytes(encrypted_certificate())
    security = Security(protocol="SSL", cert_file=str(file), key_file=str(file), key_password="right")
    assert ssl_context(security).minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("security", "wanted"),
    [
        (Security(protocol="SASL_SSL"), "mechanism"),
        (Security(protocol="SASL_SSL", sasl=Sasl(mechanism="PLAIN", username="a")), "password"),
        (Security(protocol="SASL_SSL", sasl=Sasl(mechanism="OAUTHBEARER")), "oauth"),
    ],
)
def test_settings_that_cannot_work_name_the_missing_key(security, wanted):
    with pytest.raises(UsageError, match=wanted):
        client_arguments(security)


def test_connections_are_kept_alive_so_that_a_vanished_peer_is_noticed():
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in SOCKET_OPTIONS
    assert client_arguments(Security()) == {"security_protocol": "PLAINTEXT", "socket_options": SOCKET_OPTIONS}


def test_secrets_are_never_in_a_representation():
    oauth = OAuth(token_endpoint_url="https://x/", client_id="c", client_secret=WRONG)
    security = Security(key_password=WRONG, sasl=Sasl(mechanism="PLAIN", username="u", password=WRONG, oauth=oauth))
    assert WRONG not in repr(security)
    assert security.secrets() == (WRONG, WRONG, WRONG)


# Tokens


def test_a_token_is_fetched_once_and_used_again_until_most_of_its_life_is_over():
    answers = [(200, {"access_token": f"token-{index}", "expires_in": seconds}) for index, seconds in ((1, 2), (2, 99))]
    with token_endpoint(answers) as (url, requests):
        tokens = CachedTokens(OAuth(token_endpoint_url=url, client_id="c", client_secret="s"))
        assert [tokens.token() for _ in range(5)] == ["token-1"] * 5
        assert len(requests) == 1
        deadline = time.monotonic() + 5
        while tokens.token() != "token-2" and time.monotonic() < deadline:
            time.sleep(0.05)
        assert tokens.token() == "token-2"
        assert tokens.problem == ""
        tokens.close()


def test_a_refused_client_is_told_without_its_secret():
    with token_endpoint([(401, {"error": "invalid_client"})]) as (url, _):
        tokens = CachedTokens(OAuth(token_endpoint_url=url, client_id="c", client_secret=WRONG))
        with pytest.raises(TokenError, match=r"answered 401: check kafka\.sasl\.oauth\.client_id") as caught:
            tokens.token()
        assert WRONG not in str(caught.value)
        assert "401" in tokens.problem
        tokens.close()


@pytest.mark.parametrize("body", [{}, {"access_token": 7}, [], {"access_token": None}])
def test_an_answer_without_a_token_is_told(body):
    with (
        token_endpoint([(200, body)]) as (url, _),
        pytest.raises(TokenError, match=r"gave no token .*kafka\.sasl\.oauth\.token_endpoint_url"),
    ):
        fetch_token(OAuth(token_endpoint_url=url, client_id="c", client_secret="s"))


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "nonsense"])
def test_only_web_addresses_are_asked_for_tokens(url):
    with pytest.raises(TokenError):
        fetch_token(OAuth(token_endpoint_url=url, client_id="c", client_secret="s"))


def test_a_token_that_does_not_tell_its_life_lives_as_long_as_its_own_expiry_says():
    with token_endpoint([(200, {"access_token": unsigned_token(lifetime_s=50)})]) as (url, _):
        token = fetch_token(OAuth(token_endpoint_url=url, client_id="c", client_secret="s"))
    assert 45 < token.lifetime_s <= 50


def test_an_endpoint_s_certificate_is_checked(tmp_path):
    certificates = Certificates(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificates.server_file)
    with token_endpoint([(200, {"access_token": "token"})], tls=server) as (url, _):
        oauth = OAuth(token_endpoint_url=url, client_id="c", client_secret="s")
        assert fetch_token(oauth, str(certificates.ca_file)).text == "token"
        with pytest.raises(TokenError, match="CERTIFICATE_VERIFY_FAILED"):
            fetch_token(oauth, str(certificates.other_ca_file))


def test_an_empty_token_file_is_told(tmp_path):
    file = tmp_path / "token"
    file.write_text("\n")
    tokens = CachedTokens(OAuth(token_file=str(file)))
    with pytest.raises(TokenError, match=r"token_file .*empty"):
        tokens.token()
    file.write_text("fresh\n")
    assert tokens.token() == "fresh"

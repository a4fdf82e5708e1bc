"""Who gets through the handshake, as real TLS clients meet it."""

import contextlib
import http.client
import ssl
import time

import pytest

from daemon.web import limits, protocol
from daemon.web.access import handshake
from daemon.web.access.tls import OPENSSL_SUITES
from tests.web.secure_server import Authority, client

REFUSED = (ssl.SSLError, ConnectionError, http.client.BadStatusLine)


@pytest.fixture
def tls(authority):
    """The keys of a server's certificate, relative to the file."""
    authority.issue("server")
    return {"cert_file": "server.pem", "key_file": "server.key"}


@pytest.fixture
def mutual(tls, authority):
    """The same, and clients need a certificate of the same authority."""
    return {**tls, "client_ca_file": authority.file.name, "client_auth_type": "RequireAndVerifyClientCert"}


def test_a_client_that_trusts_the_authority_is_served_over_tls(serve, tls, authority):
    server = serve({"tls_server_config": tls})
    assert server.ask(context=client(authority))[::2] == (200, b"up 1\n")
    assert server.ask("/", context=client(authority))[0] == 200


def test_a_kept_connection_and_a_large_answer_work_as_without_tls(serve, tls, authority):
    server = serve({"tls_server_config": tls})
    large = b"x" * 3_000_000
    server.board.rendered = type(server.board.rendered)(large, large, large, large)
    connection = http.client.HTTPSConnection(server.server.address, timeout=10, context=client(authority))
    with contextlib.closing(connection):
        for _ in range(3):
            connection.request("GET", "/metrics")
            assert connection.getresponse().read() == large


def test_a_plain_request_on_the_tls_port_gets_nothing(serve, tls, authority):
    server = serve({"tls_server_config": tls})
    with pytest.raises(REFUSED):
        server.ask()
    assert server.ask(context=client(authority))[0] == 200


def test_a_client_that_trusts_another_authority_refuses_us(serve, tls, tmp_path):
    server = serve({"tls_server_config": tls})
    with pytest.raises(ssl.SSLCertVerificationError):
        server.ask(context=client(Authority(tmp_path, "other")))


def test_a_request_that_comes_with_the_last_message_of_the_handshake_is_served(serve, tls, authority):
    """With TLS 1.3 a client may send both at once; the protocol that answers is there only a moment later."""
    server = serve({"tls_server_config": tls})
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = client(authority).wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with server.connect() as plain:
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                session.do_handshake()
                break
            plain.sendall(outgoing.read())
            incoming.write(plain.recv(65536))
        session.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        plain.sendall(outgoing.read())  # the end of the handshake and the request in one piece
        answer = b""
        while b"alive" not in answer:
            incoming.write(plain.recv(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                answer += session.read(65536)
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("oldest", ["TLS12", "TLS13"])
def test_only_versions_between_oldest_and_newest_are_spoken(serve, tls, authority, oldest):
    server = serve({"tls_server_config": {**tls, "min_version": oldest, "max_version": oldest}})
    for word, version in (("TLS12", ssl.TLSVersion.TLSv1_2), ("TLS13", ssl.TLSVersion.TLSv1_3)):
        context = client(authority, minimum_version=version, maximum_version=version)
        if word == oldest:
            assert server.ask(context=context)[0] == 200
        else:
            with pytest.raises(ssl.SSLError):
                server.ask(context=context)


@pytest.mark.parametrize("suite", [name for name in OPENSSL_SUITES if "RSA" in name])
def test_the_suite_that_is_written_is_the_only_one_of_tls_1_2(serve, authority, suite, tmp_path):
    rsa = trustme_rsa(authority, tmp_path)
    server = serve({"tls_server_config": {**rsa, "cipher_suites": [suite], "max_version": "TLS12"}})
    with connected(server, client(authority)) as secured:
        assert secured.cipher()[0] == OPENSSL_SUITES[suite]


def trustme_rsa(authority, folder):
    from trustme import KeyType

    issued = authority.authority.issue_cert("127.0.0.1", key_type=KeyType.RSA)
    (folder / "rsa.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(folder / "rsa.key")
    return {"cert_file": "rsa.pem", "key_file": "rsa.key"}


@contextlib.contextmanager
def connected(server, context):
    with server.connect() as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
        yield secured


def test_the_servers_order_of_suites_decides_unless_it_is_told_not_to(serve, authority, tmp_path):
    rsa = trustme_rsa(authority, tmp_path)
    suites = ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]
    for prefer, chosen in ((True, suites[0]), (False, suites[1])):
        server = serve({"tls_server_config": {**rsa, "cipher_suites": suites, "prefer_server_cipher_suites": prefer}})
        context = client(authority, maximum_version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers(":".join(OPENSSL_SUITES[name] for name in reversed(suites)))
        with connected(server, context) as secured:
            assert secured.cipher()[0] == OPENSSL_SUITES[chosen]


def test_a_client_that_offers_http_2_is_told_1_1(serve, tls, authority):
    server = serve({"tls_server_config": tls, "http_server_config": {"http2": True}})
    context = client(authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with connected(server, context) as secured:
        assert secured.selected_alpn_protocol() == "http/1.1"


def test_with_mutual_tls_a_certificate_of_the_authority_lets_in(serve, mutual, authority):
    server = serve({"tls_server_config": mutual})
    assert server.ask(context=client(authority, authority.issue("scraper", "prometheus")))[0] == 200


@pytest.mark.parametrize("fault", ["none", "of another authority", "expired"])
def test_with_mutual_tls_nobody_else_gets_an_answer_not_even_to_a_probe(serve, mutual, authority, tmp_path, fault):
    certificate = {
        "none": lambda: None,
        "of another authority": lambda: Authority(tmp_path, "other").issue("stranger", "prometheus"),
        "expired": lambda: authority.issue("old", "prometheus", expired=True),
    }[fault]()
    server = serve({"tls_server_config": mutual})
    with pytest.raises(REFUSED):
        server.ask("/livez", context=client(authority, certificate))


def test_verify_if_given_lets_in_without_a_certificate_but_not_with_a_wrong_one(serve, mutual, authority, tmp_path):
    server = serve({"tls_server_config": {**mutual, "client_auth_type": "VerifyClientCertIfGiven"}})
    assert server.ask(context=client(authority))[0] == 200
    assert server.ask(context=client(authority, authority.issue("scraper", "prometheus")))[0] == 200
    with pytest.raises(REFUSED):
        server.ask(context=client(authority, Authority(tmp_path, "other").issue("stranger", "prometheus")))


def test_of_the_allowed_names_a_client_must_have_one(serve, mutual, authority):
    allowed = ["prometheus", "*.example", "ops@example.org", "10.1.2.3", "FD00:0:0:0:0:0:0:1"]
    server = serve({"tls_server_config": {**mutual, "client_allowed_sans": allowed}})
    for identity in ("prometheus", "ops@example.org", "10.1.2.3", "fd00::1"):
        assert server.ask(context=client(authority, authority.issue("scraper", identity)))[0] == 200, identity
    # No patterns, and no parts of names, as in Prometheus.
    for identity in ("a.example", "prometheus.evil.example", "xprometheus", "root@example.org", "10.1.2.4", "fd00::2"):
        with pytest.raises(REFUSED):
            server.ask(context=client(authority, authority.issue("scraper", identity)))


def test_an_authority_that_is_no_root_is_enough(serve, tls, authority, tmp_path):
    """As in Go: what client_ca_file lists is trusted, whoever signed it."""
    middle = Authority(tmp_path, "middle")
    middle.authority = authority.authority.create_child_ca()
    middle.authority.cert_pem.write_to_path(middle.file)
    server = serve(
        {
            "tls_server_config": {
                **tls,
                "client_ca_file": "middle.pem",
                "client_auth_type": "RequireAndVerifyClientCert",
            }
        }
    )
    assert server.ask(context=client(authority, middle.issue("scraper", "prometheus")))[0] == 200
    with pytest.raises(REFUSED):
        server.ask(context=client(authority, authority.issue("direct", "prometheus")))


def closed(connection, seconds):
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_handshakes_that_never_end_do_not_keep_others_out(serve, tls, authority):
    server = serve({"tls_server_config": tls})
    silent = [server.connect() for _ in range(2 * limits.MAX_CONNECTIONS)]
    try:
        silent[-1].sendall(b"\x16\x03\x01\x02\x00\x01\x00")  # the head of a hello, and nothing more
        started = time.monotonic()
        assert server.ask("/livez", context=client(authority))[0] == 200
        assert time.monotonic() - started < 2
        assert all(closed(each, 1) for each in silent[: limits.MAX_CONNECTIONS])
        assert not closed(silent[-1], 0.1)
    finally:
        for each in silent:
            each.close()


def test_a_handshake_has_a_deadline_and_so_has_a_request_after_it(serve, tls, authority, monkeypatch):
    monkeypatch.setattr(handshake, "HANDSHAKE_SECONDS", 0.3)
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.3)
    server = serve({"tls_server_config": tls})
    with server.connect() as plain:
        started = time.monotonic()
        assert closed(plain, 5)
        assert 0.25 < time.monotonic() - started < 2
    with connected(server, client(authority)) as secured:
        secured.sendall(b"GET /livez HT")
        started = time.monotonic()
        with contextlib.suppress(ssl.SSLError):
            assert closed(secured, 5)
        assert 0.2 < time.monotonic() - started < 2


def test_one_that_leaves_in_the_middle_of_its_handshake_leaves_nothing_behind(serve, tls, authority, log_lines):
    server = serve({"tls_server_config": tls})
    for hello in (b"", b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/1.1\r\n\r\n", bytes(500)):
        with server.connect() as plain:
            plain.sendall(hello)
    deadline = time.monotonic() + 5
    while server.server._uvicorn.server_state.connections and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not server.server._uvicorn.server_state.connections
    assert server.ask("/livez", context=client(authority))[0] == 200
    assert [line for line in log_lines if line[0] not in ("DEBUG", "INFO")] == []


def test_the_server_stops_at_once_while_handshakes_wait(serve, tls):
    server = serve({"tls_server_config": tls})
    with server.connect() as waiting:
        time.sleep(0.1)
        started = time.monotonic()
        server.server.stop()
        assert time.monotonic() - started < 2
        assert closed(waiting, 1)

"""Certificates, authorities and users change while the server runs; what is broken changes nothing."""

import http.client
import logging
import os
import ssl
import threading
import time

import pytest

from daemon.errors import UsageError
from daemon.logs import LogCounts
from tests.web.secure_server import Authority, basic, client, hash_of
from tests.web.test_tls import REFUSED, connected

TLS = {"cert_file": "server.pem", "key_file": "server.key"}


def serial_of(server, authority):
    with connected(server, client(authority)) as secured:
        return secured.getpeercert()["serialNumber"]


def errors(log_lines):
    return [text for level, _, text in log_lines if level == "ERROR"]


@pytest.fixture
def counts():
    """What klaxon_log_messages_total is made of."""
    handler = LogCounts()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


def test_a_new_certificate_is_served_to_new_connections_and_old_ones_go_on(serve, authority):
    authority.issue("server")
    server = serve({"tls_server_config": TLS})
    before = serial_of(server, authority)
    kept = http.client.HTTPSConnection(server.server.address, timeout=10, context=client(authority))
    kept.request("GET", "/livez")
    kept.getresponse().read()
    authority.issue("server")
    assert serial_of(server, authority) == before, "not looked at again within a second"
    server.look_again()
    assert serial_of(server, authority) != before
    kept.request("GET", "/livez")
    assert kept.getresponse().status == 200
    kept.close()


def test_rotation_under_traffic_loses_no_request(serve, authority):
    authority.issue("server")
    server = serve({"tls_server_config": TLS})
    stop, seen, faults = threading.Event(), set(), []

    def traffic():
        while not stop.is_set():
            try:
                seen.add(serial_of(server, authority))
                assert server.ask(context=client(authority))[0] == 200
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                faults.append(repr(error))

    clients = [threading.Thread(target=traffic) for _ in range(3)]
    for each in clients:
        each.start()
    for _ in range(5):
        authority.issue("server")
        server.look_again()
        time.sleep(0.15)
    stop.set()
    for each in clients:
        each.join()
    assert faults == []
    assert len(seen) >= 5


def test_a_broken_certificate_keeps_the_old_one_is_logged_once_and_heals(serve, authority, log_lines, tmp_path):
    authority.issue("server")
    server = serve({"tls_server_config": TLS})
    before = serial_of(server, authority)
    good = (tmp_path / "server.pem").read_bytes()
    (tmp_path / "server.pem").write_bytes(good[:200])
    for _ in range(3):
        server.look_again()
        assert serial_of(server, authority) == before
    assert len(errors(log_lines)) == 1
    assert "server.pem" in errors(log_lines)[0]
    (tmp_path / "server.pem").unlink()
    server.look_again()
    assert serial_of(server, authority) == before
    assert len(errors(log_lines)) == 2
    authority.issue("server")
    server.look_again()
    assert serial_of(server, authority) != before
    assert len(errors(log_lines)) == 2


def test_a_certificate_whose_key_comes_later_is_taken_when_it_comes(serve, authority, tmp_path):
    """A rotation that writes one file after the other; in between nothing is lost."""
    authority.issue("server")
    server = serve({"tls_server_config": TLS})
    before = serial_of(server, authority)
    old_key = (tmp_path / "server.key").read_bytes()
    authority.issue("server")
    new_key = (tmp_path / "server.key").read_bytes()
    (tmp_path / "server.key").write_bytes(old_key)
    server.look_again()
    assert serial_of(server, authority) == before
    (tmp_path / "server.key").write_bytes(new_key)
    server.look_again()
    assert serial_of(server, authority) != before


def test_a_link_that_is_set_to_another_folder_is_a_change(serve, authority, tmp_path):
    """As Kubernetes exchanges a mounted secret; here all times and sizes stay the same."""
    for number in (1, 2):
        folder = tmp_path / f"..{number}"
        folder.mkdir()
        Authority.issue(type("In", (), {"folder": folder, "authority": authority.authority})(), "server")
        for file in folder.iterdir():
            os.utime(file, (1, 1))
    (tmp_path / "data").symlink_to("..1")
    server = serve({"tls_server_config": {"cert_file": "data/server.pem", "key_file": "data/server.key"}})
    before = serial_of(server, authority)
    (tmp_path / "new").symlink_to("..2")
    (tmp_path / "new").replace(tmp_path / "data")
    server.look_again()
    assert serial_of(server, authority) != before


def test_another_authority_for_clients_holds_from_the_next_connection_on(serve, authority, tmp_path):
    authority.issue("server")
    tree = {**TLS, "client_ca_file": "clients.pem", "client_auth_type": "RequireAndVerifyClientCert"}
    old = Authority(tmp_path, "clients")
    before = old.issue("before", "prometheus")
    server = serve({"tls_server_config": tree})
    assert server.ask(context=client(authority, before))[0] == 200
    new = Authority(tmp_path, "clients")
    after = new.issue("after", "prometheus")
    server.look_again()
    assert server.ask(context=client(authority, after))[0] == 200
    with pytest.raises(REFUSED):
        server.ask(context=client(authority, before))


def resumed(server, context, session):
    """Whether a connection that brings a session is answered, and whether the session was taken."""
    with server.connect() as plain, context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as secured:
        secured.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        return bool(secured.recv(100)), secured.session_reused


def test_a_session_from_before_does_not_get_around_a_new_authority(serve, authority, tmp_path):
    authority.issue("server")
    tree = {**TLS, "client_ca_file": "clients.pem", "client_auth_type": "RequireAndVerifyClientCert"}
    before = Authority(tmp_path, "clients").issue("before", "prometheus")
    server = serve({"tls_server_config": tree})
    context = client(authority, before, maximum_version=ssl.TLSVersion.TLSv1_2)
    with connected(server, context) as secured:
        session = secured.session
    assert resumed(server, context, session) == (True, True)
    Authority(tmp_path, "clients")
    server.look_again()
    with pytest.raises(REFUSED):
        resumed(server, context, session)


def test_users_come_and_go_with_the_next_request_of_a_kept_connection(serve):
    server = serve({"basic_auth_users": {"a": hash_of()}})
    kept = http.client.HTTPConnection(server.server.address, timeout=10)

    def status():
        kept.request("GET", "/metrics", headers=basic("a"))
        answer = kept.getresponse()
        answer.read()
        return answer.status

    assert status() == 200
    server.write({"basic_auth_users": {"b": hash_of()}})
    assert status() == 401
    server.write({"basic_auth_users": {"a": hash_of()}})
    assert status() == 200
    server.write({"basic_auth_users": {"a": hash_of("another")}})
    assert status() == 401
    server.write({})
    assert status() == 200
    kept.close()


@pytest.mark.parametrize("broken", ["basic_auth_users: {a: plain-canary}", "basic_auth_users: [", "other: {}"])
def test_a_broken_file_opens_no_door_is_counted_and_shows_no_password(serve, log_lines, counts, broken):
    server = serve({"basic_auth_users": {"a": hash_of()}})
    server.write(broken)
    assert server.ask()[0] == 401
    assert server.ask(headers=basic("a"))[0] == 200
    assert len(errors(log_lines)) == 1
    assert "web.yml" in errors(log_lines)[0]
    assert "plain-canary" not in str(log_lines)
    server.file.unlink()
    server.look_again()
    assert server.ask()[0] == 401
    assert counts()["error"] == 2


def test_tls_is_not_switched_on_or_off_by_a_change(serve, authority, log_lines):
    authority.issue("server")
    secured, plain = {"tls_server_config": TLS}, {"basic_auth_users": {}}
    server = serve(secured)
    server.write(plain)
    assert server.ask(context=client(authority))[0] == 200
    assert "cannot be switched on or off" in errors(log_lines)[0]
    server = serve(plain)
    server.write(secured)
    assert server.ask()[0] == 200
    assert len(errors(log_lines)) == 2


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({**TLS, "key_file": "other.key"}, "is not the key of the certificate"),
        ({"cert_file": "server.key", "key_file": "server.pem"}, "no certificate and key in PEM"),
        ({**TLS, "key_file": "locked.key"}, "the key without a password"),
        (
            {**TLS, "client_ca_file": "server.key", "client_auth_type": "RequireAndVerifyClientCert"},
            "holds no certificate",
        ),
    ],
)
def test_at_start_files_that_do_not_fit_are_told_by_name(serve, authority, tmp_path, tree, told):
    from cryptography.hazmat.primitives import serialization

    authority.issue("server")
    authority.issue("other")
    key = serialization.load_pem_private_key((tmp_path / "server.key").read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"canary")
    form = serialization.PrivateFormat.PKCS8
    (tmp_path / "locked.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, locked))
    with pytest.raises(UsageError, match=told) as refused:
        serve({"tls_server_config": tree})
    assert str(tmp_path) in str(refused.value)

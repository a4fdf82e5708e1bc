"""Basic authentication as scrapers, kubelets and strangers meet it."""

import asyncio
import base64
import itertools
import threading
import time

import bcrypt
import pytest

from daemon.health import Readiness
from daemon.web.access import passwords
from daemon.web.access.gate import OPEN_PATHS, credentials
from daemon.web.access.passwords import Passwords, TooManyError
from tests.web.secure_server import CHEAP, PASSWORD, SecureServer, basic, hash_of

PATHS = ["/metrics", "/", "/reference", "/api/v1/status", "/api/v1/history", "/api/v1/openapi.json", "/nothing"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    users = {"scraper": hash_of(), "other": hash_of("another")}
    made = SecureServer(tmp_path_factory.mktemp("passwords"), {"basic_auth_users": users})
    yield made
    made.server.stop()


@pytest.mark.parametrize("path", PATHS)
def test_nothing_but_the_probes_is_told_without_a_password(server, path):
    status, headers, body = server.ask(path)
    assert (status, body) == (401, b"a name and a password of the web configuration file are needed\n")
    assert headers["www-authenticate"].startswith("Basic realm=")
    assert headers["x-content-type-options"] == "nosniff"
    assert server.ask(path, headers=basic("scraper"))[0] == (404 if path == "/nothing" else 200)


@pytest.mark.parametrize(
    "headers",
    [
        basic("scraper", "wrong"),
        basic("scraper", ""),
        basic("scraper", PASSWORD + "x"),
        basic("scraper", "another"),  # somebody else's
        basic("nobody"),
        basic(""),
        basic("Scraper"),
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + base64.b64encode(b"scraper").decode()},
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe:x").decode()},
        {"Authorization": "Bearer " + PASSWORD},
        {"Authorization": basic("scraper")["Authorization"].removeprefix("Basic ")},
        {"Authorization": ""},
    ],
)
def test_what_is_not_exactly_a_users_login_is_refused(server, headers):
    assert server.ask(headers=headers)[0] == 401
    assert server.ask(headers=headers)[0] == 401, "and remembered as it was"
    assert server.ask(headers=basic("scraper"))[0] == 200


def test_two_logins_in_one_request_are_none():
    login = (b"authorization", basic("scraper")["Authorization"].encode())
    assert credentials([login]) == ("scraper", PASSWORD.encode())
    assert credentials([login, login]) is None


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS"])
def test_every_method_needs_the_password(server, method):
    assert server.ask(method=method)[0] == 401


@pytest.mark.parametrize(
    "path", ["//livez", "/livez/", "/livez/../metrics", "/%6civez/x", "/LIVEZ", "/readyz?x", "/livez;x"]
)
def test_only_a_probe_itself_is_open(server, path):
    server.health.readiness = Readiness(ready=True)
    assert server.ask(path)[0] == (401 if path != "/readyz?x" else 200)


@pytest.mark.parametrize("path", sorted(OPEN_PATHS))
def test_a_kubelet_without_a_password_learns_the_state_and_nothing_more(server, path):
    """The reasons name brokers; those who log in get them, a wrong password takes nothing away."""
    server.health.readiness = Readiness(ready=False, reasons=("no broker has answered: kafka-7.internal",))
    is_ready = "ready" in path
    for headers in ({}, basic("scraper", "wrong"), basic("scraper")):
        status, _, body = server.ask(path, headers=headers)
        assert status == (503 if is_ready else 200)
        assert (b"kafka-7" in body) is (is_ready and headers == basic("scraper"))
    server.health.readiness = Readiness(ready=True)
    assert server.ask(path)[0] == 200


def test_without_users_nobody_is_asked_and_everything_is_told(serve):
    server = serve({"basic_auth_users": {}})
    server.health.readiness = Readiness(ready=False, reasons=("kafka-7.internal",))
    assert server.ask()[0] == 200
    assert b"kafka-7" in server.ask("/readyz")[2]


def test_hashes_of_htpasswd_fit_and_a_password_beyond_72_bytes_is_cut_as_bcrypt_does(serve):
    long = "long" * 20
    users = {
        "apache": hash_of().replace("$2b$", "$2y$"),
        "old": hash_of().replace("$2b$", "$2a$"),
        "long": hash_of(long[:72]),
        "ünï": hash_of("pässwörd"),
    }
    server = serve({"basic_auth_users": users})
    for name, password in (("apache", PASSWORD), ("old", PASSWORD), ("long", long), ("ünï", "pässwörd")):
        assert server.ask(headers=basic(name, password))[0] == 200, name
        assert server.ask(headers=basic(name, password[:-9]))[0] == 401, name


def test_headers_of_the_file_stand_in_the_place_of_ours_and_a_blank_one_leaves_ours(serve):
    ours = serve({}).ask("/livez")[1]
    written = {
        "X-Frame-Options": "sameorigin",
        "Strict-Transport-Security": "max-age=31536000",
        "Content-Security-Policy": "",
    }
    server = serve({"http_server_config": {"headers": written}, "basic_auth_users": {"a": hash_of()}})
    for path in ("/livez", "/metrics", "/nothing"):
        headers = server.ask(path)[1]
        assert headers.get_all("x-frame-options") == ["sameorigin"]
        assert headers["strict-transport-security"] == "max-age=31536000"
        assert headers["content-security-policy"] == ours["content-security-policy"]


# The verifier by itself.


@pytest.fixture
def checks(monkeypatch):
    """Count what bcrypt is asked, with the cost of each."""
    asked = []

    def counted(password, hashed, real=bcrypt.checkpw):
        asked.append(hashed[4:6].decode())
        return real(password, hashed)

    monkeypatch.setattr(passwords.bcrypt, "checkpw", counted)
    return asked


def test_a_login_is_computed_once_and_again_when_its_hash_changes(checks):
    async def story():
        verifier = Passwords()
        first, second = {"a": hash_of()}, {"a": hash_of()}
        assert [await verifier.fits(first, "a", PASSWORD.encode()) for _ in range(3)] == [True] * 3
        assert [await verifier.fits(first, "a", b"x") for _ in range(3)] == [False] * 3
        assert len(checks) == 2
        assert await verifier.fits(second, "a", PASSWORD.encode())
        assert not await verifier.fits({"a": hash_of("new")}, "a", PASSWORD.encode())
        assert len(checks) == 4

    asyncio.run(story())


def test_an_unknown_name_costs_as_much_as_a_known_one(checks):
    users = {"a": hash_of(cost=6)}
    assert not asyncio.run(Passwords().fits(users, "b", PASSWORD.encode()))
    assert checks == ["06"]


def test_an_unknown_name_stays_unknown_whatever_its_decoy(monkeypatch):
    monkeypatch.setattr(passwords, "_decoy", lambda _: hash_of())
    assert not asyncio.run(Passwords().fits({"a": hash_of()}, "b", PASSWORD.encode()))


def test_wrong_passwords_are_forgotten_in_turn_and_never_push_out_a_right_one(checks, monkeypatch):
    monkeypatch.setattr(passwords, "REMEMBERED", 3)

    async def story():
        verifier, users = Passwords(), {"a": hash_of()}
        assert await verifier.fits(users, "a", PASSWORD.encode())
        for number in range(10):
            assert not await verifier.fits(users, "a", b"%d" % number)
        asked = len(checks)
        assert await verifier.fits(users, "a", PASSWORD.encode())
        assert not await verifier.fits(users, "a", b"9")
        assert len(checks) == asked
        assert not await verifier.fits(users, "a", b"0")
        assert len(checks) == asked + 1
        assert (len(verifier._fitting), len(verifier._wrong)) == (1, 3)

    asyncio.run(story())


def test_neither_name_nor_password_stays_in_memory():
    async def story():
        verifier = Passwords()
        await verifier.fits({"canary-name": hash_of()}, "canary-name", b"canary-password")
        await verifier.fits({"canary-name": hash_of()}, "canary-name", PASSWORD.encode())
        held = repr(vars(verifier))
        assert "canary" not in held
        assert PASSWORD not in held

    asyncio.run(story())


def test_logins_beyond_a_number_are_turned_away_at_once_and_remembered_ones_are_not(monkeypatch):
    monkeypatch.setattr(passwords, "WAITING_MAX", 2)

    async def story():
        verifier, users = Passwords(), {"a": hash_of(cost=8)}
        assert await verifier.fits(users, "a", PASSWORD.encode())
        waiting = [asyncio.create_task(verifier.fits(users, "a", b"%d" % number)) for number in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyError):
            await verifier.fits(users, "a", b"one more")
        assert await verifier.fits(users, "a", PASSWORD.encode())
        assert await asyncio.gather(*waiting) == [False, False]
        assert not await verifier.fits(users, "a", b"later")

    asyncio.run(story())


def test_where_too_many_logins_wait_the_answer_is_503_and_probes_are_still_answered(serve, monkeypatch):
    monkeypatch.setattr(passwords, "WAITING_MAX", 0)
    server = serve({"basic_auth_users": {"a": hash_of()}})
    status, headers, _ = server.ask(headers=basic("a"))
    assert (status, headers["retry-after"]) == (503, "5")
    assert server.ask("/livez", headers=basic("a"))[0] == 200


def test_wrong_logins_slow_nobody_who_is_known_and_no_probe(serve):
    """Four strangers try passwords as fast as they can, at a cost that takes tens of milliseconds each."""
    server = serve({"basic_auth_users": {"scraper": hash_of(cost=10), "cheap": hash_of(cost=CHEAP)}})
    assert server.ask(headers=basic("scraper"))[0] == 200
    stop, tried, guess = threading.Event(), [], itertools.count()

    def attack():
        while not stop.is_set():
            tried.append(server.ask(headers=basic("scraper", f"guess {next(guess)}"))[0])

    strangers = [threading.Thread(target=attack) for _ in range(4)]
    for each in strangers:
        each.start()
    seconds = []
    try:
        time.sleep(0.3)
        for _ in range(15):
            for path, headers in (("/metrics", basic("scraper")), ("/livez", {})):
                started = time.monotonic()
                assert server.ask(path, headers=headers)[0] == 200
                seconds.append(time.monotonic() - started)
    finally:
        stop.set()
        for each in strangers:
            each.join()
    assert set(tried) == {401}
    assert len(tried) > 4
    assert sorted(seconds)[len(seconds) // 2] < 0.05

"""HTTP as scrapers, kubelets, people and strangers meet it: a real server on a free port."""

import contextlib
import gzip
import http.client
import json
import math
import re
import socket
import threading
import time
from html import escape, unescape

import pytest

from daemon.board import Board, Rendered
from daemon.clock import SystemClock
from daemon.collect_series import Exports
from daemon.collectors import Collectors, ProcessMetrics
from daemon.errors import OperatingError, UsageError
from daemon.exposition import Renderer
from daemon.health import Health, Readiness
from daemon.scrapes import ScrapeTimes
from daemon.web import limits, protocol
from daemon.web.negotiation import OPENMETRICS, TEXT
from daemon.web.server import SECURITY_HEADERS, Server
from tests.daemon.board_examples import HOSTILE, NOW, published
from tests.http_requests import asked

VERSION = "1.2.3<b>"


class Running:
    """A server with what it reads, and a client."""

    def __init__(self, address="127.0.0.1:0"):
        self.board, self.health, self.scrapes = Board(), Health(), ScrapeTimes()
        self.renderer = Renderer(Collectors(Exports(), self.scrapes, SystemClock()), ProcessMetrics())
        self.server = Server(
            self.board,
            self.health,
            address,
            clock=SystemClock(),
            scrapes=self.scrapes,
            before_first_publish=self.renderer.process_only,
            version=VERSION,
        )

    def publish(self):
        self.board.published = published()
        self.board.rendered = self.renderer(self.board.published)

    def ask(self, path, method="GET", headers=()):
        """Status, headers, body of one request on a connection of its own."""
        connection = http.client.HTTPConnection(self.server.address, timeout=5)
        return asked(connection, method, path, headers)

    def connect(self):
        host, _, port = self.server.address.rpartition(":")
        return socket.create_connection((host, int(port)), timeout=5)


@pytest.fixture(scope="module")
def one_server():
    made = Running()
    made.server.start()
    yield made
    made.server.stop()


@pytest.fixture
def running(one_server):
    """The server, as nobody has used it yet."""
    one_server.board.published = one_server.board.rendered = None
    one_server.health.heartbeat, one_server.health.readiness = time.monotonic(), Health().readiness
    return one_server


def test_metrics_are_the_bytes_that_were_rendered(running):
    running.publish()
    status, headers, body = running.ask("/metrics")
    assert (status, headers["content-type"], body) == (200, TEXT, running.board.rendered.text)
    assert headers["content-encoding"] is None
    assert int(headers["content-length"]) == len(body)


PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;"
    "q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        (PROMETHEUS_2, True),
        (PROMETHEUS_3, True),
        ("application/openmetrics-text", True),
        ("text/plain,application/openmetrics-text", True),
        ("APPLICATION/OpenMetrics-Text; Version=1.0.0", True),
        ('application/openmetrics-text; version="1.0.0"', True),
        ("application/openmetrics-text;version=0.0.1,text/plain", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=0.2,text/plain;q=0.9", False),
        ("application/openmetrics-text;q=x,text/plain", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("*/*", False),
        (",;=,;;q=,", False),
    ],
)
def test_a_scraper_gets_openmetrics_if_it_prefers_it(running, accept, openmetrics):
    running.publish()
    _, headers, body = running.ask("/metrics", headers={"Accept": accept})
    expected = running.board.rendered.openmetrics if openmetrics else running.board.rendered.text
    assert (headers["content-type"], body) == (OPENMETRICS if openmetrics else TEXT, expected)
    assert {"accept", "accept-encoding"} == set(headers["vary"].split(", "))


@pytest.mark.parametrize(
    ("encoding", "compressed"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("*, gzip;q=0", False),
        ("identity", False),
        ("", False),
        ("xgzip", False),
    ],
)
def test_a_scraper_gets_gzip_if_it_takes_it(running, encoding, compressed):
    running.publish()
    for accept in (PROMETHEUS_2, "text/plain"):
        _, headers, body = running.ask("/metrics", headers={"Accept-Encoding": encoding, "Accept": accept})
        assert headers["content-encoding"] == ("gzip" if compressed else None)
        plain = gzip.decompress(body) if compressed else body
        rendered = running.board.rendered
        assert plain == (rendered.openmetrics if accept is PROMETHEUS_2 else rendered.text)


def test_before_the_first_publish_a_scrape_sees_the_process(running):
    status, _, body = running.ask("/metrics")
    assert status == 200
    assert b"process_resident_memory_bytes" in body
    assert b"klaxon_" not in body


def test_scrapes_are_timed_and_other_requests_are_not(running):
    time.sleep(0.1)  # a client has its answer a moment before it is noted
    before = running.scrapes.read()
    running.publish()
    for path in ("/metrics", "/livez", "/", "/metrics"):
        running.ask(path)
    deadline = time.monotonic() + 5
    while running.scrapes.read()[0] < before[0] + 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    count, seconds = running.scrapes.read()
    assert count == before[0] + 2
    assert before[1] < seconds < before[1] + 5


@pytest.mark.parametrize("path", ["/livez", "/-/healthy"])
def test_alive_is_a_loop_that_turned_within_a_minute_whatever_kafka_does(running, path):
    running.health.readiness = Readiness(ready=False, reasons=("no broker has answered",))
    running.health.heartbeat = time.monotonic() - 59
    assert running.ask(path)[0] == 200
    running.health.heartbeat = time.monotonic() - 61
    status, _, body = running.ask(path)
    assert (status, body) == (503, b"the loop has not turned for 61 s\n")


@pytest.mark.parametrize("path", ["/readyz", "/-/ready"])
def test_ready_tells_the_reasons_one_a_line(running, path):
    assert running.ask(path)[::2] == (503, b"starting\n")
    running.health.readiness = Readiness(ready=False, reasons=("first", "second"))
    assert running.ask(path)[::2] == (503, b"first\nsecond\n")
    running.health.readiness = Readiness(ready=True)
    assert running.ask(path)[::2] == (200, b"ready\n")


def test_the_status_has_every_series_with_its_numbers_and_null_for_what_is_absent(running):
    running.publish()
    running.health.readiness = Readiness(ready=True)
    status, headers, body = running.ask("/api/v1/status")
    assert (status, headers["content-type"]) == (200, "application/json")
    told = json.loads(body, parse_constant=pytest.fail)
    assert (told["version"], told["timestamp_seconds"], told["ready"], told["reasons"]) == (VERSION, NOW, True, [])
    assert [stream["name"] for stream in told["streams"]] == ["ranker", "bandit"]
    assert told["partitions"][1]["lag_records"] is None

    def same(shown, value):
        assert shown == (value if math.isfinite(value) else None)

    for stream, board in zip(told["streams"], running.board.published.streams, strict=True):
        assert [tuple(series["labels"].values()) for series in stream["series"]] == list(board.keys)
        for row, series in enumerate(stream["series"]):
            for shown, window in zip(series["windows"], board.windows, strict=True):
                found = window.estimates
                assert shown["window"] == window.label
                assert shown["messages"] == int(found.total.count_of("messages")[row])
                assert shown["complete"] is bool(window.complete[row])
                assert shown["infinite"] is bool(found.infinite[row])
                verdict = found.comparable[row]
                assert shown["comparable"] is (None if math.isnan(verdict) else bool(verdict))
                same(shown["ratio_mean"], found.ratio_mean[row])
                for direction in ("reverse", "forward"):
                    side = found.of(direction)
                    same(shown[direction]["lambda"], side.control_variate_lambda[row])
                    same(shown[direction]["variance_ratio"]["fixed"], side.variance_ratio_fixed[row])
                    for estimator in ("naive", "fixed", "fitted", "adaptive"):
                        for part in ("value", "standard_error", "lower", "upper"):
                            same(shown[direction][estimator][part], getattr(side.of(estimator), part)[row])
    assert any(series["labels"].get("version") == HOSTILE for series in told["streams"][0]["series"])


def test_the_status_follows_the_board_and_the_readiness(running):
    assert json.loads(running.ask("/api/v1/status")[2])["timestamp_seconds"] is None
    running.publish()
    assert json.loads(running.ask("/api/v1/status")[2])["timestamp_seconds"] == NOW
    running.health.readiness = Readiness(ready=True)
    assert json.loads(running.ask("/api/v1/status")[2])["ready"] is True


def links_of(body):
    """Targets of all links of a page."""
    return {unescape(link) for link in re.findall(r'href="([^"]+)"', body.decode())}


@pytest.mark.parametrize("path", ["/", "/?stream=ranker", "/?stream=bandit&refresh=off", "/reference"])
def test_every_link_of_a_page_leads_to_a_page_of_ours_and_every_anchor_to_a_place_on_it(running, path):
    running.publish()
    status, headers, body = running.ask(path)
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert {"/", "/reference", "/metrics", "/api/v1/status", "/api/v1/history", "/readyz"} <= links_of(body)
    for link in links_of(body):
        target, _, anchor = link.partition("#")
        found, _, page = running.ask(target or path)
        assert found in {200, 503}, link
        assert not anchor or f'id="{anchor}"' in page.decode(), link


def test_the_page_escapes_what_it_shows_and_follows_the_board(running):
    assert b"Nothing has been published yet." in running.ask("/")[2]
    assert b"1.2.3&lt;b&gt;" in running.ask("/")[2]
    running.publish()
    assert b"Nothing has been published yet." not in running.ask("/")[2]
    assert escape(HOSTILE).encode() in running.ask("/")[2]
    running.health.heartbeat = time.monotonic() - 61
    assert b"The daemon makes no progress" in running.ask("/")[2]


@pytest.mark.parametrize("path", ["/?stream=<script>", "/api/v1/history?stream=nobody", "/?stream="])
def test_a_stream_that_is_none_is_404_and_is_not_repeated(running, path):
    running.publish()
    status, headers, body = running.ask(path)
    assert (status, headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert body == b"no stream of this name has been published; / lists those that have\n"


def test_before_the_first_publish_a_page_of_one_stream_waits_for_it(running):
    assert running.ask("/?stream=ranker")[0] == 200


PATHS = [
    "/",
    "/reference",
    "/api/v1/history",
    "/api/v1/openapi.json",
    "/metrics",
    "/livez",
    "/readyz",
    "/api/v1/status",
    "/nothing",
]


@pytest.mark.parametrize("path", PATHS)
def test_head_has_the_headers_of_get_and_no_body(running, path):
    running.publish()
    status, headers, body = running.ask(path)
    head_status, head_headers, nothing = running.ask(path, "HEAD")
    assert nothing == b""
    assert (head_status, head_headers["content-length"]) == (status, str(len(body)))
    assert head_headers["content-type"] == headers["content-type"]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_the_security_headers_and_names_no_software(running, path):
    _, headers, _ = running.ask(path)
    assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["server"] is None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_get_and_head_are_served(running, method):
    assert running.ask("/metrics", method)[0] == 405


@pytest.mark.parametrize(
    "path", ["/<script>x</script>", "/metrics/", "/metrics/../etc/passwd", "//evil.example/", "/%00"]
)
def test_an_unknown_path_is_404_in_plain_text_that_does_not_repeat_it(running, path):
    status, headers, body = running.ask(path)
    assert (status, body) == (404, b"Not Found")
    assert headers["content-type"].startswith("text/plain")
    assert headers["location"] is None


def test_a_header_beyond_the_limit_is_refused(running):
    with running.connect() as client:
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 20_000)
        assert client.recv(100).startswith(b"HTTP/1.1 400")
    assert running.ask("/livez")[0] == 200


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"\x00" * 1000])
def test_garbage_is_refused_and_the_server_lives(running, garbage):
    with running.connect() as client:
        client.sendall(garbage + b"\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400")
    assert running.ask("/livez")[0] == 200


def test_connections_that_say_nothing_do_not_keep_others_out(running):
    """More of them than the server holds: the oldest are dropped, a kubelet is served at once."""
    silent = [running.connect() for _ in range(2 * limits.MAX_CONNECTIONS)]
    try:
        started = time.monotonic()
        assert running.ask("/livez")[0] == 200
        assert time.monotonic() - started < 2
        assert _closed(silent[0])
        assert not _closed(silent[-1])
    finally:
        for client in silent:
            client.close()


def test_a_client_that_sends_its_header_byte_by_byte_is_dropped(running, monkeypatch):
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.3)
    with running.connect() as slow:
        started = time.monotonic()
        while time.monotonic() < started + 5 and not _closed(slow, wait=0.05):
            with contextlib.suppress(ConnectionError):
                slow.sendall(b"x")
        assert 0.25 < time.monotonic() - started < 2
    assert running.ask("/livez")[0] == 200


def test_a_client_that_does_not_read_its_answer_is_dropped(running, monkeypatch):
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.3)
    big = b"x" * 50_000_000  # more than the kernel's buffers hold
    running.board.rendered = Rendered(big, big, big, big)
    with running.connect() as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(1)
        received = 0
        with contextlib.suppress(ConnectionError):
            while chunk := slow.recv(1_000_000):
                received += len(chunk)
        assert received < len(big)
    assert running.ask("/livez")[0] == 200


def test_a_keep_alive_connection_serves_many_requests_without_waiting(running):
    connection = http.client.HTTPConnection(running.server.address, timeout=5)
    started = time.monotonic()
    for _ in range(50):
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"alive\n")
    connection.close()
    assert time.monotonic() - started < 1  # 40 ms each where header and body wait for each other


def test_many_scrapes_at_once_get_whole_answers(running):
    running.publish()
    seen = []

    def scrape():
        seen.extend(running.ask("/metrics")[2] == running.board.rendered.text for _ in range(10))

    threads = [threading.Thread(target=scrape) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 160


def test_a_taken_port_is_told_with_what_to_do(running):
    second = Running(running.server.address)
    with pytest.raises(OperatingError, match=r"127\.0\.0\.1:\d+: the port is taken.*--web\.listen-address"):
        second.server.start()
    second.server.stop()


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_a_usage_error(address):
    with pytest.raises(UsageError, match="write host:port"):
        Running(address).server.start()


@pytest.mark.parametrize("address", ["192.0.2.1:0", "no-such-host.invalid:0"])
def test_an_address_that_can_not_be_had_is_an_operating_error(address):
    with pytest.raises(OperatingError, match="cannot listen on"):
        Running(address).server.start()


def test_after_stop_the_port_is_free_and_no_thread_is_left():
    before = set(threading.enumerate())
    first = Running()
    first.server.start()
    address = first.server.address
    with first.connect():  # an open connection does not hold it up
        started = time.monotonic()
        first.server.stop()
        assert time.monotonic() - started < 5
    assert set(threading.enumerate()) <= before
    again = Running(address)
    again.server.start()
    assert again.ask("/livez")[0] == 200
    again.server.stop()


def _closed(client, wait=0.2):
    client.settimeout(wait)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True

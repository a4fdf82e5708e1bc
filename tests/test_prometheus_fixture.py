"""The Prometheus that other tests believe is a real one and says what a target said."""

import math
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytestmark = pytest.mark.prometheus

EXPOSITION = """\
# HELP klaxon_kl_nats Divergence.
# TYPE klaxon_kl_nats gauge
klaxon_kl_nats{stream="a"} 0.1234567890123456
klaxon_kl_nats{stream="b"} +Inf
"""


@pytest.fixture
def target():
    """An HTTP server whose /metrics is the exposition above."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(EXPOSITION.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_query_gives_back_the_scraped_values_to_the_bit(prometheus, target):
    server = prometheus([target])
    samples = server.wait_for("klaxon_kl_nats", count=2)
    found = {sample.labels["stream"]: sample.value for sample in samples}
    assert found == {"a": 0.1234567890123456, "b": math.inf}
    assert samples[0].labels["job"] == "klaxon"
    (scraped,) = server.query('timestamp(klaxon_kl_nats{stream="a"})')
    assert server.query("klaxon_kl_nats", time=scraped.value - 60) == []
    assert server.query("scalar(vector(2))") == [({}, 2.0)]
    assert [entry["health"] for entry in server.targets()] == ["up"]


def test_promtool_finds_a_counter_without_total_and_nothing_in_a_clean_exposition(promtool_check_metrics):
    assert promtool_check_metrics(EXPOSITION) == []
    dirty = "# HELP klaxon_records Records.\n# TYPE klaxon_records counter\nklaxon_records 1\n"
    assert any("_total" in line for line in promtool_check_metrics(dirty))
    assert promtool_check_metrics("not an exposition\n")


def test_a_server_that_does_not_start_fails_the_test_with_what_it_said(prometheus_of):
    with pytest.raises(pytest.fail.Exception, match=r"(?s)Prometheus ended with \d.*no_such_key"):
        prometheus_of({"no_such_key": 1})

"""The whole daemon behind TLS and passwords: started by its flag, scraped by Prometheus, searched for secrets."""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.web.secure_server import Authority, basic, client, hash_of

ROOT = Path(__file__).parents[2]
CANARY = "canary-5f1c-password"


class Secured:
    """A klaxond without brokers at DEBUG, started with --web.config.file."""

    def __init__(self, folder):
        self.authority = Authority(folder)
        self.authority.issue("server")
        self.scraper = self.authority.issue("scraper", "prometheus")
        self.log, self.web = folder / "klaxond.log", folder / "web.yml"
        self.users = {"scraper": hash_of(CANARY, cost=10)}
        self.write(self.users)
        self.address = f"127.0.0.1:{free_port()}"
        config = folder / "klaxond.yaml"
        config.write_text(
            json.dumps(
                {
                    "kafka": {"bootstrap_servers": ["127.0.0.1:1"], "group_id": "g"},
                    "streams": [{"topic": "t"}],
                    "web": {"listen_address": self.address},
                    "publish_interval": "200ms",
                    "log": {"level": "debug"},
                }
            )
        )
        command = [sys.executable, "-m", "daemon", "run", "--config.file", str(config)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--web.config.file", str(self.web)], cwd=ROOT, stdout=log, stderr=log, env={**os.environ}
            )

    def write(self, users, minimum="TLS12"):
        tls = {
            "cert_file": "server.pem",
            "key_file": "server.key",
            "client_ca_file": "ca.pem",
            "client_auth_type": "RequireAndVerifyClientCert",
            "client_allowed_sans": ["prometheus"],
            "min_version": minimum,
        }
        self.put(json.dumps({"tls_server_config": tls, "basic_auth_users": users}))

    def put(self, text):
        """Write the web configuration at once, as a rename does it."""
        new = self.web.with_suffix(".new")
        new.write_text(text)
        new.replace(self.web)

    def get(self, path, password=None):
        """Status and text; 0 where there is no answer."""
        headers = {} if password is None else basic("scraper", password)
        request = urllib.request.Request(f"https://{self.address}{path}", headers=headers)
        context = client(self.authority, self.scraper)
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def wait_for(self, condition, what):
        deadline = time.monotonic() + 30
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"no {what}; status {self.process.poll()}\n{self.log.read_text()[-4000:]}")
            time.sleep(0.1)


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    daemon = Secured(tmp_path_factory.mktemp("secured"))
    daemon.wait_for(lambda: daemon.get("/livez")[0] == 200, "answer")
    yield daemon
    daemon.process.kill()
    daemon.process.wait(10)


def test_a_probe_needs_no_password_and_everything_else_does(secured):
    assert secured.get("/livez") == (200, "alive\n")
    assert secured.get("/readyz") == (503, "not ready; the reasons are told with a password\n")
    assert secured.get("/metrics")[0] == 401
    assert secured.get("/metrics", CANARY)[0] == 200
    assert secured.get("/readyz", CANARY)[1] != secured.get("/readyz")[1]


@pytest.mark.prometheus
def test_prometheus_scrapes_over_mutual_tls_with_a_password_and_not_with_a_wrong_one(secured, prometheus):
    certificate, key = map(str, secured.scraper)

    def scrape(password):
        tls = {"ca_file": str(secured.authority.file), "cert_file": certificate, "key_file": key}
        return {"scheme": "https", "tls_config": tls, "basic_auth": {"username": "scraper", "password": password}}

    server = prometheus([secured.address], scrape=scrape(CANARY))
    stranger = prometheus([secured.address], scrape=scrape("wrong"))
    server.wait_for("process_cpu_seconds_total")
    assert [target["lastError"] for target in server.targets()] == [""]
    stranger.wait_for("up == 0")
    assert "401 Unauthorized" in stranger.targets()[0]["lastError"]


def test_no_secret_is_in_the_log_at_debug_nor_in_an_answer(secured):
    for password in (CANARY, CANARY + "-wrong"):
        for path in ("/", "/metrics", "/api/v1/status", "/readyz", "/nothing"):
            assert CANARY not in secured.get(path, password)[1]
    log = secured.log.read_text()
    assert "level=debug" in log
    assert "canary" not in log
    assert secured.users["scraper"] not in log
    assert basic("scraper", CANARY)["Authorization"].split()[1] not in log


def test_a_broken_change_is_logged_and_a_good_one_is_taken(secured):
    before = secured.log.read_text().count("changed web configuration refused")
    secured.put("basic_auth_users: {scraper: canary-in-plain-text}")
    secured.wait_for(
        lambda: secured.get("/livez")[0] == 200 and "changed web configuration refused" in secured.log.read_text(),
        "line",
    )
    assert secured.get("/metrics", CANARY)[0] == 200
    assert secured.log.read_text().count("changed web configuration refused") == before + 1
    assert "canary" not in secured.log.read_text()
    secured.write({"scraper": hash_of("another")}, "TLS13")
    secured.wait_for(lambda: secured.get("/metrics", "another")[0] == 200, "new password")
    assert secured.get("/metrics", CANARY)[0] == 401
    old = client(secured.authority, secured.scraper, maximum_version=ssl.TLSVersion.TLSv1_2)
    with pytest.raises(urllib.error.URLError, match=r"(?i)version|protocol|EOF|reset"):
        urllib.request.urlopen(f"https://{secured.address}/livez", timeout=10, context=old)
    secured.write(secured.users)
    secured.wait_for(lambda: secured.get("/metrics", CANARY)[0] == 200, "old password")


def test_it_ends_at_once_when_it_is_asked_to(secured):
    secured.process.send_signal(signal.SIGTERM)
    assert secured.process.wait(10) == 0

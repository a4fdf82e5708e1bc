"""No secret comes out of a daemon at DEBUG, whatever goes wrong: each one is a canary, and everything is searched.

Daemons log in rightly and wrongly, get no token, cannot open their key and crash, the Kafka client's logger set to
DEBUG on top; logs, output, pages, metrics, dead letters and snapshots are searched for every spelling of every secret.
The same search finds the password in the log of a daemon whose guards are taken away.
"""

import base64
import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from kafka import KafkaConsumer, TopicPartition

from daemon.snapshots.damage import DamagedSnapshotError
from daemon.snapshots.frames import Kind, decode
from tests.e2e.conftest import ROOT
from tests.e2e.hostile import hostile, record
from tests.kafka_server import PASSWORD, USER
from tests.ports import free_port
from tests.web.secure_server import basic, hash_of

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

SECRETS = {
    "sasl": PASSWORD,
    "wrong sasl": "canary-1a-sasl/pass+word",
    "key": "canary-2b-key-password",
    "wrong key": "canary-3c-key-password",
    "oauth": "canary-4d-oauth/sec+ret",
    "web": "canary-5e-web-password",
    "wrong web": "canary-6f-web-password",
}
PAGES = ("/", "/metrics", "/readyz", "/reference", "/api/v1/status", "/api/v1/history?stream=pairs", "/nothing")
#: klaxond with the client's own logger at its loudest.
LOUD = """
import logging, sys
from daemon import logs
real = logs.configure
def configure(*arguments, **named):
    counts = real(*arguments, **named)
    logging.getLogger("kafka").setLevel(logging.DEBUG)
    return counts
logs.configure = configure
"""
RUN = (
    LOUD
    + """
from daemon.__main__ import main
main()
"""
)
UNGUARDED = (
    LOUD
    + """
from daemon import kafka_logs
kafka_logs._LogGuard.filter = lambda *_: True
def configure(level, log_format, **_):
    counts = real(level, log_format)
    client = logging.getLogger("kafka")
    client.setLevel(logging.DEBUG)
    client.setLevel = lambda _: None
    return counts
logs.configure = configure
from daemon.__main__ import main
main()
"""
)
#: One process for what ends by itself: commands, then a crash with every secret in the exception.
ENDING = (
    LOUD
    + """
import json, threading
from daemon import app
from daemon.__main__ import main
def crash(options, *_):
    print(repr(options), options)
    secrets = options.security.secrets()
    def die():
        raise RuntimeError(f"thread {secrets} {options}")
    thread = threading.Thread(target=die)
    thread.start()
    thread.join()
    raise RuntimeError(f"crash {secrets} {options}")
*commands, last = json.loads(sys.argv[1])
for arguments in commands:
    sys.argv = ["klaxond", *arguments]
    try:
        main()
    except SystemExit as ended:
        print("ended", ended.code, flush=True)
app.KafkaSource = crash
sys.argv = ["klaxond", *last]
main()
"""
)


def spellings(secret):
    """A secret as it may stand in a text: plain, in a URL, in base64 after any number of other bytes."""
    found = {secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret), json.dumps(secret)[1:-1]}
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + secret.encode()).decode().rstrip("=")
        # The first characters hold the bytes before, the last one perhaps bits of those after.
        found.add(coded[(0, 2, 3)[before] : -1])
    return found


def leaks(texts):
    """(where, which secret) of everything that holds one: `texts` is where -> str or bytes."""
    return [
        (where, name)
        for where, text in texts.items()
        for name, secret in SECRETS.items()
        if any(each in text if isinstance(text, str) else each.encode() in text for each in spellings(secret))
    ]


@contextlib.contextmanager
def refusing_endpoint():
    """A token endpoint that refuses, and sends back all that it was told."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            told = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.send_response(401, f"refused {self.headers['Authorization']}")
            self.end_headers()
            self.wfile.write(f"{told} {self.headers['Authorization']} {SECRETS['oauth']}".encode())

        def log_message(self, *_):
            """Print nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/token"
    server.shutdown()
    server.server_close()


class World:
    """Configurations, processes and what they wrote, in one folder."""

    def __init__(self, broker, folder, topic):
        self.broker, self.folder, self.topic = broker, folder, topic
        self.processes, self.addresses = {}, {}
        client = broker.certificates.client_file.read_bytes()
        self.key = folder / "client.key"
        self.key.write_bytes(
            serialization.load_pem_private_key(client, None).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(SECRETS["key"].encode()),
            )
        )
        (folder / "web.yml").write_text(yaml.safe_dump({"basic_auth_users": {"scraper": hash_of(SECRETS["web"])}}))

    def secret_file(self, name):
        file = self.folder / f"{name.replace(' ', '-')}.secret"
        file.write_text(SECRETS[name] + "\n")
        return str(file)

    def config(self, name, sasl, *, key="key", insecure=False, **more):
        """Write a configuration; return its path."""
        self.addresses[name] = f"127.0.0.1:{free_port()}"
        certificate = str(self.broker.certificates.client_file)
        ssl = {
            "ca_file": str(self.broker.certificates.ca_file),
            "cert_file": certificate,
            "key_file": str(self.key),
            "key_password_file": self.secret_file(key),
        }
        settings = {
            "kafka": {
                "bootstrap_servers": [self.broker.address("sasl")],
                "group_id": f"{self.topic}-{name}",
                "security_protocol": "SASL_SSL",
                "ssl": ssl,
                "sasl": sasl,
                "insecure": insecure,
            },
            "streams": [{"topic": self.topic, "name": "pairs", "series_labels": ["model", "version"]}],
            "windows": ["5m"],
            "publish_interval": "500ms",
            "commit_interval": "500ms",
            "log": {"level": "debug"},
            "web": {"listen_address": self.addresses[name], "config_file": str(self.folder / "web.yml")},
            **more,
        }
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(settings))
        return str(path)

    def start(self, name, program, *arguments):
        """Start a Python child whose output is kept."""
        with (self.folder / f"{name}.log").open("wb") as log:
            command = [sys.executable, "-c", program, *arguments]
            self.processes[name] = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ})

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    def ask(self, name, path, headers):
        """Status and everything that is answered."""
        request = urllib.request.Request(f"http://{self.addresses[name]}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, f"{answer.headers}{answer.read().decode()}"
        except urllib.error.HTTPError as error:
            return error.code, f"{error.headers}{error.read().decode()}"
        except OSError as error:
            return 0, str(error)

    def wait(self, condition, what):
        deadline = time.monotonic() + 60
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"no {what}\n" + "\n".join(f"{name}: {self.log(name)[-1500:]}" for name in self.processes))
            time.sleep(0.1)

    def end(self):
        for process in self.processes.values():
            process.kill()
            process.wait(10)


def stored(broker, topic):
    """Everything in a topic as bytes, what is compressed in it unpacked beside it."""
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap_servers, group_id=None, auto_offset_reset="earliest")
    partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    consumer.assign(partitions)
    ends, parts = consumer.end_offsets(partitions), []
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        for records in consumer.poll(500).values():
            for each in records:
                parts += [each.key or b"", each.value or b"", *unpacked(each.value or b"")]
    consumer.close()
    return b"\n".join(parts)


def unpacked(frame):
    for kind in Kind:
        with contextlib.suppress(DamagedSnapshotError):
            yield decode(frame, kind)


@pytest.fixture
def world(kafka_broker, tmp_path):
    topic = f"canaries-{time.time_ns()}"
    kafka_broker.create_topic(topic, 1, {"max.message.bytes": "4000000"})
    kafka_broker.create_topic(f"{topic}-dead")
    now = time.time()
    bad = [payload for payloads in hostile(int(now * 1e6)).values() for payload in payloads]
    sent = [record(ts=int(now * 1e6))] * 50 + bad
    kafka_broker.produce(topic, sent, timestamps_ms=[int(now * 1000)] * len(sent))
    made = World(kafka_broker, tmp_path, topic)
    yield made
    made.end()


def test_no_secret_is_in_anything_that_comes_out_and_the_search_finds_one_that_is(world):
    plain = {"mechanism": "PLAIN", "username": USER, "password_file": world.secret_file("sasl")}
    wrong_password = {"username": USER, "password": SECRETS["wrong sasl"]}
    letters = {"topic": f"{world.topic}-dead", "payload": True}
    snapshots = {"kind": "changelog", "topic": f"{world.topic}-states", "interval": "1s"}
    right = world.config("right", plain, dead_letter=letters, snapshot=snapshots)
    wrong = world.config("wrong", {"mechanism": "PLAIN", **wrong_password})
    scram = world.config("scram", {"mechanism": "SCRAM-SHA-512", **wrong_password})
    key = world.config("key", plain, key="wrong key")
    crash, unguarded = world.config("crash", plain), world.config("unguarded", plain)
    with refusing_endpoint() as url:
        client = {"token_endpoint_url": url, "client_id": "klaxond", "client_secret_file": world.secret_file("oauth")}
        oauth = world.config("oauth", {"mechanism": "OAUTHBEARER", "oauth": client}, insecure=True)
        for name, path in {"right": right, "wrong": wrong, "oauth": oauth}.items():
            world.start(name, RUN, "run", "--config.file", path)
        world.start("unguarded", UNGUARDED, "run", "--config.file", unguarded)
        checks = [["check", "--connect", "--config.file", path] for path in (right, scram)]
        runs = [["run", "--config.file", path] for path in (key, crash)]
        world.start("ending", ENDING, json.dumps([*checks, *runs]))
        texts = everything_that_comes_out(world)
    assert leaks(texts) == []
    assert ("unguarded", "sasl") in leaks({"unguarded": world.log("unguarded")})


def everything_that_comes_out(world):
    """Wait until each process has met what it was made for; return where -> text."""
    login = basic("scraper", SECRETS["web"])
    logins = {
        "right": login,
        "wrong": basic("scraper", SECRETS["wrong web"]),
        "broken": {"Authorization": f"Basic {SECRETS['web']}"},
        "bearer": {"Authorization": f"Bearer {SECRETS['web']}"},
    }

    def reasons(name, *words):
        return all(word in world.ask(name, "/readyz", login)[1] for word in words)

    world.wait(lambda: "klaxon_snapshot_timestamp_seconds{" in world.ask("right", "/metrics", login)[1], "snapshot")
    world.wait(lambda: 'klaxon_dead_letters_total{stream="pairs"' in world.ask("right", "/metrics", login)[1], "letter")
    world.wait(lambda: reasons("wrong", "kafka.sasl"), "reason of a wrong password")
    world.wait(lambda: reasons("oauth", "token"), "reason of a missing token")
    world.wait(lambda: leaks({"unguarded": world.log("unguarded")}), "leak of the daemon without guards")
    world.processes["unguarded"].kill()
    world.wait(lambda: world.processes["ending"].poll() is not None, "end of the commands")
    texts = {
        f"{name} {path} {way}": world.ask(name, path, headers)[1]
        for name in ("right", "wrong", "oauth")
        for path in PAGES
        for way, headers in logins.items()
    }
    assert world.ask("right", "/metrics", login)[0] == 200
    assert world.ask("right", "/metrics", logins["wrong"])[0] == 401
    for name in ("right", "wrong", "oauth"):
        world.processes[name].terminate()
    for name in ("right", "wrong", "oauth"):
        world.processes[name].wait(20)
    texts |= {name: world.log(name) for name in ("right", "wrong", "oauth", "ending")}
    texts |= {topic: stored(world.broker, f"{world.topic}-{topic}") for topic in ("dead", "states")}
    assert "level=debug" in texts["right"]
    assert "RuntimeError: crash" in texts["ending"]
    assert "RuntimeError: thread" in texts["ending"]
    assert b"odd" in texts["states"]  # a label of the records, which is only there unpacked
    assert texts["dead"]
    return texts


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"\0alice\0"])
@pytest.mark.parametrize("name", SECRETS)
def test_the_search_finds_a_secret_in_the_middle_of_base64(name, before):
    coded = base64.b64encode(before + SECRETS[name].encode() + b"after").decode()
    assert leaks({"text": f"Authorization: Basic {coded}"}) == [("text", name)]
    assert leaks({"bytes": b"\xff" + SECRETS[name].encode()}) == [("bytes", name)]

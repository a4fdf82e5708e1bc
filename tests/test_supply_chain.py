"""The bill of materials names exactly what is locked, and the audit calls nothing clean that it has not asked about."""

import contextlib
import http.server
import json
import subprocess
import threading

import pytest

from tests.kafka_broker import skip_unless_ci
from tests.ports import free_port
from tests.supply_chain import ROOT, TOOLS, audit, locked, report, status_of

LOCK = ROOT / "requirements.txt"
#: Judged by the schema that CycloneDX publishes, which its library brings.
JUDGE = """
import json, sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
judge = JsonStrictValidator(SchemaVersion.V1_6)
faults = [judge.validate_str(text) for text in json.load(sys.stdin)]
print(json.dumps([str(fault or "")[:500] for fault in faults]))
"""


@pytest.fixture(scope="module", autouse=True)
def _tools():
    if not (TOOLS / "pip-audit").exists():
        skip_unless_ci("the tools of requirements-audit.txt are not installed: `make sbom` installs them")


@pytest.fixture(scope="module")
def bill(tmp_path_factory):
    """What `make sbom` writes, as text."""
    file = tmp_path_factory.mktemp("sbom") / "klaxond.cdx.json"
    # The tools are there, so make must not look whether they are current.
    command = ["make", "--silent", "--assume-old", ".cache/audit/.ready", "sbom", f"SBOM={file}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120)
    return file.read_text()


def judged(*bills):
    """Return what the schema has against each; empty if nothing."""
    command = [TOOLS / "python", "-c", JUDGE]
    done = subprocess.run(command, input=json.dumps(bills), capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_the_bill_holds_every_locked_package_with_its_version_and_hashes(bill):
    told = json.loads(bill)
    assert (told["bomFormat"], told["metadata"]["component"]["name"]) == ("CycloneDX", "klaxond")
    inside = {
        (each["name"], each["version"]): {
            found["content"] for place in each["externalReferences"] for found in place["hashes"]
        }
        for each in told["components"]
    }
    wanted = {(entry.name, str(entry.specifier).removeprefix("==")) for entry in locked(LOCK)}
    assert set(inside) == wanted
    written = LOCK.read_text()
    assert sum(map(len, inside.values())) == written.count("--hash=sha256:")
    assert all(f"--hash=sha256:{digest}" in written for digests in inside.values() for digest in digests)


def test_the_bill_is_valid_cyclonedx_and_a_broken_one_is_seen(bill):
    broken = json.loads(bill)
    del broken["components"][3]["name"]
    good, bad = judged(bill, json.dumps(broken))
    assert good == ""
    assert "name" in bad


@contextlib.contextmanager
def database(vulnerable):
    """OSV's interface on loopback: {name: fixed version}; keeps the names that were asked about."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = query["package"]["name"]
            asked.append((name, query["version"]))
            answer = {"vulns": [_vulnerability(name, vulnerable[name])]} if name in vulnerable else {}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_):
            """Print nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query", asked
    finally:
        server.shutdown()
        server.server_close()


def _vulnerability(name, fixed):
    events = [{"introduced": "0"}, {"fixed": fixed}]
    affected = {"package": {"name": name, "ecosystem": "PyPI"}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
    return {"id": "PYSEC-2026-1", "summary": "invented", "affected": [affected], "published": "2026-01-01T00:00:00Z"}


def test_the_audit_asks_about_each_locked_package_of_this_python_and_names_the_others():
    with database({}) as (url, asked):
        found, why = audit(LOCK, osv_url=url)
    here = {entry.name for entry in locked(LOCK) if entry.marker is None or entry.marker.evaluate()}
    assert ({name for name, _ in asked}, why, status_of(found)) == (here, "", 0)
    summary, others = report(LOCK, found, why)
    assert summary == f"requirements.txt: {len(here)} packages asked about, 0 with known vulnerabilities"
    elsewhere = [entry for entry in locked(LOCK) if entry.marker is not None and not entry.marker.evaluate()]
    assert elsewhere
    assert [entry for entry in elsewhere if f"{entry.name}{entry.specifier}" not in others] == []


def test_the_audit_tells_what_is_known_and_fails():
    with database({"kafka-python": "9.0.0"}) as (url, _):
        found, why = audit(LOCK, osv_url=url)
    assert status_of(found) == 1
    assert next(report(LOCK, found, why)).endswith(": PYSEC-2026-1, fixed in 9.0.0")


def test_a_database_that_cannot_be_reached_is_no_clean_bill():
    found, why = audit(LOCK, osv_url=f"http://127.0.0.1:{free_port()}/v1/query")
    assert (found, status_of(found)) == (None, 3)
    (line,) = report(LOCK, found, why)
    assert line.startswith("requirements.txt: skipped, the vulnerability database gave no answer: ")
    assert "refused" in line


def test_a_package_that_the_database_refuses_is_named_and_is_no_clean_bill():
    found = [{"name": "numpy", "skip_reason": "not found"}]
    assert status_of(found) == 3
    assert "numpy" in list(report(LOCK, found, ""))[-1]

"""`make audit`: known vulnerabilities of the locked packages, from OSV's database; what was not looked at is said.

pip-audit asks `https://api.osv.dev` for each name and version, and nothing else: no index, no download. Where that
cannot be reached nothing is known, which is told and is no success. Exit status: 0 all asked and nothing known against
them, 1 something is, 3 not asked (0 with --may-skip).
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / ".cache" / "audit" / "bin"
LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-audit.txt")


def locked(path):
    """Every requirement of a lock."""
    lines = path.read_text().replace("\\\n", " ").splitlines()
    return [Requirement(line.split(" --hash")[0]) for line in lines if line and line[0] not in " #"]


def audit(lock, *, osv_url=None):
    """Ask about the packages of one lock; return (what pip-audit found, or None; why it found nothing)."""
    command = [TOOLS / "pip-audit", "--requirement", lock, "--require-hashes", "--disable-pip"]
    command += ["--vulnerability-service", "osv", "--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    if osv_url is not None:
        command += ["--osv-url", osv_url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    try:
        return json.loads(done.stdout)["dependencies"], ""
    except ValueError:
        last = (done.stderr.strip() or "pip-audit says nothing").splitlines()[-1]
        return None, last.rpartition("Caused by ")[2][:300]


def report(lock, found, why):
    """Say in lines what is known of one lock; the last line names what was not asked about."""
    if found is None:
        yield f"{lock.name}: skipped, the vulnerability database gave no answer: {why}"
        return
    asked = {each["name"]: each for each in found if "version" in each}
    for name, each in sorted(asked.items()):
        for known in each["vulns"]:
            fixed = ", ".join(known["fix_versions"]) or "no version yet"
            yield f"{lock.name}: {name} {each['version']}: {known['id']}, fixed in {fixed}"
    harmed = sum(bool(each["vulns"]) for each in asked.values())
    yield f"{lock.name}: {len(asked)} packages asked about, {harmed} with known vulnerabilities"
    others = [entry for entry in locked(lock) if not _asked_about(entry, asked)]
    if others:
        named = ", ".join(f"{entry.name}{entry.specifier}" for entry in others)
        yield f"{lock.name}: not asked about (for another Python or platform, or refused): {named}"


def _asked_about(entry, asked):
    return entry.name in asked and asked[entry.name]["version"] in entry.specifier


def status_of(found):
    """Return the exit status of one lock's findings."""
    if found is None or any("version" not in each for each in found):
        return 3
    return 1 if any(each["vulns"] for each in found) else 0


def main():
    """Ask about every lock."""
    parser = argparse.ArgumentParser(prog="make audit", description="Known vulnerabilities of what is locked.")
    parser.add_argument("--osv-url", help="another database with OSV's interface")
    parser.add_argument("--may-skip", action="store_true", help="no failure where the database cannot be reached")
    arguments = parser.parse_args()
    statuses = set()
    for name in LOCKS:
        found, why = audit(ROOT / name, osv_url=arguments.osv_url)
        print("\n".join(report(ROOT / name, found, why)), flush=True)
        statuses.add(status_of(found))
    if 1 in statuses:
        return 1
    return 3 if 3 in statuses and not arguments.may_skip else 0


if __name__ == "__main__":
    sys.exit(main())

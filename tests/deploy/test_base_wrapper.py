"""`with_base` lets its command run whether a base can be made or not, says which, and leaves nothing.

The programs that make a base are scripts here; test_image.py uses the real ones.
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROGRAMS = {
    "apt-get": 'case "$1" in indextargets) echo "deb uri suite main|Debian"; echo "deb uri suite main|Other" ;; esac',
    "mmdebstrap": 'for last; do :; done; cp "$last" "$SEEN"; [ "$FAILS" != mmdebstrap ] || exit 3',
    "buildah": '[ "$1" != "$FAILS" ] || exit 4; [ "$1 $HANGS" != "bud bud" ] || sleep 300',
}
#: What CI sets, and the wrapper itself, under which these tests run there.
OURS = ("CI", "KLAXON_TEST_BASE", "KLAXON_TEST_BASE_TRIED", "CONTAINERS_STORAGE_CONF")

pytestmark = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="making a base needs root")


@pytest.fixture
def started(tmp_path):
    """Start it with a command of the shell: started(command, **environment) -> the process."""
    scripts, programs = tmp_path / "tests" / "deploy", tmp_path / "bin"
    for folder in (scripts, programs, tmp_path / "tmp"):
        folder.mkdir(parents=True)
    for name in ("cleanly.sh", "with_base"):
        shutil.copy(HERE / name, scripts)
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)

    def start(command, **more):
        environment = {
            **{name: text for name, text in os.environ.items() if name not in OURS},
            "PATH": f"{programs}:{os.environ['PATH']}",
            "TMPDIR": str(tmp_path / "tmp"),
            "SEEN": str(tmp_path / "sources"),
            "FAILS": "",
            "HANGS": "",
            **more,
        }
        return subprocess.Popen(
            [scripts / "with_base", "sh", "-c", command],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    yield start
    assert list((tmp_path / "tmp").iterdir()) == []


def ended(process):
    """Let it end: its exit status, and what it said."""
    said, _ = process.communicate(timeout=60)
    return process.returncode, said


SHOWN = 'echo "base=$KLAXON_TEST_BASE storage=${CONTAINERS_STORAGE_CONF:+its own}"; exit 7'


def test_the_command_sees_the_base_and_its_status_is_the_wrappers(started, tmp_path):
    status, said = ended(started(SHOWN))
    assert status == 7
    assert "base=localhost/klaxon-base storage=its own\n" in said
    assert (tmp_path / "sources").read_text() == "deb uri suite main\n"


def test_a_base_that_is_named_stays(started):
    assert ended(started(SHOWN, KLAXON_TEST_BASE="mine")) == (7, "== the image's base is mine\nbase=mine storage=\n")


@pytest.mark.parametrize("step", ["mmdebstrap", "bud"])
@pytest.mark.parametrize(("ci", "expected"), [("", 0), ("true", 1)])
def test_where_making_one_fails_the_command_runs_without_one_and_in_ci_that_fails_afterwards(
    started, step, ci, expected
):
    status, said = ended(started('echo "base=$KLAXON_TEST_BASE storage=$CONTAINERS_STORAGE_CONF"', FAILS=step, CI=ci))
    assert status == expected
    assert "skipped: a base for the image (making one failed, see above)\nbase= storage=\n" in said
    assert ("failed: there was no base" in said) == bool(expected)


def test_a_program_that_is_missing_is_named_and_is_no_failure_in_ci(started, tmp_path):
    for name in ("sh", "bash", "dirname", "timeout", "env"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    (tmp_path / "bin" / "mmdebstrap").unlink()
    status, said = ended(started(SHOWN, PATH=str(tmp_path / "bin"), CI="true"))
    assert (status, said.splitlines()) == (
        7, ["== skipped: a base for the image (there is no mmdebstrap here)", "base= storage="]
    )  # fmt: skip


def test_a_signal_while_it_is_made_ends_it_without_the_command(started, tmp_path):
    process = started("echo the command ran", HANGS="bud")
    deadline = time.monotonic() + 30
    while not (tmp_path / "sources").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    status, said = ended(process)
    assert status == 128 + signal.SIGTERM
    assert "the command ran" not in said

"""Whatever ends `with_cluster`, the cluster is taken down. The kit is one that writes down what it is asked for."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
#: In the place of the builder of images, which test_image.py tries.
BUILDER = '#!/bin/sh\necho "build" >>"$ASKED"\n: >"$4"\n'
#: Fails so often as $FAILS says.
UP = """#!/bin/sh
echo "up" >>"$ASKED"
mkdir -p "$CLUSTER_DIR/run" "$CLUSTER_DIR/bin" "$CLUSTER_DIR/logs"
echo "the API server's last words" >"$CLUSTER_DIR/logs/api.log"
[ "$(grep -c up "$ASKED")" -gt "$FAILS" ] || exit 1
echo "$EXPORTS"
"""

pytestmark = [
    pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="a node needs root"),
    pytest.mark.skipif(shutil.which("flock") is None, reason="there is no flock in PATH"),
]


class Project:
    """A folder with the scripts and such a kit."""

    def __init__(self, folder):
        self.folder, self.asked = folder, folder / "asked"
        self.asked.touch()
        (folder / "tests" / "deploy").mkdir(parents=True)
        for name in ("cleanly.sh", "with_base", "with_cluster"):
            shutil.copy(HERE / name, folder / "tests" / "deploy")
        for name, text in {
            ".venv/bin/python": BUILDER,
            "kit/up": UP,
            "kit/image": '#!/bin/sh\necho "image" >>"$ASKED"\n',
            "kit/down": '#!/bin/sh\necho "down" >>"$ASKED"\n',
        }.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        (folder / "tmp").mkdir()

    def start(self, *command, fails=0, kit="kit", **more):
        """Start the wrapper, with more variables of the environment."""
        environment = {
            **os.environ,
            "ASKED": str(self.asked),
            "FAILS": str(fails),
            "EXPORTS": "export KUBECONFIG=/config CLUSTER_GATEWAY=10.0.0.1",
            "KUBECONFIG": "/config/of/the/caller",
            "KLAXON_TEST_CLUSTER_KIT": str(self.folder / kit),
            "KLAXON_TEST_BASE": "a-base",
            "KLAXON_TEST_CACHE": str(self.folder / "cache"),
            "TMPDIR": str(self.folder / "tmp"),
            **more,
        }
        return subprocess.Popen(
            [self.folder / "tests" / "deploy" / "with_cluster", *command],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def ended(self, *command, **how):
        """Let it end: its exit status, and what it said."""
        process = self.start(*command, **how)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said

    def left(self):
        """What it asked of the kit, and what it left of the cluster and of its own files."""
        found = [*(self.folder / "tmp").iterdir(), *(self.folder / "cache" / "cluster").iterdir()]
        return self.asked.read_text().split(), sorted(path.name for path in found)


@pytest.fixture
def project(tmp_path):
    """The scripts beside a kit."""
    return Project(tmp_path)


def test_the_command_sees_the_cluster_and_its_status_is_the_wrappers(project):
    shown = 'echo "$KUBECONFIG $KLAXON_TEST_GATEWAY $KLAXON_TEST_IMAGE"; exit 7'
    status, said = project.ended("sh", "-c", shown)
    assert status == 7
    assert "/config 10.0.0.1 localhost/klaxond:under-test" in said
    assert project.left() == (["build", "up", "image", "down"], ["bin"])


def test_a_cluster_that_does_not_come_up_is_tried_once_more_with_its_log(project):
    status, said = project.ended("true", fails=1)
    assert status == 0
    assert "the API server's last words" in said
    assert project.left() == (["build", "up", "up", "image", "down"], ["bin"])


def test_a_cluster_that_never_comes_up_is_a_failure_and_is_taken_down(project):
    status, said = project.ended("echo", "the command ran", fails=2)
    assert status == 1
    assert "the command ran" not in said
    assert project.left() == (["build", "up", "up", "down"], ["bin"])


@pytest.mark.parametrize("exports", ["export CLUSTER_GATEWAY=10.0.0.1", "export KUBECONFIG=/config"])
def test_a_kit_that_does_not_name_its_cluster_is_a_failure_and_the_callers_cluster_is_not_taken(project, exports):
    status, said = project.ended("echo", "the command ran", EXPORTS=exports)
    assert status != 0
    assert "the command ran" not in said
    assert project.left() == (["build", "up", "down"], ["bin"])


def signalled(project, number, script, **more):
    """Send a signal once the command has written a process to $PID: seconds to the end, and if that process lives."""
    pid_file = project.folder / "pid"
    process = project.start("sh", "-c", script, PID=str(pid_file), **more)
    deadline = time.monotonic() + 30
    while not (pid_file.exists() and pid_file.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    began = time.monotonic()
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 128 + number
    stat = Path("/proc", pid_file.read_text().strip(), "stat")
    return time.monotonic() - began, stat.exists() and stat.read_text().split()[2] != "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_command_with_all_its_children_and_takes_the_cluster_down(project, number):
    _, lives = signalled(project, number, "sleep 300 & echo $! >$PID; wait")
    assert not lives
    assert project.left() == (["build", "up", "image", "down"], ["bin"])


def test_a_command_that_does_not_hear_is_killed_and_the_cluster_taken_down(project):
    deaf = "trap '' TERM; echo $$ >$PID; while :; do sleep 0.1; done"
    seconds, lives = signalled(project, signal.SIGTERM, deaf, CLEANLY_PATIENCE_SECONDS="2")
    assert not lives
    assert seconds >= 2
    assert project.left() == (["build", "up", "image", "down"], ["bin"])


def test_what_runs_within_is_killed_earlier_than_what_has_to_clean_up_after_it(project):
    status, said = project.ended("sh", "-c", "exit $CLEANLY_PATIENCE_SECONDS", CLEANLY_PATIENCE_SECONDS="80")
    assert (status, "brought the cluster up" in said) == (41, True)


def test_without_a_kit_nothing_runs_and_why_is_said(project):
    status, said = project.ended("echo", "the command ran", kit="nowhere")
    assert status == 0
    assert said == f"skipped: the cluster tests (no kit at {project.folder / 'nowhere'}: set KLAXON_TEST_CLUSTER_KIT)\n"
    assert project.asked.read_text() == ""
